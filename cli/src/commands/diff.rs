//! `btfgen diff`: which types, functions and variables differ between two files.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use btf::diff::{Aspect, Change, Diff, Entry, Fate, OneSided, Space, diff};
use serde_json::{Value, json};

use super::loaded::{base_of, damaged, print, with_base, with_view};
use crate::args::DiffArgs;
use crate::messages::{Failure, print_failure};

/// Exit codes of diff(1): nothing differs, something does, trouble.
const SAME: u8 = 0;
const DIFFERENT: u8 = 1;
const TROUBLE: u8 = 2;

/// Runs the command. What differs goes to standard output.
pub fn run(args: &DiffArgs) -> ExitCode {
    let shown = compare(args).and_then(|diff| {
        let text = if args.json { format!("{}\n", json_of(args, &diff)) } else { text_of(args, &diff) };
        print(text.as_bytes())?;
        Ok(if diff.is_empty() { SAME } else { DIFFERENT })
    });
    let code = shown.unwrap_or_else(|failure| {
        print_failure(&failure);
        TROUBLE
    });
    ExitCode::from(code)
}

fn compare(args: &DiffArgs) -> Result<Diff, Failure> {
    let (a, b) = (args.first.as_path(), args.second.as_path());
    let named = [args.bases.first(), args.bases.last()];
    let base_a = base_of(named[0].map(|path| path.as_path()), &[a.to_owned()])?;
    let base_b = base_of(named[1].map(|path| path.as_path()), &[b.to_owned()])?;
    with_base(base_a.as_deref(), |on_a| {
        let with_b = |on_b: Option<&btf::view::BtfView<'_>>| {
            with_view(a, on_a, |first, _| {
                with_view(b, on_b, |second, _| {
                    diff(first, second).map_err(|e| damaged(if e.second { b } else { a }, &e.error, ""))
                })
            })
        };
        // Loaded once, so that its types are the same ones.
        if base_a == base_b { with_b(on_a) } else { with_base(base_b.as_deref(), with_b) }
    })
}

fn text_of(args: &DiffArgs, diff: &Diff) -> String {
    if diff.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {}\n+++ {}\n", args.first.display(), args.second.display());
    for entry in &diff.entries {
        _ = match &entry.fate {
            Fate::Removed(what) => writeln!(out, "- {}: {what}", named(entry)),
            Fate::Added(what) => writeln!(out, "+ {}: {what}", named(entry)),
            Fate::Changed(changes) if args.full => {
                let lines = changes.iter().map(|change| format!("! {}{change}\n", named(entry)));
                out.write_str(&lines.collect::<String>())
            }
            Fate::Changed(changes) => {
                let first = changes.first().map_or(String::new(), Change::to_string);
                writeln!(out, "! {}{first}{}", named(entry), more(changes))
            }
        };
    }
    one_sided(&mut out, "tag", &diff.tags);
    if args.full {
        one_sided(&mut out, "unnamed", &diff.unnamed);
    }
    for space in Space::ALL {
        let [removed, added, changed] = counts(diff, space);
        if removed + added + changed > 0 {
            _ = writeln!(out, "{}: {removed} removed, {added} added, {changed} changed", plural(space));
        }
    }
    for (what, OneSided { removed, added }) in
        [("tags", &diff.tags), ("types without a name that none with a name uses", &diff.unnamed)]
    {
        if removed.len() + added.len() > 0 {
            _ = writeln!(out, "{what}: {} removed, {} added", removed.len(), added.len());
        }
    }
    out
}

/// `struct foo`.
fn named(entry: &Entry) -> String {
    format!("{} {}", entry.space.word(), entry.name)
}

/// How much more there is than the first change.
fn more(changes: &[Change]) -> String {
    let moved = changes.iter().skip(1).filter(|change| change.aspect == Aspect::Offset).count();
    match (changes.len().saturating_sub(1 + moved), moved) {
        (0, 0) => String::new(),
        (0, moved) => format!(" ({moved} moved)"),
        (more, 0) => format!(" (and {more} more)"),
        (more, moved) => format!(" (and {more} more, {moved} moved)"),
    }
}

fn one_sided(out: &mut String, what: &str, sides: &OneSided) {
    sides.removed.iter().for_each(|text| _ = writeln!(out, "- {what} {text}"));
    sides.added.iter().for_each(|text| _ = writeln!(out, "+ {what} {text}"));
}

/// Entries that are removed, added, changed.
fn counts(diff: &Diff, space: Space) -> [usize; 3] {
    let mut counts = [0; 3];
    for entry in diff.entries.iter().filter(|entry| entry.space == space) {
        counts[fate(entry)] += 1;
    }
    counts
}

fn fate(entry: &Entry) -> usize {
    match entry.fate {
        Fate::Removed(_) => 0,
        Fate::Added(_) => 1,
        Fate::Changed(_) => 2,
    }
}

fn plural(space: Space) -> &'static str {
    match space {
        Space::Struct => "structs",
        Space::Union => "unions",
        Space::Enum => "enums",
        Space::Typedef => "typedefs",
        Space::Base => "base types",
        Space::Func => "functions",
        Space::Var => "variables",
        Space::Datasec => "sections",
    }
}

fn json_of(args: &DiffArgs, diff: &Diff) -> Value {
    let (mut removed, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &diff.entries {
        let (kind, name) = (entry.space.word(), &entry.name);
        match &entry.fate {
            Fate::Removed(what) => removed.push(json!({"kind": kind, "name": name, "was": what})),
            Fate::Added(what) => added.push(json!({"kind": kind, "name": name, "is": what})),
            Fate::Changed(changes) => {
                let changes: Vec<Value> = changes.iter().map(change_json).collect();
                changed.push(json!({"kind": kind, "name": name, "changes": changes}));
            }
        }
    }
    let path = |path: &Path| path.display().to_string();
    let sides = |sides: &OneSided| json!({"removed": sides.removed, "added": sides.added});
    json!({
        "first": path(&args.first),
        "second": path(&args.second),
        "same": diff.is_empty(),
        "removed": removed,
        "added": added,
        "changed": changed,
        "tags": sides(&diff.tags),
        "unnamed": sides(&diff.unnamed),
    })
}

fn change_json(change: &Change) -> Value {
    let aspect = match change.aspect {
        Aspect::Element => "element",
        Aspect::Type => "type",
        Aspect::Value => "value",
        other => other.word(),
    };
    json!({"path": change.path, "what": aspect, "from": change.from, "to": change.to})
}
