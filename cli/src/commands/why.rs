//! `btfgen why`: why a type is in a module although the base has one of that name, or what needs it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use btf::diff::Space;
use btf::why::{Answer, Declared, Difference, Reason, Step, Wanted, Why, why};
use dwarf::elf::ElfFile;
use encoder::input::Input;
use encoder::why_not::declared::{DeclaredKind, Sought, declarations};
use serde_json::{Value, json};

use super::loaded::{base_of, damaged, print, with_base, with_view};
use super::{open_base, unchanged};
use crate::args::WhyArgs;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};

/// Runs the command; the answer goes to standard output.
pub fn run(args: &WhyArgs) -> Exit {
    match answer(args) {
        Ok(()) => Exit::Done,
        Err(failure) => print_failure(&failure),
    }
}

fn answer(args: &WhyArgs) -> Result<(), Failure> {
    let base_path = base_of(args.base.path.as_deref(), std::slice::from_ref(&args.file))?;
    let wanted = Wanted::of(&args.name);
    let (answer, here) = with_base(base_path.as_deref(), |base| {
        with_view(&args.file, base, |view, input| {
            let answer = why(view, &wanted, args.most).map_err(|e| damaged(&args.file, &e, ""))?;
            let sources = Sources::of(input, &args.file, &answer)?;
            Ok((answer, sources))
        })
    })?;
    let there = match &base_path {
        Some(path) => {
            let input = open_base(path)?;
            let sources = Sources::of(&input, path, &answer);
            unchanged(&input, path)?;
            sources?
        }
        None => Sources::default(),
    };
    let shown = Shown { args, answer: &answer, here, there };
    let text = if args.json { format!("{}\n", shown.json()) } else { shown.text() };
    print(text.as_bytes())
}

/// Where what is mentioned is declared.
#[derive(Default)]
struct Sources(BTreeMap<Sought, String>);

impl Sources {
    fn of(input: &Input, path: &Path, answer: &Answer) -> Result<Sources, Failure> {
        // Raw BTF has no DWARF.
        let Ok(elf) = ElfFile::parse(input.bytes()) else { return Ok(Sources::default()) };
        let mut sought: Vec<Sought> = steps(answer).filter_map(|step| seek(step.declared.as_ref()?)).collect();
        sought.sort_unstable();
        sought.dedup();
        let found = declarations(&elf, &sought).map_err(|e| Failure::new(e.kind().into(), path, e.to_string()))?;
        let found = sought.into_iter().zip(found);
        Ok(Sources(found.filter_map(|(sought, place)| Some((sought, place?))).collect()))
    }

    fn get(&self, step: &Step) -> Option<&str> {
        self.0.get(&seek(step.declared.as_ref()?)?).map(String::as_str)
    }
}

/// The steps whose places are told.
fn steps(answer: &Answer) -> impl Iterator<Item = &Step> {
    let reasons = answer.own.iter().flat_map(|why| &why.reasons);
    reasons.flat_map(|reason| {
        let (differences, root): (&[Difference], &[Step]) = match reason {
            Reason::InBase { .. } => (&[], &[]),
            Reason::Differs { differences, .. } => (differences, &[]),
            Reason::New(path) => (&[], path),
        };
        differences.iter().flat_map(|d| &d.path).chain(root)
    })
}

fn seek(declared: &Declared) -> Option<Sought> {
    let kind = match declared.space {
        Space::Struct => DeclaredKind::Struct,
        Space::Union => DeclaredKind::Union,
        Space::Enum => DeclaredKind::Enum,
        Space::Typedef => DeclaredKind::Typedef,
        Space::Base | Space::Func | Space::Var | Space::Datasec => return None,
    };
    Some(Sought { kind, name: declared.name.clone(), member: declared.member.clone() })
}

struct Shown<'a> {
    args: &'a WhyArgs,
    answer: &'a Answer,
    here: Sources,
    there: Sources,
}

