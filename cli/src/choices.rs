//! From the words of the command line to options: features, languages, dialects.

use btf::dialect::Dialect;
use btf::distill::Ambiguous;
use encoder::one_shot::Distill;
use encoder::options::{Features, Options, Selection};

use crate::args::{self, EncodeArgs};

/// The feature of a distilled base, whose results go to two sections; it has no effect on raw BTF.
const DISTILLED: &str = "distilled_base";

/// The options that the arguments ask for, and remarks for `-v`.
pub fn options(args: &EncodeArgs) -> Result<(Options, Vec<String>), String> {
    let mut remarks = Vec::new();
    let options = Options {
        features: features(&args.features, &mut remarks),
        selection: if args.compat.is_some() { Selection::Pahole } else { Selection::Truthful },
        dialect: dialect(&args.dialect)?,
        lang_exclude: languages(&args.lang_exclude)?,
        empty_without_dwarf: false,
        report_functions: args.verbose || args.functions_report.is_some(),
    };
    Ok((options, remarks))
}

/// Whether to distil the base: by its option, or by the feature, which is off unless it is named. Raw BTF has no room for two sections, so there
/// it takes the option.
pub fn distill(args: &EncodeArgs) -> Result<Distill, String> {
    let feature = args.features.iter().flat_map(|list| list.trim_start_matches('+').split(',')).any(|f| f == DISTILLED);
    let is_raw = args.detached.is_some() || args.detached_dir.is_some() || args.object.is_some();
    // Whoever lists features, or compares, means no others.
    let asked = !args.features.is_empty() || args.compat.is_some();
    let (distill, name) = match args.distill {
        Some(args::Distill::Off) => (Distill::Off, ""),
        Some(args::Distill::Plain) => (Distill::On(Ambiguous::Refuse), "--distill_base"),
        Some(args::Distill::Full) => (Distill::On(Ambiguous::IntoSplit), "--distill_base"),
        _ if is_raw => (Distill::Off, ""),
        None if feature => (Distill::On(Ambiguous::IntoSplit), "feature `distilled_base`"),
        None if asked => (Distill::Off, ""),
        None | Some(args::Distill::Auto) => (Distill::Auto, ""),
    };
    match distill {
        Distill::On(_) if args.base.is_none() => Err(format!("{name} needs --btf_base")),
        distill => Ok(distill),
    }
}

/// Once a list is given, what it does not name is off. `default` (alone or as a leading `+`) adds the usual ones.
fn features(lists: &[String], remarks: &mut Vec<String>) -> Features {
    if lists.is_empty() {
        return Features::default();
    }
    let mut f = Features {
        var: false,
        float: false,
        decl_tag: false,
        type_tag: false,
        enum64: false,
        consistent_func: false,
        decl_tag_kfuncs: false,
    };
    for list in lists {
        let rest = list.strip_prefix('+').inspect(|_| f = Features::default()).unwrap_or(list);
        for name in rest.split(',') {
            match name {
                "default" | "all" => f = Features::default(),
                "var" => f.var = true,
                "float" => f.float = true,
                "decl_tag" => f.decl_tag = true,
                "type_tag" => f.type_tag = true,
                "enum64" => f.enum64 = true,
                "consistent_func" => f.consistent_func = true,
                "decl_tag_kfuncs" => f.decl_tag_kfuncs = true,
                // Always so here.
                "" | "encode_force" | "optimized_func" | "reproducible_build" => {}
                // Not a feature of the types; see `distill`.
                DISTILLED => {}
                other => remarks.push(format!("feature `{other}` is not known and ignored")),
            }
        }
    }
    f
}

/// DWARF's language codes (DWARF5 7.12 and later assignments) by the names that pahole uses, and numbers.
const LANGUAGES: [(&str, u16); 26] = [
    ("c89", 0x01),
    ("c", 0x02),
    ("ada83", 0x03),
    ("c++", 0x04),
    ("c99", 0x0c),
    ("ada95", 0x0d),
    ("objc", 0x10),
    ("objc++", 0x11),
    ("d", 0x13),
    ("python", 0x14),
    ("opencl", 0x15),
    ("go", 0x16),
    ("c++03", 0x19),
    ("c++11", 0x1a),
    ("ocaml", 0x1b),
    ("rust", 0x1c),
    ("c11", 0x1d),
    ("swift", 0x1e),
    ("julia", 0x1f),
    ("c++14", 0x21),
    ("zig", 0x27),
    ("c++17", 0x2a),
    ("c++20", 0x2b),
    ("c17", 0x2c),
    ("c23", 0x3e),
    ("asm", 0x8001),
];

fn languages(list: &str) -> Result<Vec<u16>, String> {
    let code = |name: &str| {
        let lower = name.to_ascii_lowercase();
        let known = LANGUAGES.iter().find(|(n, _)| *n == lower).map(|(_, code)| *code);
        let number = || lower.strip_prefix("0x").and_then(|hex| u16::from_str_radix(hex, 16).ok());
        known.or_else(number).ok_or_else(|| {
            let known: Vec<&str> = LANGUAGES.iter().map(|(n, _)| *n).collect();
            format!("language `{name}` is unknown; known are {}, and DWARF codes as in 0x1c", known.join(", "))
        })
    };
    list.split(',').map(str::trim).filter(|n| !n.is_empty()).map(code).collect()
}

fn dialect(word: &str) -> Result<Option<Dialect>, String> {
    match word {
        "auto" => return Ok(None),
        "pahole-1.31" | "flat" => return Ok(Some(Dialect::PAHOLE_1_31)),
        "pahole-1.32" | "nested" => return Ok(Some(Dialect::PAHOLE_1_32)),
        _ => {}
    }
    let unknown = || {
        format!(
            "dialect `{word}` is unknown; pass auto, pahole-1.31, pahole-1.32, or traits as in arrays=flat,enum64=on"
        )
    };
    let mut dialect = Dialect::PAHOLE_1_32;
    for part in word.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(unknown)?;
        let on = match value {
            "on" | "nested" => true,
            "off" | "flat" => false,
            _ => return Err(unknown()),
        };
        match name {
            "arrays" => dialect.nested_arrays = on,
            "enum64" => dialect.enum64 = on,
            "enum-sign" => dialect.enum_sign = on,
            "float" => dialect.float = on,
            "type-tag" => dialect.type_tag = on,
            _ => return Err(unknown()),
        }
    }
    Ok(Some(dialect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_list_turns_the_rest_off() {
        let mut remarks = Vec::new();
        let f = features(&["var,float".into(), "enum64,nonsense".into()], &mut remarks);
        assert!(f.var && f.float && f.enum64 && !f.decl_tag && !f.consistent_func);
        assert_eq!(remarks, ["feature `nonsense` is not known and ignored"]);
        assert_eq!(features(&["+reproducible_build".into()], &mut remarks), Features::default());
        assert_eq!(features(&[], &mut remarks), Features::default());
    }

    #[test]
    fn languages_by_name_and_code() {
        assert_eq!(languages("rust,C++11,0x8001"), Ok(vec![0x1c, 0x1a, 0x8001]));
        assert_eq!(languages(""), Ok(vec![]));
        assert!(languages("klingon").unwrap_err().contains("unknown"));
    }

    #[test]
    fn dialects() {
        assert_eq!(dialect("auto"), Ok(None));
        assert_eq!(dialect("pahole-1.31"), Ok(Some(Dialect::PAHOLE_1_31)));
        assert_eq!(dialect("arrays=flat").unwrap(), Some(Dialect::PAHOLE_1_31));
        assert!(dialect("arrays").is_err());
    }
}
