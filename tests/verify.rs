//! `btfgen verify`, and the gate before writing. That its answers are a kernel's is the business of `scripts/test-verify.sh`.

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::folder::Folder;
use support::ids::{Module, SETS};
use support::{Run, btfgen, btfgen_command, compile, encode, must, section};

use btf::verify::rules::RULES;
use btf::verify::{KernelVersion, Level, Options, verify_bytes};
use btf::view::BtfView;
use mutate::btf::{AIMED, ALLOWED, Change, aim};

/// An INT, `long`, a struct, a pointer: a BTF that breaks no rule.
fn small() -> Vec<u8> {
    let strings = b"\0int\0s\0a\0long\0";
    let records: [&[u32]; 4] =
        [&[1, 1 << 24, 4, 0x0100_0020], &[5, 4 << 24 | 1, 4, 7, 1, 0], &[0, 2 << 24, 2], &[9, 1 << 24, 8, 0x0100_0040]];
    let types: Vec<u8> = records.concat().iter().flat_map(|word| word.to_le_bytes()).collect();
    let len = types.len() as u32;
    let header = [24, 0, len, len, strings.len() as u32];
    [&[0x9f, 0xeb, 1, 0][..], &header.map(u32::to_le_bytes).concat(), &types, strings].concat()
}

/// The first rule that is broken.
fn first(data: &[u8], base: Option<&BtfView<'_>>, level: Level) -> Option<&'static str> {
    let options = Options { level, max_findings: 1, ..Options::default() };
    verify_bytes(data, base, &options).first().map(|finding| finding.rule)
}

/// What rules are called that stand in another one's way, by BPF_BTF_LOAD: what it resolves comes before chains.
fn by_user(rule: &str) -> &[&str] {
    match rule {
        "C1" => &["R3"],
        "C2" => &["R1", "R2"],
        // A header of other bytes than it says is damaged in one of several ways.
        "H2" => &["H2", "H4", "H5", "H9"],
        _ => &[],
    }
}

fn is_of_users(rule: &str) -> bool {
    rule.starts_with('R') || rule.starts_with('L')
}

#[test]
fn each_rule_is_broken_by_what_is_made_to_break_it_and_by_nothing_else() {
    let small = small();
    assert_eq!(first(&small, None, Level::User), None);
    let mut met = BTreeSet::new();
    for &(rule, change) in AIMED {
        for seed in 0..20 {
            let data = aim(&small, 1, 0, (rule, change), seed).bytes;
            let user = first(&data, None, Level::User);
            let good = user.is_some_and(|found| found == rule || by_user(rule).contains(&found));
            assert!(good, "{rule}, seed {seed}: {user:?}");
            // A kernel's own BTF is asked less.
            let kernel = first(&data, None, Level::Kernel);
            match rule {
                _ if is_of_users(rule) => assert_eq!(kernel, loops(rule, kernel), "{rule}, seed {seed}"),
                "H2" => assert_eq!(kernel, user),
                _ => assert_eq!(kernel, Some(rule), "seed {seed}"),
            }
            met.insert(rule);
        }
    }
    let expected: BTreeSet<&str> = RULES.iter().map(|rule| rule.number).collect();
    // Of older kernels, and limits: unit tests of btf/src/verify have them.
    let elsewhere = BTreeSet::from(["M3", "M64", "M112", "C3", "N1", "N2"]);
    assert_eq!(expected.difference(&met).copied().collect::<BTreeSet<_>>(), elsewhere);
    assert_eq!(met.difference(&expected).count(), 0);
}

/// Circles of modifiers alone are noticed at both levels.
fn loops(rule: &str, found: Option<&'static str>) -> Option<&'static str> {
    found.filter(|&found| rule == "R2" && found == "C2" || rule == "R3" && found == "C1")
}

/// Rules about a word that has to be 0, or that something has to be there: what keeps them is any BTF.
const KEPT_BY_ANY: &[&str] = &[
    "H1", "H2", "H4", "H5", "H6", "H7", "H8", "H10", "H11", "S1", "L1", "R0a", "R0b", "M1", "M2", "M11", "M12", "M20",
    "M22", "M30", "M31", "M40", "M41", "M42", "M43", "M51", "M52", "M53", "M54", "M55", "M61", "M62", "M63", "M70",
    "M71", "M72", "M74", "M80", "M81", "M82", "M90", "M91", "M93", "M94", "M95", "M97", "M100", "M111", "M113", "C1",
    "R3", "R7", "R8", "R10", "R11", "R13", "R14", "R16", "R18", "R20", "R25", "R27",
];

#[test]
fn what_a_rule_just_allows_is_taken() {
    let small = small();
    let allowed: Vec<(&str, Change)> = ALLOWED.to_vec();
    for (rule, change) in allowed {
        for seed in 0..20 {
            let data = aim(&small, 1, 0, (rule, change), seed).bytes;
            assert_eq!(first(&data, None, Level::User), None, "{rule}, seed {seed}");
            assert_eq!(first(&data, None, Level::Kernel), None, "{rule}, seed {seed}");
        }
    }
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(rule, _)| *rule).chain(KEPT_BY_ANY.iter().copied()).collect();
    let missing: Vec<&str> = RULES.iter().map(|rule| rule.number).filter(|rule| !known.contains(rule)).collect();
    assert_eq!(missing, ["N2", "N1", "M3", "M64", "M112", "C3"]);
}

#[test]
fn a_split_btf_is_held_to_the_same_rules() {
    let base_data = small();
    let base = BtfView::parse(&base_data).unwrap();
    let split = btf::writer::empty_split(btf::header::Endian::Little);
    // What is about the base alone has no meaning here.
    // And without types their place may be any.
    let of_bases = ["H7", "S2", "R0b", "S1"];
    for &(rule, change) in AIMED.iter().filter(|(rule, _)| !of_bases.contains(rule) && !is_of_users(rule)) {
        let data = aim(&split, base.end_id().0, base.str_end().0, (rule, change), 7).bytes;
        let found = first(&data, Some(&base), Level::Kernel);
        // So little of it is there that one damage of the header is another one.
        if rule.starts_with('H') {
            assert!(found.is_some_and(|found| found.starts_with('H')), "{rule}: {found:?}");
            continue;
        }
        assert!(found == Some(rule) || by_user(rule).contains(&found.unwrap_or("-")), "{rule}: {found:?}");
    }
    for &(rule, change) in ALLOWED {
        let data = aim(&split, base.end_id().0, base.str_end().0, (rule, change), 7).bytes;
        assert_eq!(first(&data, Some(&base), Level::User), None, "{rule}");
    }
}

#[test]
fn no_mutant_makes_it_panic_or_disagree_with_the_reader() {
    let small = small();
    for seed in 0..20_000 {
        let mutant = mutate::btf::mutate(&small, seed);
        for level in [Level::Kernel, Level::User] {
            for kernel in [KernelVersion::NEWEST, KernelVersion(6, 1), KernelVersion(4, 18)] {
                let options = Options { level, kernel, ..Options::default() };
                let found = verify_bytes(&mutant.bytes, None, &options);
                // What a kernel takes, btfgen can read.
                if found.is_empty() && kernel == KernelVersion::NEWEST {
                    assert!(BtfView::parse(&mutant.bytes).is_ok(), "{seed}: {}", mutant.what);
                }
            }
        }
    }
}

/// Runs `btfgen verify`.
fn verify(folder: &Folder, args: &[&str]) -> Run {
    btfgen(folder.path(), ["verify"].iter().chain(args))
}

fn text(run: &Run) -> String {
    String::from_utf8_lossy(&run.out).into_owned()
}

/// A folder with `base` (an encoded vmlinux), `driver.ko` encoded on it, and `driver.btf`, its BTF alone.
fn samples() -> Folder {
    let folder = Folder::with_samples();
    encode(folder.path(), ["--btf_base", "base", "driver.ko"]);
    folder.write("driver.btf", &section(&folder.file("driver.ko"), ".BTF").expect("it has BTF"));
    folder
}

/// Bytes of a type's record.
fn record_bytes(t: btf::view::TypeView<'_>) -> usize {
    let mut words = Vec::new();
    t.read_record(&mut words);
    4 * words.len()
}

/// Replaces the word at a byte offset.
fn patch(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

#[test]
fn what_btfgen_writes_is_fine() {
    let folder = samples();
    for args in [&["base"][..], &["--btf_base", "base", "driver.ko"], &["-B", "base", "--level", "user", "driver.btf"]]
    {
        let run = verify(&folder, args);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}: {}", text(&run));
        assert!(text(&run).contains(": ok: "), "{}", text(&run));
    }
    encode(folder.path(), ["--btf_base", "base", "--distill_base", "-o", "distilled.ko", "driver.ko"]);
    let run = verify(&folder, &["--btf_base", "base", "distilled.ko"]);
    assert_eq!(run.code, 0, "{}", text(&run));
    // With a base of its own it can do without; the kernel's version is not known then.
    assert_eq!(verify(&folder, &["distilled.ko"]).code, 0);
}

#[test]
fn violations_are_named_with_the_kernels_words_and_what_to_do() {
    let folder = samples();
    let mut btf = folder.read("driver.btf");
    let base_bytes = section(&folder.file("base"), ".BTF").unwrap();
    let base = BtfView::parse(&base_bytes).unwrap();
    let view = BtfView::parse_split(&btf, &base).unwrap();
    // The second member of `struct driver` becomes void.
    let (mut at, mut id) = (view.header().types().start, 0);
    for (number, t) in view.types() {
        if view.string(t.name_off()) == Some(b"driver") {
            id = number.0;
            break;
        }
        at += record_bytes(t);
    }
    let count = view.type_count();
    patch(&mut btf, at + 12 + 12 + 4, 0);
    folder.write("broken.btf", &btf);
    must(folder.path(), "objcopy", ["--update-section", ".BTF=broken.btf", "driver.ko", "broken.ko"]);
    for file in ["broken.btf", "broken.ko"] {
        let run = verify(&folder, &["--btf_base", "base", file]);
        let expected = format!(
            "{file}: violation: [{id}] STRUCT `driver` member 1 `private`: Invalid type_id (M53)\n    BPF: [{id}] STRUCT driver size="
        );
        assert_eq!(run.code, 11, "{}", text(&run));
        assert!(text(&run).starts_with(&expected), "{}", text(&run));
        // Which unit it is from is in the DWARF, which the module has.
        let from = if file == "broken.ko" { "    from driver.c\n" } else { "" };
        let rest = format!(
            "\n    BPF: \tprivate type_id=0 bits_offset=128 Invalid type_id\n{from}    it was most likely encoded"
        );
        assert!(text(&run).contains(&rest), "{}", text(&run));
        assert!(text(&run).ends_with(&format!("{file}: refused: {} types, by the rules of Linux 7.3\n", count)));
    }
    // The same as JSON, a line per file, and the good one beside it.
    let run = verify(&folder, &["--json", "--btf_base", "base", "driver.ko", "broken.ko", "base", "no.ko"]);
    assert_eq!(run.code, 11);
    let lines: Vec<serde_json::Value> = text(&run).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&str> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accepted", "refused", "accepted", "unreadable"]);
    let violation = &lines[1]["violations"][0];
    assert_eq!((violation["rule"].as_str(), violation["id"].as_u64()), (Some("M53"), Some(id.into())));
    assert_eq!((violation["kind"].as_str(), violation["name"].as_str()), (Some("STRUCT"), Some("driver")));
    let element = serde_json::json!({"is": "member", "number": 1, "name": "private"});
    assert_eq!(violation["element"], element);
    assert_eq!(violation["severity"], "violation");
    assert_eq!((violation["unit"].as_str(), violation["units"].as_u64()), (Some("driver.c"), Some(1)));
    assert!(violation["log"].as_str().unwrap().ends_with("\tprivate type_id=0 bits_offset=128 Invalid type_id"));
    assert!(violation["remedy"].as_str().unwrap().contains("encode it again"));
}

/// A struct that two units have, and a third one only declares; one that is there without a name is from anywhere.
#[test]
fn the_units_of_a_violation_are_those_that_define_what_it_is_about() {
    let folder = Folder::new();
    let both = "struct both { int a; struct both *next; };";
    let units = [
        ("one", "struct both; struct both *one(struct both *b) { return b; }".to_owned()),
        ("two", format!("{both} struct both *two(struct both *b) {{ return b->next; }}")),
        ("three", format!("{both} struct {{ int x; }} anonymous; int three(struct both *b) {{ return b->a; }}")),
    ];
    for (name, source) in &units {
        compile(folder.path(), name, source, &["-ffreestanding", "-fno-pie"]);
    }
    let script = support::root().join("tests/cases/kernel.lds");
    let script = script.to_str().expect("path is UTF-8");
    must(folder.path(), "ld", ["-T", script, "-o", "vmlinux", "one.o", "two.o", "three.o"]);
    encode(folder.path(), ["vmlinux"]);
    let good = section(&folder.file("vmlinux"), ".BTF").unwrap();
    // The first member of each is void.
    let (mut btf, view) = (good.clone(), BtfView::parse(&good).unwrap());
    let mut at = view.header().types().start;
    let mut broken = Vec::new();
    for (_, t) in view.types() {
        if t.kind() == btf::kind::Kind::Struct {
            patch(&mut btf, at + 12 + 4, 0);
            broken.push(view.string(t.name_off()).unwrap().to_vec());
        }
        at += record_bytes(t);
    }
    broken.sort();
    assert_eq!(broken, [&b""[..], b"both"]);
    folder.write("broken.btf", &btf);
    must(folder.path(), "objcopy", ["--update-section", ".BTF=broken.btf", "vmlinux"]);
    let units = |file: &str| {
        let run = verify(&folder, &["--json", file]);
        assert_eq!(run.code, 11, "{}", run.err);
        let all: serde_json::Value = serde_json::from_str(&text(&run)).unwrap();
        let of = |v: &serde_json::Value| format!("{} {} {}", v["name"], v["unit"], v["units"]);
        let mut found: Vec<String> = all["violations"].as_array().unwrap().iter().map(of).collect();
        found.sort();
        found
    };
    assert_eq!(units("vmlinux"), [r#""" null null"#, r#""both" "two.c" 2"#]);
    assert!(text(&verify(&folder, &["vmlinux"])).contains("\n    from two.c and 1 more\n"));
    // Without DWARF, or with one that cannot be read, it is not known.
    let unknown = [r#""" null null"#, r#""both" null null"#];
    must(folder.path(), "objcopy", ["-g", "vmlinux", "stripped"]);
    assert_eq!(units("stripped"), unknown);
    folder.write("garbage", &[0xff; 64]);
    must(folder.path(), "objcopy", ["--update-section", ".debug_abbrev=garbage", "vmlinux", "damaged"]);
    assert_eq!(units("damaged"), unknown);
}

#[test]
fn the_kernel_decides_which_rules_hold() {
    let folder = Folder::new();
    let mut data = small();
    // A tag after a modifier.
    let mut add = |rule, change: Change| data = aim(&data, 1, 0, (rule, change), 0).bytes;
    add("M21", |d| {
        let name = d.name("tag");
        let tag = d.raw(name, 18, 0, false, 1, &[]);
        d.raw(0, 10, 0, false, tag, &[]);
    });
    folder.write("a.btf", &data);
    let code = |kernel| verify(&folder, &["--kernel", kernel, "a.btf"]).code;
    assert_eq!((code("7.3"), code("6.12"), code("v6.1.0-44-amd64"), code("5.16")), (0, 11, 11, 11));
    assert!(text(&verify(&folder, &["--kernel", "6.12", "a.btf"])).contains("Type tags don't precede modifiers (C3)"));
    assert!(text(&verify(&folder, &["--kernel", "5.16", "a.btf"])).contains("Invalid kind:18 (M2)"));
    assert_eq!(verify(&folder, &["--kernel", "new", "a.btf"]).code, 2);
}

#[test]
fn hazards_are_told_and_do_not_fail() {
    // A kernel whose types are out of order.
    let folder = Folder::new();
    folder.write("unsorted.btf", &small());
    let run = verify(&folder, &["unsorted.btf"]);
    assert_eq!(run.code, 0);
    assert!(text(&run).contains("unsorted.btf: hazard: [3] PTR (anon): its name comes before"), "{}", text(&run));
    assert!(text(&run).contains("(Z1)") && text(&run).contains("ok, with 1 hazard"), "{}", text(&run));
    assert!(!text(&verify(&folder, &["--kernel", "6.12", "unsorted.btf"])).contains("Z1"));
}

#[test]
fn hazards_of_kfuncs() {
    let module = Module::new(&SETS.replace("SET8(again, 1)", "SET8(again, 0)"));
    let at = module.path();
    encode(at, ["--btf_base", "vmlinux", "m.ko"]);
    let hazards = |args: &[&str]| {
        let run = btfgen(at, ["verify", "--json", "--kernel", "7.3", "--btf_base", "vmlinux"].iter().chain(args));
        let all: serde_json::Value = serde_json::from_str(&text(&run)).unwrap();
        let of = |hazard: &serde_json::Value| {
            format!("{} {}", hazard["rule"].as_str().unwrap(), hazard["subject"].as_str().unwrap())
        };
        (run.code, all["hazards"].as_array().unwrap().iter().map(of).collect::<Vec<_>>())
    };
    assert_eq!(hazards(&["m.ko"]), (0, vec!["Z11 set `again`".into()]));
    // A kfunc that the kernel has, too, and one that the module's BTF does not describe.
    let module = Module::new(&SETS.replacen("IDF(kf_a, 0x4);", "IDF(plain, 0x4); IDF(kf_gone, 0x4);", 1));
    let at = module.path();
    encode(at, ["--btf_base", "vmlinux", "m.ko"]);
    let run = btfgen(at, ["verify", "--btf_base", "vmlinux", "m.ko"]);
    let found = text(&run);
    assert_eq!(run.code, 0, "{found}");
    assert!(
        found.contains("kfunc `plain`: the kernel has a function of that name: registering it fails (Z8)"),
        "{found}"
    );
    assert!(found.contains("kfunc `kf_gone`: the module's BTF has no function of that name"), "{found}");
    // With a distilled base, ids of the kernel's types say nothing.
    let module = Module::new(SETS);
    let at = module.path();
    encode(at, ["--btf_base", "vmlinux", "--distill_base", "m.ko"]);
    let found = text(&btfgen(at, ["verify", "--btf_base", "vmlinux", "m.ko"]));
    assert!(found.contains("id of STRUCT `S`: its word at") && found.contains("(Z7)"), "{found}");
    assert!(!found.contains("`own`"), "{found}");
}

#[test]
fn a_distilled_base_is_fitted_to_the_base_at_hand() {
    let folder = samples();
    encode(folder.path(), ["--btf_base", "base", "--distill_base", "-o", "distilled.ko", "driver.ko"]);
    // Another kernel, which has not what the module was built on.
    folder.write("other.btf", &small());
    let run = verify(&folder, &["--btf_base", "other.btf", "distilled.ko"]);
    assert_eq!(run.code, 11, "{}", text(&run));
    assert!(text(&run).contains("the base has no "), "{}", text(&run));
    assert!(text(&run).contains("the kernel refuses the module (EINVAL) (Z4)"), "{}", text(&run));
}

/// Nothing is known that makes the check before writing fail, so a fault is made on purpose: no file changes, and the exit code is its own.
#[test]
fn a_result_that_fails_the_check_is_not_written() {
    let folder = Folder::with_samples();
    let before = folder.listing();
    let fault = |args: &[&str]| -> Run {
        btfgen_command(folder.path(), args).env("BTFGEN_FAULT", "btf").output().expect("btfgen starts").into()
    };
    let ways: [&[&str]; 6] = [
        &["vmlinux"],
        &["--btf_base", "base", "driver.ko"],
        &["--btf_base", "base", "--distill_base", "driver.ko"],
        &["--btf_base", "base", "--btf_encode_detached", "out.btf", "driver.ko"],
        &["--btf_object", "out.o", "vmlinux"],
        &["--btf_base", "base", "-o", "out.ko", "driver.ko"],
    ];
    for args in ways {
        let run = fault(args);
        assert_eq!(run.code, 7, "{args:?}: {}", run.err);
        assert!(
            run.err.contains("would be refused by a kernel: BTF: Unsupported version (H5); please report"),
            "{}",
            run.err
        );
        assert!(folder.listing() == before, "{args:?}: something changed");
    }
    // As pahole it ends as pahole does.
    let run = fault(&["--pahole", "-J", "--btf_base", "base", "driver.ko"]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(folder.listing() == before);
    // And as resolve_btfids.
    let module = Module::new(SETS);
    let before = module.folder.listing();
    let args = ["resolve_btfids", "--btf", "m.1", "-b", "vmlinux", "m.ko"];
    let run: Run =
        btfgen_command(module.path(), args).env("BTFGEN_FAULT", "btf").output().expect("btfgen starts").into();
    assert_eq!(run.code, 255, "{}", run.err);
    assert!(run.err.contains("please report this as a bug"), "{}", run.err);
    assert!(module.folder.listing() == before);
}

#[test]
fn what_another_encoder_did_wrong_is_told_and_passed_on() {
    let module = Module::new(SETS);
    let mut btf = module.folder.read("m.1");
    // A FUNC with the linkage of one that is only declared.
    let base = BtfView::parse(&module.base).unwrap();
    let view = BtfView::parse_split(&btf, &base).unwrap();
    let mut at = view.header().types().start;
    for (_, t) in view.types() {
        if t.kind() == btf::kind::Kind::Func {
            break;
        }
        at += record_bytes(t);
    }
    let info = u32::from_le_bytes(btf[at + 4..at + 8].try_into().unwrap());
    patch(&mut btf, at + 4, info & 0xff00_0000 | 2);
    module.folder.write("m.1", &btf);
    let run = module.resolve();
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.err.contains("a kernel would refuse this BTF: ") && run.err.contains("Invalid func linkage (M73)"),
        "{}",
        run.err
    );
}

/// The users' guide has all rules and hazards, with what to do.
#[test]
fn the_guide_is_complete() {
    let guide = fs::read_to_string(support::root().join("docs/verify.md")).unwrap();
    for rule in RULES {
        let row = format!("| {} | {} | ", rule.number, rule.broken_if);
        let line = guide.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{row}"));
        assert!(line.contains(rule.remedy), "{line}");
    }
    for (number, what, remedy) in encoder::hazards::TABLE {
        let row = format!("| {number} | {what} | {remedy} |");
        assert!(guide.lines().any(|line| line == row), "{row}");
    }
}
