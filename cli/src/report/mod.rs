//! The page of `btfgen report`: one file with everything in it, a template, styles and a script that stand beside this file, and the figures
//! as JSON. It depends on nothing but the figures: neither the time nor the place, nor the threads that found them.
//!
//! The JSON, which `page.js` reads:
//!
//! ```text
//! kinds      names of kinds
//! files      {path, bytes, type_bytes, strings (bytes), types, redundant, redundant_bytes, redefined, used, written, left_out,
//!             kinds: [[number in kinds, types, bytes, redundant bytes]...]}; used, written, left_out are null where they are not known
//! types      {kind, name, differs, bytes, files: [number in files...]}: types of the base that files have again
//! reasons    why functions are left out
//! functions  [[number in files, number in reasons, [name...]]...]
//! unknown    [[number in files, why its functions are not known]...]
//! failures   [[path, what went wrong]...]
//! ```

use std::collections::BTreeMap;

use btf::kind::Kind;
use btf::stats::Figures;
use serde_json::{Value, json};

/// What stands around the figures.
const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// All that the page shows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The kernel's release, if all modules are for one.
    pub release: Option<String>,
    /// The base if it is a file that counts, and the modules.
    pub files: Vec<FileReport>,
    /// Files that could not be read, each with what went wrong.
    pub failures: Vec<(String, String)>,
}

/// What there is to say about a file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its path below the common folder.
    pub path: String,
    /// Bytes and types.
    pub figures: Figures,
    /// How many types of the base it refers to, if it stands on one.
    pub used: Option<usize>,
    /// Types that the base has under the same name.
    pub again: Vec<Again>,
    /// Bytes of BTF that btfgen would write for it now, if it has DWARF.
    pub written: Option<usize>,
    /// Functions that are left out, each with why, by name; or why that is not known.
    pub left_out: Result<Vec<(String, String)>, String>,
}

/// A struct, union or enum that the base has, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Again {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// Whether it is another one than the base's.
    pub differs: bool,
    /// Bytes of its record.
    pub bytes: usize,
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = match &report.release {
        Some(release) => format!("BTF of Linux {release}"),
        None => "BTF by file".into(),
    };
    // A `<` can only be in a string, where this stands for it; so nothing in the data ends the element that it is in.
    let data = data(report).to_string().replace('<', "\\u003c");
    let parts = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("title", escaped(&title)),
        ("summary", escaped(&summary(report))),
        ("style", STYLE.to_owned()),
        ("data", data),
        ("script", SCRIPT.to_owned()),
    ];
    filled(TEMPLATE, &parts)
}

/// Puts parts into the places of a template. What was put in is not looked at again.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut pieces = template.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").expect("each place in the template ends");
        let (_, part) = parts.iter().find(|(n, _)| *n == name).expect("each place in the template has a part");
        page += part;
        page += rest;
    }
    page
}

/// Text as HTML, in elements and in attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn summary(report: &Report) -> String {
    let mut all = Figures::default();
    report.files.iter().for_each(|file| all += &file.figures);
    let types = all.all();
    let redundant = types.in_base.bytes + types.repeated.bytes;
    let mut text = format!(
        "{} files, {} bytes of BTF, {} types; {} bytes are redundant.",
        grouped(report.files.len()),
        grouped(all.bytes),
        grouped(types.all.types),
        grouped(redundant)
    );
    let written: Vec<usize> = report.files.iter().filter_map(|file| file.written).collect();
    if !written.is_empty() {
        let bytes: usize = written.iter().sum();
        let files = grouped(written.len());
        text += &format!(" As btfgen writes them, the {files} with DWARF have {} bytes.", grouped(bytes));
    }
    text
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn data(report: &Report) -> Value {
    let files: Vec<Value> = report.files.iter().map(file).collect();
    let mut types: BTreeMap<(&str, &str, bool), (usize, Vec<usize>)> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, file) in report.files.iter().enumerate() {
        for again in &file.again {
            let (bytes, files) = types.entry((&again.name, again.kind, again.differs)).or_default();
            *bytes += again.bytes;
            // A file may have several of one name.
            if files.last() != Some(&number) {
                files.push(number);
            }
        }
        file.left_out.iter().flatten().for_each(|(_, reason)| _ = reasons.insert(reason, 0));
    }
    let types: Vec<Value> = types
        .iter()
        .map(|((name, kind, differs), (bytes, files))| json!({"kind": kind, "name": name, "differs": differs, "bytes": bytes, "files": files}))
        .collect();
    reasons.values_mut().enumerate().for_each(|(number, place)| *place = number);
    let mut functions: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (number, file) in report.files.iter().enumerate() {
        match &file.left_out {
            Ok(left_out) => left_out
                .iter()
                .for_each(|(name, reason)| functions.entry((number, reasons[reason.as_str()])).or_default().push(name)),
            Err(why) => unknown.push(json!([number, why])),
        }
    }
    let functions: Vec<Value> = functions.iter().map(|((file, reason), names)| json!([file, reason, names])).collect();
    json!({
        "kinds": Kind::ALL.map(Kind::name),
        "files": files,
        "types": types,
        "reasons": reasons.keys().collect::<Vec<_>>(),
        "functions": functions,
        "unknown": unknown,
        "failures": report.failures,
    })
}

