//! `resolve_btfids`: what it makes of `.BTF_ids` and of finished BTF. The inputs are compiled here; big-endian ones where there is a
//! compiler for them. What is expected was compared with the kernel's own tool of Linux 7.3.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use btf::view::BtfView;
use support::folder::Folder;
use support::ids::{FLAGS, Module, SETS, pairs};
use support::{Run, encode, must, section, skipped, text, works};

#[test]
fn sets_kfuncs_and_lists() {
    let module = Module::new(SETS);
    check_all(&module);
}

#[test]
fn sets_in_big_endian() {
    if !works("s390x-linux-gnu-gcc", &["--version"]) {
        return skipped("s390x-linux-gnu-gcc (a big-endian target) is not installed");
    }
    check_all(&Module::with("s390x-linux-gnu-gcc", "s390x-linux-gnu-ld", SETS));
}

fn check_all(module: &Module) {
    let run = module.resolve();
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (lines, words) = module.result();
    assert_eq!(pairs(&words, 7), FLAGS);
    assert_eq!(words[17..20], ["0x1", "kf_a", "0x4"].map(String::from));
    let has = |line: &str| assert!(lines.iter().any(|l| text::matches(l, line)), "{line}\n{lines:#?}");
    for kfunc in ["kf_a", "kf_fast", "kf_implicit", "kf_legacy", "kf_typedef", "kf_arena", "kf_both"] {
        has(&format!("DECL_TAG \"bpf_kfunc\" on FUNC {kfunc}"));
    }
    has("DECL_TAG \"bpf_fastcall\" on FUNC kf_fast");
    // What the verifier passes goes, and what follows it; the whole prototype is another function's.
    has("FUNC kf_implicit(a: int) -> int");
    has("FUNC kf_implicit_impl(a: int, aux: *const struct bpf_prog_aux, rest: int) -> int");
    has("FUNC kf_legacy(a: int) -> int");
    has("FUNC kf_legacy_impl(a: int, aux: *struct bpf_prog_aux) -> int");
    has("FUNC kf_typedef(a: int, aux: aux_t) -> int");
    let named = |start: &str| lines.iter().filter(|l| l.starts_with(start)).count();
    assert_eq!(named("FUNC kf_legacy_impl("), 1);
    let arena = lines.iter().find(|l| l.starts_with("FUNC kf_arena(")).expect("it is there");
    assert_eq!(arena.matches("address_space(1)").count(), 3, "{arena}");
    assert!(lines.iter().any(|l| l.starts_with("FUNC kf_both(") && !l.contains("aux:") && l.contains("address_space")));
    // Sets are sorted by id, as kernels search them.
    assert!(words.iter().any(|w| w == "own") && words.iter().any(|w| w == "U"), "{words:?}");
    // A second time, on the result, changes nothing.
    fs::copy(module.path().join("m.ko.BTF"), module.path().join("m.1")).expect("copied");
    let first = (module.folder.read("m.ko.BTF"), module.folder.read("m.ko.BTF_ids"));
    assert_eq!(module.resolve().code, 0);
    assert_eq!(first.1, module.folder.read("m.ko.BTF_ids"));
    let (again, _) = module.result();
    assert_eq!(lines.len(), again.len(), "{again:#?}");
}

#[test]
fn what_is_not_there_and_fatal_warnings() {
    let ids = "SET8(k, 1); IDF(kf_a, 4); IDF(missing, 2); END8(k); ID(struct, lost); ID(func, gone);";
    let module = Module::new(ids);
    let said = "WARN: resolve_btfids: no BTF func for kfunc missing in k\n\
                WARN: resolve_btfids: unresolved symbol lost\n\
                WARN: resolve_btfids: unresolved symbol missing\n\
                WARN: resolve_btfids: unresolved symbol gone\n";
    let args = ["--fatal_warnings", "--btf_base", "vmlinux", "--btf", "m.1", "m.ko"];
    let before = module.folder.listing();
    let run = module.run(&args);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with(said) && run.err.contains("4 warnings"), "{}", run.err);
    assert_eq!(module.folder.listing(), before);
    let run = module.run(&[&["--compat_warnings"], &args[..]].concat());
    assert_eq!((run.code, run.err.as_str()), (0, said));
    // What was not found comes first.
    let (_, words) = module.result();
    assert_eq!(words[2..6], ["0x0", "0x2", "kf_a", "0x4"].map(String::from));
}

/// The kernel has a `struct twice`, the module another one. That there are two is noticed only by a search that goes on past the first:
/// while a struct is missing, or if there are more symbols than names.
#[test]
fn two_types_of_one_name() {
    let types = "struct twice { long own; }; struct zz { int z; }; int use(struct twice *t, struct zz *z) { return t->own + z->z; }\n";
    let (multiple, gone) = ("WARN: multiple IDs found for 'twice'", "WARN: resolve_btfids: unresolved symbol gone\n");
    for (ids, said) in [
        ("", vec![]),
        ("ID(struct, own);", vec![]),
        ("ID(struct, zz);", vec![multiple]),
        ("ID(struct, twice);", vec![multiple]),
        ("ID(struct, gone);", vec![multiple, gone]),
        ("ID(union, gone);", vec![gone]),
    ] {
        let module = Module::new(&format!("{types} ID(struct, twice); {ids}"));
        let run = module.resolve();
        let lines: Vec<&str> = run.err.split_inclusive('\n').collect();
        let as_said = lines.len() == said.len() && lines.iter().zip(&said).all(|(line, start)| line.starts_with(start));
        assert!(run.code == 0 && as_said, "{ids}: {}", run.err);
    }
}

