//! Modules with `.BTF_ids`, compiled from macros like those of a kernel.

use std::fs;
use std::path::Path;

use btf::kind::Kind;
use btf::view::BtfView;

use super::folder::Folder;
use super::{Run, btfgen, compile_with, encode, must, section, text};

/// A kernel that such modules are on top of.
pub const KERNEL: &str = r#"
struct S { int x; }; struct bpf_prog_aux { int id; }; typedef struct S s_t; union U { int a; long b; };
int plain(struct S *s, union U *u, s_t *t, struct bpf_prog_aux *a) { return s->x + u->a + t->x + a->id; }
struct twice { int kernels; }; int twice(struct twice *t) { return t->kernels; }
int _start(void) { return 0; }
"#;

/// Functions and, after `BTF_IDS`, the macros for the words that refer to them.
pub const MACROS: &str = r#"
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

/// Sets and lists of them.
pub const SETS: &str = "
SET8(kfuncs, 1); IDF(kf_legacy, 0x10000); IDF(kf_implicit, 0x10010); IDF(kf_fast, 0x1000); IDF(kf_a, 0x4);
IDF(kf_typedef, 0x10000); IDF(kf_arena, 0x6000); IDF(kf_both, 0x10000); END8(kfuncs);
SET8(again, 1); IDF(kf_a, 0x4); END8(again);
SET(ids); ID(func, plain); ID(func, kf_typedef); ID(func, kf_a); END(ids);
ID(struct, own); ID(struct, S); ID(union, U); ID(typedef, s_t);
";

/// A folder with `vmlinux` (with BTF), `m.ko` (without) and `m.1`, its raw BTF as an encoder leaves it.
pub struct Module {
    /// Where they are.
    pub folder: Folder,
    /// The BTF of `vmlinux`.
    pub base: Vec<u8>,
}

impl Module {
    /// With these words in `.BTF_ids`, after the macros.
    #[track_caller]
    pub fn new(ids: &str) -> Module {
        Module::with("gcc", "ld", ids)
    }

    /// The same by a compiler and a linker of another target.
    #[track_caller]
    pub fn with(compiler: &str, linker: &str, ids: &str) -> Module {
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

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `btfgen resolve_btfids`.
    pub fn run(&self, args: &[&str]) -> Run {
        btfgen(self.path(), ["resolve_btfids"].iter().chain(args))
    }

    /// As Linux 7.3 calls it.
    pub fn resolve(&self) -> Run {
        self.run(&["--btf_base", "vmlinux", "--btf", "m.1", "m.ko"])
    }

    /// The BTF that came out as text, and the words of the ids with names instead of own ids.
    #[track_caller]
    pub fn result(&self) -> (Vec<String>, Vec<String>) {
        let base = BtfView::parse(&self.base).expect("the base is BTF");
        let bytes = self.folder.read("m.ko.BTF");
        let view = BtfView::parse_split(&bytes, &base).expect("split BTF");
        let big = self.folder.read("m.ko")[5] == 2;
        (text::lines(&view), words(&self.folder.read("m.ko.BTF_ids"), big, &view))
    }
}

/// Words; those that are ids of named types from the first id that is no small number on as the names.
pub fn words(bytes: &[u8], big: bool, view: &BtfView<'_>) -> Vec<String> {
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
pub fn pairs(words: &[String], count: usize) -> Vec<String> {
    let mut pairs: Vec<String> = words[2..2 + 2 * count].chunks(2).map(|p| p.join(" ")).collect();
    pairs.sort();
    pairs
}

/// What is in the first set of [`SETS`].
pub const FLAGS: [&str; 7] = [
    "kf_a 0x4",
    "kf_arena 0x6000",
    "kf_both 0x10000",
    "kf_fast 0x1000",
    "kf_implicit 0x10010",
    "kf_legacy 0x10000",
    "kf_typedef 0x10000",
];