fn file(file: &FileReport) -> Value {
    let figures = &file.figures;
    let all = figures.all();
    let kinds = Kind::ALL.iter().enumerate().filter(|&(_, &kind)| figures.of(kind).all.types > 0);
    let kinds: Vec<Value> = kinds
        .map(|(number, &kind)| {
            let of = figures.of(kind);
            json!([number, of.all.types, of.all.bytes, of.in_base.bytes + of.repeated.bytes])
        })
        .collect();
    json!({
        "path": file.path,
        "bytes": figures.bytes,
        "type_bytes": figures.type_bytes,
        "strings": figures.string_bytes,
        "types": all.all.types,
        "redundant": all.in_base.types + all.repeated.types,
        "redundant_bytes": all.in_base.bytes + all.repeated.bytes,
        "redefined": figures.redefined,
        "used": file.used,
        "written": file.written,
        "left_out": file.left_out.as_ref().ok().map(Vec::len),
        "kinds": kinds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_name(name: &str) -> Report {
        let file = FileReport {
            path: name.into(),
            figures: Figures::default(),
            used: None,
            again: vec![Again { kind: "STRUCT", name: name.into(), differs: true, bytes: 12 }],
            written: None,
            left_out: Ok(vec![(name.into(), name.into())]),
        };
        let failures = vec![(name.into(), name.into())];
        Report { release: Some(name.into()), files: vec![file], failures }
    }

    /// Whatever names hold, they end no element and begin none, and come out of the JSON as they went in.
    #[test]
    fn names_are_data() {
        let harmless = page(&with_name("name"));
        let tags = |page: &str| page.matches('<').count();
        for name in ["</script><script>alert(1)</script>", "<!--<script>", "{{script}}", "\"'&<b>\\u003c", "a\u{2028}b"]
        {
            let page = page(&with_name(name));
            assert_eq!(tags(&page), tags(&harmless), "{name}");
            let data =
                page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("it is there");
            let data: Value = serde_json::from_str(data).expect("it is JSON");
            assert_eq!(data["files"][0]["path"], name);
            assert_eq!(data["types"][0]["name"], name);
            assert_eq!(data["functions"], json!([[0, 0, [name]]]));
            assert_eq!(data["failures"], json!([[name, name]]));
        }
    }

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_entry_per_type() {
        let again = |name: &str, differs| Again { kind: "STRUCT", name: name.into(), differs, bytes: 12 };
        let mut report = with_name("a.ko");
        report.files.push(report.files[0].clone());
        report.files[0].again = vec![again("task", false), again("task", false), again("other", true)];
        report.files[1].again = vec![again("task", false), again("task", true)];
        let types = data(&report)["types"].clone();
        let of = |name: &str, differs: bool, bytes: usize, files: &[usize]| json!({"kind": "STRUCT", "name": name, "differs": differs, "bytes": bytes, "files": files});
        assert_eq!(
            types,
            json!([of("other", true, 12, &[0]), of("task", false, 36, &[0, 1]), of("task", true, 12, &[1])])
        );
    }
}