#[test]
fn one_symbol_a_hundred_times_and_more() {
    for count in [100, 101] {
        let module = Module::new(&"ID(struct, own);\n".repeat(count));
        assert_eq!(module.resolve().code, 0);
        assert_eq!(module.result().1, vec!["own"; count]);
    }
}

#[test]
fn flags_that_contradict_each_other() {
    let module = Module::new("SET8(a, 1); IDF(kf_a, 4); END8(a); SET8(b, 1); IDF(kf_a, 8); END8(b);");
    let run = module.resolve();
    assert_eq!(run.code, 255);
    assert!(run.err.contains("kfunc kf_a has inconsistent flags across BTF ID sets: 0x8 != 0x4"), "{}", run.err);
    assert!(!module.path().join("m.ko.BTF").exists());
}

#[test]
fn an_arena_argument_that_is_no_pointer() {
    let module = Module::new("SET8(a, 1); IDF(kf_implicit, 0x4000); END8(a);");
    let run = module.resolve();
    assert_eq!(run.code, 255);
    assert!(run.err.contains("kfunc kf_implicit: arena type is not a pointer"), "{}", run.err);
}

#[test]
fn patching() {
    let module = Module::new(SETS);
    assert_eq!(module.resolve().code, 0);
    let (before, ids) = (module.folder.read("m.ko"), module.folder.read("m.ko.BTF_ids"));
    module.folder.write("short", &ids[4..]);
    let run = module.run(&["--patch_btfids", "short", "m.ko"]);
    assert_eq!(run.code, 255);
    assert!(run.err.starts_with("FAILED: size mismatch - "), "{}", run.err);
    let run = module.run(&["--patch_btfids", "m.ko.BTF_ids", "vmlinux"]);
    assert_eq!((run.code, run.err.as_str()), (255, "FAILED: section .BTF_ids not found in vmlinux\n"));
    assert_eq!(module.folder.read("m.ko"), before);
    let run = module.run(&["--patch_btfids", "m.ko.BTF_ids", "m.ko"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(section(&module.path().join("m.ko"), ".BTF_ids"), Some(ids.clone()));
    let after = module.folder.read("m.ko");
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(before.len() == after.len() && changed <= ids.len());
}

/// As trees before 7.0 do it; then a second time, when the sets are sorted and flags do not stand at their symbols.
#[test]
fn in_place_and_again() {
    let module = Module::new(SETS);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    let run = module.run(&["-b", "vmlinux", "m.ko"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let once = section(&module.path().join("m.ko"), ".BTF_ids").expect("it is there");
    assert_eq!(module.run(&["-b", "vmlinux", "m.ko"]).code, 0);
    assert_eq!(section(&module.path().join("m.ko"), ".BTF_ids"), Some(once));
    // The encoder, too, sees whose flags are whose.
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    let bytes = section(&module.path().join("m.ko"), ".BTF").expect("it is there");
    let base = BtfView::parse(&module.base).expect("the base is BTF");
    let lines = text::lines(&BtfView::parse_split(&bytes, &base).expect("split BTF"));
    let fast: Vec<&String> = lines.iter().filter(|l| l.contains("bpf_fastcall")).collect();
    assert_eq!(fast, ["DECL_TAG \"bpf_fastcall\" on FUNC kf_fast"]);
    // Without the old BTF nobody can tell.
    must(module.path(), "objcopy", ["--remove-section", ".BTF", "m.ko"]);
    let run = module.resolve();
    assert_eq!(run.code, 255);
    assert!(run.err.contains("restoring the order of set 'kfuncs'"), "{}", run.err);
}

#[test]
fn names_and_usage() {
    let folder = Folder::with_samples();
    symlink(env!("CARGO_BIN_EXE_btfgen"), folder.file("resolve_btfids")).expect("a link");
    let run = |args: &[&str]| -> Run {
        Command::new(folder.file("resolve_btfids"))
            .args(args)
            .current_dir(folder.path())
            .output()
            .expect("starts")
            .into()
    };
    assert_eq!(run(&[]).code, 129);
    assert_eq!(run(&["a", "b"]).code, 129);
    assert_eq!(run(&["--nonsense", "a"]).code, 129);
    let missing = run(&["--btf", "driver.1", "driver.ko"]);
    assert_eq!(missing.code, 255);
    assert!(missing.err.starts_with("FAILED: load BTF from driver.1: "), "{}", missing.err);
    assert_eq!(run(&["--btf_base", "base", "--btf", "base", "--distill_base", "driver.ko"]).code, 255);
    // No .BTF_ids: nothing to do.
    assert_eq!(run(&["-b", "base", "driver.ko"]), Run { code: 0, out: vec![], err: String::new() });
}