impl Shown<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        let (name, file) = (&self.args.name, self.args.file.display());
        match (self.answer.own.as_slice(), self.answer.base.as_slice()) {
            ([], []) => _ = writeln!(out, "{name}: neither {file} nor its base has a type of this name"),
            ([], base) => {
                for (id, title) in base {
                    _ = writeln!(out, "{title}: not in {file}: it uses that of the base, type {id}");
                }
            }
            (own, _) => own.iter().for_each(|why| self.of_type(&mut out, why)),
        }
        out
    }

    fn of_type(&self, out: &mut String, why: &Why) {
        let Why { id, name, outline, reasons } = why;
        _ = write!(out, "{name} (type {id}: {outline}): ");
        for reason in reasons {
            match reason {
                Reason::InBase { base, root } => {
                    _ = writeln!(out, "it need not be here: type {base} of the base is its equal");
                    if root.len() > 1 {
                        _ = writeln!(out, "  {}", chain(root));
                    }
                }
                Reason::Differs { base, differences } => {
                    let text = if differences.iter().all(|d| d.only_declared) {
                        "it differs from the base's in what is defined here or there and only declared in the other"
                    } else {
                        "it differs from the base's"
                    };
                    _ = writeln!(out, "{text} (type {base})");
                    differences.iter().for_each(|difference| self.difference(out, difference));
                }
                Reason::New(path) => self.root(out, path),
            }
        }
    }

    fn difference(&self, out: &mut String, d: &Difference) {
        _ = writeln!(out, "  {}", chain(&d.path));
        _ = writeln!(out, "    here: {}", d.here);
        _ = writeln!(out, "    base: {}", d.there);
        self.places(out, &d.path, true);
    }

    /// Where the steps are declared.
    fn places(&self, out: &mut String, path: &[Step], with_base: bool) {
        for step in path {
            let (here, there) = (self.here.get(step), self.there.get(step).filter(|_| with_base));
            _ = match (here, there) {
                (None, None) => continue,
                (Some(here), Some(there)) if here == there => writeln!(out, "      {}: {here}", step.text),
                (Some(here), Some(there)) => writeln!(out, "      {}: {here}, in the base {there}", step.text),
                (Some(here), None) => writeln!(out, "      {}: {here}", step.text),
                (None, Some(there)) => writeln!(out, "      {}: in the base {there}", step.text),
            };
        }
    }

    fn root(&self, out: &mut String, path: &[Step]) {
        match path {
            [] | [_] => _ = writeln!(out, "the base defines none of this name; nothing here refers to it"),
            path => {
                _ = writeln!(out, "the base defines none of this name; it is needed by");
                _ = writeln!(out, "  {}", chain(path));
            }
        }
        self.places(out, path, false);
    }

    fn json(&self) -> Value {
        let step = |step: &Step| json!({"text": step.text, "here": self.here.get(step), "base": self.there.get(step)});
        let path = |path: &[Step]| path.iter().map(step).collect::<Vec<_>>();
        let difference = |d: &Difference| json!({"path": path(&d.path), "here": d.here, "base": d.there, "only_declared": d.only_declared});
        let names = |path: &[Step]| path.iter().map(|step| step.text.clone()).collect::<Vec<_>>();
        let reason = |reason: &Reason| match reason {
            Reason::InBase { base, root } => json!({"reason": "in_base", "base": base.0, "path": names(root)}),
            Reason::Differs { base, differences } => {
                let differences: Vec<Value> = differences.iter().map(difference).collect();
                json!({"reason": "differs", "base": base.0, "differences": differences})
            }
            Reason::New(steps) => json!({"reason": "new", "path": path(steps)}),
        };
        let own = |why: &Why| {
            let reasons: Vec<Value> = why.reasons.iter().map(reason).collect();
            json!({"id": why.id.0, "type": why.name, "outline": why.outline, "reasons": reasons})
        };
        json!({
            "file": self.args.file.display().to_string(),
            "own": self.answer.own.iter().map(own).collect::<Vec<_>>(),
            "base": self.answer.base.iter().map(|(id, title)| json!({"id": id.0, "type": title})).collect::<Vec<_>>(),
        })
    }
}

/// `struct a -> member 'b' -> struct c`.
fn chain(path: &[Step]) -> String {
    path.iter().map(|step| step.text.as_str()).collect::<Vec<_>>().join(" -> ")
}
