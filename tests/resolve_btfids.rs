//! `resolve_btfids`: what it makes of `.BTF_ids` and of finished BTF. The inputs are compiled here; big-endian ones where there is a
//! compiler for them. What is expected was compared with the kernel's own tool of Linux 7.3.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btf::kind::Kind;
use btf::view::BtfView;
use support::folder::Folder;
use support::{Run, btfgen, compile_with, encode, must, section, skipped, text, works};

const KERNEL: &str = r#"
struct S { int x; }; struct bpf_prog_aux { int id; }; typedef struct S s_t; union U { int a; long b; };
int plain(struct S *s, union U *u, s_t *t, struct bpf_prog_aux *a) { return s->x + u->a + t->x + a->id; }
int _start(void) { return 0; }
"#;

/// Functions and, after `BTF_IDS`, the macros for the words that refer to them.
const MACROS: &str = r#"
#define A(t) asm(".pushsection .BTF_ids, \"a\"\n.balign 4\n" t "\n.popsection")
#define L(s) ".local " s "\n.type " s ", %object\n" s ":\n"
#define SET8(s, f) A(L("__BTF_ID__set8__" #s) ".long 0, " #f)
#define END8(s) A(".size __BTF_ID__set8__" #s ", . - __BTF_ID__set8__" #s)
#define SET(s) A(L("__BTF_ID__set__" #s) ".long 0")
#define END(s) A(".size __BTF_ID__set__" #s ", . - __BTF_ID__set__" #s)
#define IDF_(n, c, f) A(L("__BTF_ID__func__" #n "__" #c) ".long 0, " #f)
#define IDF__(n, c, f) IDF_(n, c, f)
#define IDF(n, f) IDF__(n, __COUNTER__, f)
#define ID_(k, n, c) A(L("__BTF_ID__" #k "__" #n "__" #c) ".long 0")
#define ID__(k, n, c) ID_(k, n, c)
#define ID(k, n) ID__(k, n, __COUNTER__)
struct S { int x; }; struct bpf_prog_aux { int id; }; struct own { struct S *s; int k; };
typedef const struct bpf_prog_aux *aux_t;
int kf_a(struct own *o) { return o->k; }
int kf_fast(struct own *o, int b) { return o->k + b; }
int kf_implicit(int a, const struct bpf_prog_aux *aux, int rest) { return a + aux->id + rest; }
int kf_legacy(int a, struct bpf_prog_aux *aux) { return a + aux->id; }
int kf_legacy_impl(int a, struct bpf_prog_aux *aux) { return a - aux->id; }
int kf_typedef(int a, aux_t aux) { return a * aux->id; }
void *kf_arena(void *p, int *q__arena, struct own *o) { return o->k ? p : q__arena; }
void *kf_both(void *p__arena__nullable, struct bpf_prog_aux *aux) { return aux->id ? p__arena__nullable : 0; }
"#;

const SETS: &str = "
SET8(kfuncs, 1); IDF(kf_legacy, 0x10000); IDF(kf_implicit, 0x10010); IDF(kf_fast, 0x1000); IDF(kf_a, 0x4);
IDF(kf_typedef, 0x10000); IDF(kf_arena, 0x6000); IDF(kf_both, 0x10000); END8(kfuncs);
SET8(again, 1); IDF(kf_a, 0x4); END8(again);
SET(ids); ID(func, plain); ID(func, kf_typedef); ID(func, kf_a); END(ids);
ID(struct, own); ID(struct, S); ID(union, U); ID(typedef, s_t);
";

/// A folder with `vmlinux` (with BTF), `m.ko` (without) and `m.1`, its raw BTF as an encoder leaves it.
struct Module {
    folder: Folder,
    base: Vec<u8>,
}

impl Module {
    #[track_caller]
    fn new(ids: &str) -> Module {
        Module::with("gcc", "ld", ids)
    }

    #[track_caller]
    fn with(compiler: &str, linker: &str, ids: &str) -> Module {
        let folder = Folder::new();
        let at = folder.path();
        let flags = ["-O1", "-ffreestanding", "-fno-pie"];
        compile_with(compiler, at, "v", KERNEL, &flags);
        must(at, linker, ["-o", "vmlinux", "v.o"]);
        encode(at, ["vmlinux"]);
        compile_with(compiler, at, "m", &format!("{MACROS}{ids}"), &flags);
        fs::rename(at.join("m.o"), at.join("m.ko")).expect("it was made");
        let features = "--btf_features=var,float,enum64,decl_tag,type_tag,consistent_func";
        encode(at, ["--btf_base", "vmlinux", features, "--btf_encode_detached", "m.1", "m.ko"]);
        let base = section(&at.join("vmlinux"), ".BTF").expect("it was encoded");
        Module { folder, base }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Run {
        btfgen(self.path(), ["resolve_btfids"].iter().chain(args))
    }

    /// As Linux 7.3 calls it.
    fn resolve(&self) -> Run {
        self.run(&["--btf_base", "vmlinux", "--btf", "m.1", "m.ko"])
    }

    /// The BTF that came out as text, and the words of the ids with names instead of own ids.
    #[track_caller]
    fn result(&self) -> (Vec<String>, Vec<String>) {
        let base = BtfView::parse(&self.base).expect("the base is BTF");
        let bytes = self.folder.read("m.ko.BTF");
        let view = BtfView::parse_split(&bytes, &base).expect("split BTF");
        let big = self.folder.read("m.ko")[5] == 2;
        (text::lines(&view), words(&self.folder.read("m.ko.BTF_ids"), big, &view))
    }
}

/// Words; those that are ids of named types from the first id that is no small number on as the names.
fn words(bytes: &[u8], big: bool, view: &BtfView<'_>) -> Vec<String> {
    let word = |b: &[u8]| {
        let b = [b[0], b[1], b[2], b[3]];
        if big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
    };
    let name = |id: u32| {
        let t = view.get(btf::ids::TypeId(id))?;
        let named = matches!(t.kind(), Kind::Func | Kind::Struct | Kind::Union | Kind::Typedef);
        let name = view.string(t.name_off()).filter(|n| named && !n.is_empty())?;
        Some(String::from_utf8_lossy(name).into_owned())
    };
    bytes.chunks_exact(4).map(|b| name(word(b)).unwrap_or_else(|| format!("{:#x}", word(b)))).collect()
}

/// The entries of the first set of pairs, in any order.
fn pairs(words: &[String], count: usize) -> Vec<String> {
    let mut pairs: Vec<String> = words[2..2 + 2 * count].chunks(2).map(|p| p.join(" ")).collect();
    pairs.sort();
    pairs
}

const FLAGS: [&str; 7] = [
    "kf_a 0x4",
    "kf_arena 0x6000",
    "kf_both 0x10000",
    "kf_fast 0x1000",
    "kf_implicit 0x10010",
    "kf_legacy 0x10000",
    "kf_typedef 0x10000",
];

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
