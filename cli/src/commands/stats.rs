//! `btfgen stats`: what BTF is made of, file by file and in total.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use btf::kind::Kind;
use btf::stats::{Amount, Figures, Mentioned, OfKind, Stats, stats};
use btf::view::BtfView;
use rayon::prelude::*;
use serde_json::{Value, json};

use super::loaded::{base_of, damaged, print, with_base, with_view};
use crate::args::StatsArgs;
use crate::exit::Exit;
use crate::files;
use crate::messages::{Failure, print_failure};

/// Runs the command. What is found goes to standard output; the exit code is that of the first file that cannot be read.
pub fn run(args: &StatsArgs) -> Exit {
    match all(args) {
        Ok(exit) => exit,
        Err(failure) => print_failure(&failure),
    }
}

fn all(args: &StatsArgs) -> Result<Exit, Failure> {
    let files = files::named(&args.files, &args.modules_dirs)?;
    let base = base_of(args.base.path.as_deref(), &files)?;
    let (results, base_types) = with_base(base.as_deref(), |base| {
        let one = |path: &PathBuf| of_file(path, base, args.largest);
        let results: Vec<Result<Found, Failure>> = files.par_iter().map(one).collect();
        Ok((results, base.map_or(0, BtfView::type_count)))
    })?;
    let mut out = String::new();
    let mut total = Total { used: vec![false; base_types + 1], ..Total::default() };
    let mut exit = Exit::Done;
    let alone = files.len() == 1;
    for (path, result) in files.iter().zip(results) {
        match result {
            Ok(found) => {
                out += &if args.json {
                    format!("{}\n", found.json(path))
                } else if alone {
                    found.text(path, args.largest)
                } else {
                    format!("{}: {}\n", path.display(), Line(&found))
                };
                total.add(path, found, args.largest);
            }
            Err(failure) => {
                if args.json {
                    out += &format!("{}\n", json!({"file": path.display().to_string(), "error": failure.text}));
                }
                let code = print_failure(&failure);
                if exit == Exit::Done {
                    exit = code;
                }
            }
        }
    }
    if !alone {
        out += &if args.json { format!("{}\n", total.json()) } else { total.text() };
    }
    print(out.as_bytes())?;
    Ok(exit)
}

/// What there is to say about a file.
struct Found {
    stats: Stats,
    /// Types of its base, if it has one.
    base_types: Option<usize>,
}

fn of_file(path: &Path, base: Option<&BtfView<'_>>, largest: usize) -> Result<Found, Failure> {
    with_view(path, base, |view, _| {
        let stats = stats(view, largest).map_err(|e| damaged(path, &e, ""))?;
        let base_types = view.base().map(|base| base.end_id().index() - 1);
        Ok(Found { stats, base_types })
    })
}

/// A file in one line.
struct Line<'a>(&'a Found);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stats, all) = (&self.0.stats, self.0.stats.figures.all());
        let figures = &stats.figures;
        write!(f, "{} bytes, {} types, {} bytes of strings", figures.bytes, all.all.types, figures.string_bytes)?;
        if self.0.base_types.is_some() {
            let (used, redefined, in_base) = (stats.base_types_used.len(), figures.redefined, all.in_base.types);
            write!(f, "; {used} types of the base used, {redefined} redefined, {in_base} that it has")?;
        }
        write!(f, "; {} repeated", all.repeated.types)
    }
}

impl Found {
    fn text(&self, path: &Path, most: usize) -> String {
        let Stats { figures, base_types_used, redefined, largest, .. } = &self.stats;
        let mut out = format!("{}: {} bytes of BTF\n", path.display(), figures.bytes);
        tables(&mut out, figures, self.base_types.is_some());
        if let Some(types) = self.base_types {
            let used = base_types_used.len();
            out += &format!("base: {used} of its {types} types are referred to, {} redefined", redefined.len());
            let mut names: Vec<String> = redefined.iter().map(named).collect();
            names.dedup();
            let more = names.len().saturating_sub(most);
            names.truncate(most);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            let sep = if names.is_empty() { "" } else { ": " };
            out += &format!("{sep}{}\n", names.join(", "));
        }
        largest_text(&mut out, largest.iter().map(|m| (m, None)));
        out
    }

    fn json(&self, path: &Path) -> Value {
        let mut object = figures_json(&self.stats.figures);
        object["file"] = json!(path.display().to_string());
        object["base"] = match self.base_types {
            Some(types) => {
                let redefined: Vec<Value> = self.stats.redefined.iter().map(mentioned_json).collect();
                json!({"types": types, "used": self.stats.base_types_used.len(), "redefined": redefined})
            }
            None => Value::Null,
        };
        object["largest"] = self.stats.largest.iter().map(mentioned_json).collect();
        object
    }
}

/// All files together.
#[derive(Default)]
struct Total {
    files: usize,
    figures: Figures,
    /// Types of the base that any file refers to. Files with bases of their own do not count.
    used: Vec<bool>,
    has_base: bool,
    largest: Vec<(Mentioned, String)>,
}

