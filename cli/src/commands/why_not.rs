//! `btfgen why-not`: why a function is not in BTF, or that it is, with what tells it and where that stands in the source.

use std::path::Path;

use btf::kind::Kind;
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::Caller;
use encoder::debug_files::DebugFiles;
use encoder::one_shot::{Ids, Task, one_shot};
use encoder::options::{Options, RUST, UnitChoice};
use encoder::report::FunctionReport;
use encoder::why_not::{Described, Evidence, Fate, SymbolKind, evidence};

use super::loaded::with_base;
use super::{open, unchanged};
use crate::args::WhyNotArgs;
use crate::base_search;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};

/// Runs the command; the answer goes to standard output.
pub fn run(args: &WhyNotArgs) -> Exit {
    match answer(args) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            Exit::Done
        }
        Err(failure) => print_failure(&failure),
    }
}

fn answer(args: &WhyNotArgs) -> Result<Vec<String>, Failure> {
    let path = &args.file;
    let input = open(path)?;
    let failed = |e: encoder::error::Error| Failure::new(e.kind().into(), path, e.to_string());
    let elf = ElfFile::parse(input.bytes()).map_err(|e| Failure::new(Exit::Input, path, e.to_string()))?;
    let files = DebugFiles::find(path, &elf, &base_search::root()).map_err(failed)?;
    let lines = files.attach(elf).map_err(failed).and_then(|elf| lines_of(args, &elf, &files));
    unchanged(&input, path)?;
    files.check().map_err(|(path, e)| Failure::new(Exit::Io, path, e.to_string()))?;
    lines
}

fn lines_of(args: &WhyNotArgs, elf: &ElfFile<'_>, files: &DebugFiles) -> Result<Vec<String>, Failure> {
    let path = &args.file;
    // What the compiler appended is no part of the name.
    let name = args.function.split('.').next().unwrap_or_default();
    let options = Options { report_functions: true, units: UnitChoice::without_rust(), ..Options::default() };
    let task = Task { describe_kfuncs: false, ids: Ids::Leave, ..Task::new(None, &options) };
    let failed = |e: encoder::error::Error| Failure::new(e.kind().into(), path, files.explain(&e));
    let (_, summary) = one_shot(elf, &task, Caller::default()).map_err(failed)?;
    let report = summary.function_reports.iter().find(|r| r.name == name);
    let evidence = evidence(elf, name.as_bytes()).map_err(failed)?;
    let mut lines = vec![format!("{name}: {}", verdict(report, &evidence))];
    if let Some(base) = &args.base.path {
        let has = if base_has(base, name)? { "has a function of this name" } else { "has no function of this name" };
        lines.push(format!("  the base {has}; functions are never taken from it"));
    }
    lines.extend(evidence.symbols.iter().map(|symbol| {
        let what = match symbol.kind {
            SymbolKind::Function => "symbol",
            SymbolKind::Undefined => "symbol, not defined here,",
            SymbolKind::Indirect => "symbol of an indirect function (IFUNC)",
            SymbolKind::Other => "symbol that is of no function",
        };
        let place = if symbol.place.is_empty() { String::new() } else { format!(" at {}", symbol.place) };
        format!("  {what} {}{place}", symbol.name)
    }));
    lines.extend(evidence.dies.iter().map(line));
    Ok(lines)
}

/// The answer in one line.
fn verdict(report: Option<&FunctionReport>, evidence: &Evidence) -> String {
    let fate = |wanted: fn(&Fate) -> bool| evidence.dies.iter().any(|die| wanted(&die.fate));
    let symbol = |kind| evidence.symbols.iter().any(|symbol| symbol.kind == kind);
    let excluded = !evidence.dies.is_empty() && evidence.dies.iter().all(|die| die.language == RUST);
    let why = match report.map(|r| (r.dropped, r.note)) {
        Some((None, None)) => return "in BTF".into(),
        Some((None, Some(note))) => return format!("in BTF; {note}"),
        Some(_) if excluded => "its unit is left out because of its language (Rust)".into(),
        Some((Some(reason), _)) => reason.to_string(),
        None if evidence.symbols.is_empty() && evidence.dies.is_empty() => {
            "there is nothing of this name here, neither a symbol nor debug information".into()
        }
        None if symbol(SymbolKind::Undefined) => "it is defined in another file, and only used here".into(),
        None if symbol(SymbolKind::Indirect) => {
            "its symbol is of an indirect function (IFUNC), which chooses another".into()
        }
        None if symbol(SymbolKind::Other) => "its symbol is of no function".into(),
        None if fate(|f| matches!(f, Fate::Code { .. })) => {
            "no symbol: its code has debug information, but no name".into()
        }
        None if fate(|f| matches!(f, Fate::Inlined(..))) => "no symbol: it is inlined wherever it is called".into(),
        None if fate(|f| *f == Fate::Gone) => "no symbol: it is not called, or the compiler had no need of it".into(),
        None => "it is only declared here".into(),
    };
    format!("not in BTF: {why}")
}

fn line(die: &Described) -> String {
    let fate = match &die.fate {
        Fate::Code { place, parameters } if parameters.is_empty() => format!("code at {place}"),
        Fate::Code { place, parameters } => {
            let parameters: Vec<String> = parameters.iter().map(|(name, place)| format!("{name} {place}")).collect();
            format!("code at {place}; {}", parameters.join(", "))
        }
        Fate::Inlined(count, first) if die.count > 1 => {
            format!("inlined {count} times in {} units, first at {first}", die.count)
        }
        Fate::Inlined(1, first) => format!("inlined at {first}"),
        Fate::Inlined(count, first) => format!("inlined {count} times, first at {first}"),
        Fate::Declared if die.count > 1 => format!("declared in {} units", die.count),
        Fate::Declared => "declared".into(),
        Fate::Gone => "no code".into(),
    };
    format!("  {}: {}: {fate}", die.source, die.prototype)
}

fn base_has(path: &Path, name: &str) -> Result<bool, Failure> {
    with_base(Some(path), |base| {
        let is_it = |base: &BtfView<'_>| {
            let mut functions = base.types_of(|kind| kind == Kind::Func);
            functions.any(|(_, t)| base.string(t.name_off()) == Some(name.as_bytes()))
        };
        Ok(base.is_some_and(is_it))
    })
}
