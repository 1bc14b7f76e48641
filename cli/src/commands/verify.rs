//! `btfgen verify`: the kernel's rules, and what goes wrong although none is broken. `docs/verify.md` has the numbers.

use std::path::Path;

use btf::verify::rules::{self, rule};
use btf::verify::{self, Finding, KernelVersion, Level, element_word, verify_bytes};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::hazards::{self, Hazard, Severity, Subject};
use encoder::input::Input;
use encoder::mentions::{Mentions, mentions};
use encoder::module_file;
use serde_json::{Value, json};

use super::loaded::base_of;
use super::{btf_of, distilled_base_of, open, open_base, unchanged};
use crate::args::{VerifyArgs, VerifyLevel};
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};

/// Runs the command. The results go to standard output; the exit code is that of the first file that is no good.
pub fn run(args: &VerifyArgs) -> Exit {
    match verify_all(args) {
        Ok(exit) => exit,
        Err(failure) => print_failure(&failure),
    }
}

fn verify_all(args: &VerifyArgs) -> Result<Exit, Failure> {
    let found = base_of(args.base.path.as_deref(), &args.files)?;
    let base_input = found.as_ref().map(|path| open_base(path)).transpose()?;
    let base = match (&found, &base_input) {
        (Some(path), Some(input)) => {
            let failed = |e| Failure::new(Exit::Base, path, format!("the base BTF is damaged: {e}"));
            Some(BtfView::parse(btf_of(input, path)?).map_err(failed)?)
        }
        _ => None,
    };
    let mut exit = Exit::Done;
    for file in &args.files {
        let result = verify_file(args, file, base.as_ref());
        if let (Some(path), Some(input)) = (&found, &base_input) {
            unchanged(input, path)?;
        }
        let code = match result {
            Ok(report) => {
                report.print(args.json);
                if report.is_refused() { Exit::Violation } else { Exit::Done }
            }
            Err(failure) => {
                if args.json {
                    println!(
                        "{}",
                        json!({"file": file.display().to_string(), "verdict": "unreadable", "error": failure.text})
                    );
                }
                print_failure(&failure)
            }
        };
        if exit == Exit::Done {
            exit = code;
        }
    }
    Ok(exit)
}

/// What there is to say about a file.
struct Report {
    file: String,
    level: Level,
    kernel: KernelVersion,
    /// The violations of each part of the file.
    parts: Vec<(&'static str, Vec<Violation>)>,
    hazards: Vec<Hazard>,
    types: usize,
}

/// A finding, and the units that what it is about is from.
struct Violation {
    finding: Finding,
    units: Mentions,
}

impl Violation {
    /// Those of a part of a file. Of which units they are is looked up in the file's DWARF; if that is missing or damaged, which is no
    /// matter of the BTF, it is not known.
    fn all(findings: Vec<Finding>, elf: Option<&ElfFile<'_>>) -> Vec<Violation> {
        let wanted: Vec<_> = findings.iter().map(|f| Some((f.kind?, f.name.as_str()))).collect();
        let units = elf.filter(|_| !wanted.is_empty()).and_then(|elf| mentions(elf, &wanted).ok());
        let units = units.unwrap_or_else(|| vec![Mentions::default(); wanted.len()]);
        findings.into_iter().zip(units).map(|(finding, units)| Violation { finding, units }).collect()
    }
}

fn verify_file(args: &VerifyArgs, path: &Path, base: Option<&BtfView<'_>>) -> Result<Report, Failure> {
    let input = open(path)?;
    let report = verify_input(args, path, &input, base);
    unchanged(&input, path)?;
    report
}

fn verify_input(args: &VerifyArgs, path: &Path, input: &Input, base: Option<&BtfView<'_>>) -> Result<Report, Failure> {
    let failed = |text: String| Failure::new(Exit::Input, path, text);
    let as_input = |failure: Failure| failed(failure.text);
    let is_elf = input.bytes().starts_with(b"\x7fELF");
    let elf = if is_elf { Some(ElfFile::parse(input.bytes()).map_err(|e| failed(e.to_string()))?) } else { None };
    // Raw BTF may have a wrong magic number, too, if its name says what it is meant to be.
    let bytes = match &elf {
        None if path.extension().is_some_and(|e| e == "btf") => input.bytes(),
        _ => btf_of(input, path).map_err(as_input)?,
    };
    let own_base = distilled_base_of(input, path).map_err(as_input)?;
    let release = elf.as_ref().and_then(module_file::release);
    let kernel = args.kernel.or_else(|| KernelVersion::of_release(&release?)).unwrap_or(KernelVersion::NEWEST);
    let level = match args.level {
        VerifyLevel::Kernel => Level::Kernel,
        VerifyLevel::User => Level::User,
    };
    let pointer_bytes = match &elf {
        Some(elf) if !elf.is_64 => 4,
        Some(_) => 8,
        None => base.and_then(BtfView::word_size).unwrap_or(8),
    };
    let options = verify::Options { level, kernel, pointer_bytes, ..verify::Options::default() };
    // What is linked for itself stands on nothing: a vmlinux.
    let base = base.filter(|_| elf.as_ref().is_none_or(|elf| elf.relocatable));
    let mut report =
        Report { file: path.display().to_string(), level, kernel, parts: Vec::new(), hazards: Vec::new(), types: 0 };
    let below = match own_base {
        None => None,
        Some(bytes) => {
            // These are types of the kernel.
            report.parts.push((".BTF.base", Violation::all(verify_bytes(bytes, None, &options), None)));
            match BtfView::parse(bytes) {
                Ok(view) => Some(view),
                // Nothing can be said of what stands on it.
                Err(_) => return Ok(report),
            }
        }
    };
    let below = below.as_ref().or(base);
    report.parts.push((".BTF", Violation::all(verify_bytes(bytes, below, &options), elf.as_ref())));
    if let Ok(view) = BtfView::parse_on(bytes, below) {
        report.types = view.type_count();
        if !report.is_refused() {
            let subject = Subject { view: &view, base, elf: elf.as_ref(), kernel };
            report.hazards = hazards::find(&subject);
        }
    }
    Ok(report)
}

impl Report {
    /// Whether a kernel would refuse the file.
    fn is_refused(&self) -> bool {
        let violation = |hazard: &Hazard| hazard.severity == Severity::Violation;
        self.parts.iter().any(|(_, findings)| !findings.is_empty()) || self.hazards.iter().any(violation)
    }

    fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            self.print_text();
        }
    }

    fn print_text(&self) {
        let file = &self.file;
        for (part, violation) in self.parts.iter().flat_map(|(part, all)| all.iter().map(move |v| (part, v))) {
            let Violation { finding, units } = violation;
            println!(
                "{file}: violation: {}{finding}",
                if *part == ".BTF" { String::new() } else { format!("{part}: ") }
            );
            for line in finding.log.lines() {
                println!("    BPF: {line}");
            }
            match units.count {
                0 => {}
                1 => println!("    from {}", units.first),
                count => println!("    from {} and {} more", units.first, count - 1),
            }
            println!("    {}", rule(finding.rule).map_or("", |rule| rule.remedy));
        }
        for hazard in &self.hazards {
            println!("{file}: {}: {}: {} ({})", severity(hazard), hazard.subject, hazard.text, hazard.number);
            println!("    {}", hazards::remedy(hazard.number));
        }
        let verdict = match (self.is_refused(), self.hazards.len()) {
            (true, _) => "refused".to_owned(),
            (false, 0) => "ok".to_owned(),
            (false, 1) => "ok, with 1 hazard".to_owned(),
            (false, count) => format!("ok, with {count} hazards"),
        };
        println!("{file}: {verdict}: {} types, by the rules of Linux {}{}", self.types, self.kernel, self.of_level());
    }

    fn of_level(&self) -> &'static str {
        match self.level {
            Level::Kernel => "",
            Level::User => " for BPF_BTF_LOAD",
        }
    }

    fn json(&self) -> Value {
        let violations = self.parts.iter().flat_map(|(part, all)| all.iter().map(|v| of_violation(part, v)));
        let (bad, hazards): (Vec<&Hazard>, Vec<&Hazard>) =
            self.hazards.iter().partition(|hazard| hazard.severity == Severity::Violation);
        json!({
            "file": self.file,
            "verdict": if self.is_refused() { "refused" } else { "accepted" },
            "kernel": self.kernel.to_string(),
            "level": match self.level { Level::Kernel => "kernel", Level::User => "user" },
            "types": self.types,
            "violations": violations.chain(bad.into_iter().map(of_hazard)).collect::<Vec<_>>(),
            "hazards": hazards.into_iter().map(of_hazard).collect::<Vec<_>>(),
        })
    }
}

fn severity(hazard: &Hazard) -> &'static str {
    match hazard.severity {
        Severity::Violation => "violation",
        Severity::Hazard => "hazard",
    }
}

fn of_violation(part: &str, Violation { finding, units }: &Violation) -> Value {
    let rule = rule(finding.rule);
    let element = finding.element.as_ref().zip(finding.kind.and_then(element_word));
    json!({
        "rule": finding.rule,
        "severity": "violation",
        "section": part,
        "id": finding.id.0,
        "kind": finding.kind.map(btf::kind::Kind::name),
        "name": finding.name,
        "element": element.map(|(e, word)| json!({"is": word, "number": e.number, "name": e.name})),
        "unit": (units.count > 0).then_some(&units.first),
        "units": (units.count > 0).then_some(units.count),
        "text": finding.text,
        "log": finding.log,
        "broken_if": rule.map(|rule: &rules::Rule| rule.broken_if),
        "remedy": rule.map(|rule| rule.remedy),
    })
}

fn of_hazard(hazard: &Hazard) -> Value {
    json!({
        "rule": hazard.number,
        "severity": severity(hazard),
        "subject": hazard.subject,
        "text": hazard.text,
        "remedy": hazards::remedy(hazard.number),
    })
}