impl Total {
    fn add(&mut self, path: &Path, found: Found, largest: usize) {
        self.files += 1;
        self.figures += &found.stats.figures;
        self.has_base |= found.base_types.is_some();
        let name = path.display().to_string();
        self.largest.extend(found.stats.largest.into_iter().map(|m| (m, name.clone())));
        self.largest.sort_by(|(a, _), (b, _)| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        self.largest.truncate(largest);
        for id in &found.stats.base_types_used {
            if let Some(used) = self.used.get_mut(id.index()) {
                *used = true;
            }
        }
    }

    fn used(&self) -> usize {
        self.used.iter().filter(|&&used| used).count()
    }

    fn text(&self) -> String {
        let mut out = format!("total: {} files, {} bytes of BTF\n", self.files, self.figures.bytes);
        tables(&mut out, &self.figures, self.has_base);
        if self.has_base {
            let (used, redefined) = (self.used(), self.figures.redefined);
            out += &format!("base: {used} of its types are referred to, {redefined} redefined\n");
        }
        largest_text(&mut out, self.largest.iter().map(|(m, file)| (m, Some(file.as_str()))));
        out
    }

    fn json(&self) -> Value {
        let mut object = figures_json(&self.figures);
        object["total"] = json!(true);
        object["files"] = json!(self.files);
        let base = json!({"used": self.used(), "redefined": self.figures.redefined});
        object["base"] = if self.has_base { base } else { Value::Null };
        let of_file = |(m, file): &(Mentioned, String)| {
            let mut object = mentioned_json(m);
            object["file"] = json!(file);
            object
        };
        object["largest"] = self.largest.iter().map(of_file).collect();
        object
    }
}

/// Sections and kinds.
fn tables(out: &mut String, figures: &Figures, has_base: bool) {
    let other = figures.bytes.saturating_sub(figures.type_bytes + figures.string_bytes);
    let mut line = |text: fmt::Arguments<'_>| _ = writeln!(out, "{text}");
    line(format_args!("  {:<10} {:>9} bytes", "types", figures.type_bytes));
    line(format_args!("  {:<10} {:>9} bytes, {} strings", "strings", figures.string_bytes, figures.strings));
    line(format_args!("  {:<10} {other:>9} bytes", "other"));
    let base = |text: &str| if has_base { format!(" {text:>8}") } else { String::new() };
    line(format_args!("{:<12} {:>8} {:>10}{} {:>8}", "kind", "types", "bytes", base("in base"), "repeated"));
    let mut row = |name: &str, OfKind { all, in_base, repeated }: OfKind| {
        let Amount { types, bytes } = all;
        let in_base = base(&in_base.types.to_string());
        line(format_args!("  {name:<10} {types:>8} {bytes:>10}{in_base} {:>8}", repeated.types));
    };
    for kind in Kind::ALL {
        if figures.of(kind).all.types > 0 {
            row(kind.name(), figures.of(kind));
        }
    }
    let all = figures.all();
    row("all", all);
    let bytes = all.in_base.bytes + all.repeated.bytes;
    let types = all.in_base.types + all.repeated.types;
    line(format_args!("redundant: {types} types, {bytes} bytes"));
}

fn largest_text<'a>(out: &mut String, largest: impl Iterator<Item = (&'a Mentioned, Option<&'a str>)>) {
    let mut heading = "largest types:\n";
    for (m, file) in largest {
        let of = file.map_or(String::new(), |file| format!(" ({file})"));
        *out += &format!("{}  {:>8} bytes  {}{of}\n", std::mem::take(&mut heading), m.bytes, named(m));
    }
}

/// `STRUCT foo`, as `btfgen dump` has it.
fn named(m: &Mentioned) -> String {
    match m.name.as_slice() {
        b"" => format!("{} (anonymous, type {})", m.kind.name(), m.id),
        name => format!("{} {}", m.kind.name(), String::from_utf8_lossy(name)),
    }
}

fn mentioned_json(m: &Mentioned) -> Value {
    json!({
        "id": m.id.0,
        "kind": m.kind.name(),
        "name": String::from_utf8_lossy(&m.name),
        "bytes": m.bytes,
        "elements": m.elements,
    })
}

fn figures_json(figures: &Figures) -> Value {
    let amount = |a: Amount| json!({"types": a.types, "bytes": a.bytes});
    let of_kind =
        |of: OfKind| json!({"all": amount(of.all), "in_base": amount(of.in_base), "repeated": amount(of.repeated)});
    let kinds = Kind::ALL.iter().filter(|&&kind| figures.of(kind).all.types > 0);
    let kinds: serde_json::Map<String, Value> =
        kinds.map(|&kind| (kind.name().to_owned(), of_kind(figures.of(kind)))).collect();
    json!({
        "bytes": figures.bytes,
        "type_bytes": figures.type_bytes,
        "string_bytes": figures.string_bytes,
        "strings": figures.strings,
        "kinds": kinds,
        "types": of_kind(figures.all()),
    })
}
