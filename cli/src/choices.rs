//! From the words of the command line to options: features, languages, dialects, kernels.

use btf::dialect::Dialect;
use btf::distill::Ambiguous;
use btf::verify::KernelVersion;
use encoder::one_shot::Distill;
use encoder::options::{Features, Options, Selection, UnitChoice};

use crate::args::{self, EncodeArgs};

/// First kernel that has BTF of its own.
const OLDEST_TARGET: KernelVersion = KernelVersion(5, 2);
/// First kernel that reads `.BTF.base`.
const DISTILLED_BASES: KernelVersion = KernelVersion(6, 11);

/// The options that the arguments ask for, and remarks for `-v`. `otherwise` are the features where no list is given.
pub fn options(args: &EncodeArgs, otherwise: Features) -> Result<(Options, Vec<String>), String> {
    let choice = args.features.choose(otherwise)?;
    let (mut features, mut remarks) = (choice.features, choice.remarks);
    let selection = if args.compat.is_some() { Selection::Pahole } else { Selection::Truthful };
    if selection == Selection::Pahole && std::mem::take(&mut features.true_signature) {
        remarks.push("feature `true_signature` is ignored with --compat".into());
    }
    let target = args.target.map(target).transpose()?;
    let options = Options {
        features,
        target,
        selection,
        dialect: dialect(&args.dialect)?,
        units: units(args)?,
        empty_without_dwarf: false,
        report_functions: args.verbose || args.functions_report.is_some(),
    };
    Ok((options, remarks))
}

/// Whether to distil the base: by its option, or by the feature, which is off unless it is named. Raw BTF has no room for two sections, so there
/// it takes the option.
pub fn distill(args: &EncodeArgs) -> Result<Distill, String> {
    let feature = args.features.choose(Features::NONE)?.distilled_base;
    let target = args.target.map(target).transpose()?;
    let is_raw = args.detached.is_some() || args.detached_dir.is_some() || args.object.is_some();
    // Whoever lists features, or compares, means no others.
    let asked = args.features.has_list() || args.compat.is_some();
    let (distill, name) = match args.distill {
        Some(args::Distill::Off) => (Distill::Off, ""),
        Some(args::Distill::Plain) => (Distill::On(Ambiguous::Refuse), "--distill_base"),
        Some(args::Distill::Full) => (Distill::On(Ambiguous::IntoSplit), "--distill_base"),
        _ if is_raw => (Distill::Off, ""),
        None if feature => (Distill::On(Ambiguous::IntoSplit), "feature `distilled_base`"),
        None if asked => (Distill::Off, ""),
        None | Some(args::Distill::Auto) => (Distill::Auto, ""),
    };
    match (distill, target.filter(|&kernel| kernel < DISTILLED_BASES)) {
        (Distill::On(_), Some(kernel)) => {
            Err(format!("Linux {kernel} does not read a distilled base; {DISTILLED_BASES} is the first one that does"))
        }
        (Distill::Auto, Some(_)) => Ok(Distill::Off),
        (Distill::On(_), None) if args.base.path.is_none() => Err(format!("{name} needs --btf_base")),
        (distill, _) => Ok(distill),
    }
}

fn target(kernel: KernelVersion) -> Result<KernelVersion, String> {
    if kernel < OLDEST_TARGET {
        return Err(format!("Linux {kernel} has no BTF of its own; {OLDEST_TARGET} is the first one that has"));
    }
    Ok(kernel)
}

fn units(args: &EncodeArgs) -> Result<UnitChoice, String> {
    let only = args.lang.as_deref().map_or(Ok(Vec::new()), languages)?;
    let usual = if args.lang.is_some() { "" } else { "rust" };
    let not_languages = languages(args.lang_exclude.as_deref().unwrap_or(usual))?;
    Ok(UnitChoice { not_languages, only_languages: only, not_prefixes: args.cu_exclude.clone() })
}

/// DWARF's language codes (DWARF5 7.12 and later assignments) by the names that pahole uses, and those of newer languages.
const LANGUAGES: [(&str, u16); 56] = [
    ("c89", 0x01),
    ("c", 0x02),
    ("ada83", 0x03),
    ("c++", 0x04),
    ("cobol74", 0x05),
    ("cobol85", 0x06),
    ("fortran77", 0x07),
    ("fortran90", 0x08),
    ("pascal83", 0x09),
    ("modula2", 0x0a),
    ("java", 0x0b),
    ("c99", 0x0c),
    ("ada95", 0x0d),
    ("fortran95", 0x0e),
    ("pli", 0x0f),
    ("objc", 0x10),
    ("objc++", 0x11),
    ("upc", 0x12),
    ("d", 0x13),
    ("python", 0x14),
    ("opencl", 0x15),
    ("go", 0x16),
    ("modula3", 0x17),
    ("haskell", 0x18),
    ("c++03", 0x19),
    ("c++11", 0x1a),
    ("ocaml", 0x1b),
    ("rust", 0x1c),
    ("c11", 0x1d),
    ("swift", 0x1e),
    ("julia", 0x1f),
    ("dylan", 0x20),
    ("c++14", 0x21),
    ("fortran03", 0x22),
    ("fortran08", 0x23),
    ("renderscript", 0x24),
    ("bliss", 0x25),
    ("kotlin", 0x26),
    ("zig", 0x27),
    ("crystal", 0x28),
    ("c++17", 0x2a),
    ("c++20", 0x2b),
    ("c17", 0x2c),
    ("fortran18", 0x2d),
    ("ada2005", 0x2e),
    ("ada2012", 0x2f),
    ("hip", 0x30),
    ("assembly", 0x31),
    ("c#", 0x32),
    ("mojo", 0x33),
    ("glsl", 0x34),
    ("hlsl", 0x36),
    ("c++23", 0x3a),
    ("odin", 0x3b),
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
    fn kernels() {
        assert_eq!(target(KernelVersion(5, 15)), Ok(KernelVersion(5, 15)));
        assert!(target(KernelVersion(5, 1)).unwrap_err().contains("5.2"));
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
