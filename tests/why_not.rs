//! `btfgen why-not`: the answer, and where in the source what it rests on stands.

mod support;

use support::folder::Folder;
use support::{Run, btfgen, compile, encode, must};

const HEADER: &str = "extern int sink(int, int);\nstatic inline __attribute__((always_inline)) int everywhere(int a) { return a * 3; }\n";

/// A module of two units.
fn module() -> Folder {
    let folder = Folder::new();
    let flags = ["-O2", "-ffreestanding", "-fno-pie", "-gdwarf-5"];
    folder.write("h.h", HEADER.as_bytes());
    let a = r#"#include "h.h"
struct s { int a, b; };
static __attribute__((noinline)) int twice(int x) { return sink(x, 1); }
static __attribute__((noinline)) int apart(struct s *p, int v) { return sink(p->a, v) + sink(v, 2); }
static __attribute__((noinline)) int constant(int k, int v) { return sink(k, v) + sink(v, k); }
__attribute__((weak)) int weak_one(const char *p) { return p[0]; }
int kept(struct s *p, int v) { return twice(v) + apart(p, v) + apart(p, v + 1) + everywhere(v) + constant(5, v) + constant(5, v + 1); }
int target(int a) { return a; }
int other_name(int a) __attribute__((alias("target")));
static int unused(int a) { return a; }
"#;
    let b = r#"#include "h.h"
static __attribute__((noinline)) int twice(int x) { return sink(x, 2); }
int weak_one(char *volatile p) { return p[1] + everywhere(p[2]); }
int user(int v) { return twice(v) + everywhere(v); }
int variable = 3;
"#;
    compile(folder.path(), "a", a, &flags);
    compile(folder.path(), "b", b, &flags);
    folder
        .write("f.S", b"\t.globl asm_one\n\t.type asm_one, @function\nasm_one:\n\tret\n\t.size asm_one, . - asm_one\n");
    must(folder.path(), "gcc", ["-g", "-c", "-o", "f.o", "f.S"]);
    must(folder.path(), "ld", ["-r", "-o", "m.ko", "a.o", "b.o", "f.o"]);
    folder
}

fn why(folder: &Folder, args: &[&str]) -> String {
    let run = btfgen(folder.path(), ["why-not"].iter().chain(args));
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
    String::from_utf8(run.out).expect("it is text")
}

#[test]
fn answers_and_their_evidence() {
    let folder = module();
    let answers: [(&str, &str, &[&str]); 12] = [
        (
            "kept",
            "in BTF\n",
            &[
                "  symbol kept at .text+0x",
                "  a.c:7: int kept(struct s *p, int v): code at .text+0x",
                "; p in rdi, v in rsi",
            ],
        ),
        (
            "twice",
            "not in BTF: ambiguous address: several functions have this name\n",
            &["  a.c:3: int twice(int x): code at .text+0x", "  b.c:2: int twice(int x): code at .text+0x"],
        ),
        (
            "apart",
            "not in BTF: taken apart: the compiler's .isra clone",
            &[
                "  symbol apart.isra.0 at .text+0x",
                "  a.c:4: int apart(struct s *p, int v): code at .text+0x",
                "p in memory",
            ],
        ),
        (
            "constant",
            "in BTF; constants propagated",
            &["  a.c:5: int constant(int k, int v): code at .text+0x", "v in rdi, k a constant"],
        ),
        (
            "everywhere",
            "not in BTF: no symbol: it is inlined wherever it is called\n",
            &["  h.h:2: int everywhere(int a): inlined 3 times in 2 units, first at a.c:7\n"],
        ),
        (
            "sink",
            "not in BTF: it is defined in another file, and only used here\n",
            &["  symbol, not defined here, sink\n", "  h.h:1: int sink(int, int): declared in 2 units\n"],
        ),
        ("asm_one", "not in BTF: assembler function", &["  symbol asm_one at .text+0x", ": code at .text+0x"]),
        (
            "other_name",
            "in BTF; alias: described by the function at its address\n",
            &["  symbol other_name at .text+0x"],
        ),
        (
            "variable",
            "not in BTF: its symbol is of no function\n",
            &["  symbol that is of no function variable at .data+0x0\n"],
        ),
        ("nosuch", "not in BTF: there is nothing of this name here, neither a symbol nor debug information\n", &[]),
        ("apart.isra.0", "not in BTF: taken apart", &["  symbol apart.isra.0"]),
        ("user", "in BTF\n", &["  b.c:4: int user(int v): code at .text+0x"]),
    ];
    for (function, verdict, evidence) in answers {
        let text = why(&folder, &[function, "m.ko"]);
        let name = function.split('.').next().expect("there is one");
        assert!(text.starts_with(&format!("{name}: {verdict}")), "{text}");
        evidence.iter().for_each(|part| assert!(text.contains(part), "{part} is not in\n{text}"));
    }
}

/// It says the same as the report, of older DWARF, too, and of a linked file.
#[test]
fn as_the_report() {
    let folder = Folder::with_samples();
    compile(folder.path(), "old", "int f(int a);\nint f(int a)\n{ return a; }\n", &["-gdwarf-4", "-O1"]);
    assert!(why(&folder, &["f", "old.o"]).contains("  old.c:2: int f(int a): code at .text+0x0; a in rdi\n"));
    encode(folder.path(), ["--functions-report", "report", "--btf_encode_detached", "out", "vmlinux"]);
    let report = String::from_utf8(folder.read("report")).expect("it is text");
    for line in report.lines().skip(1) {
        let words: Vec<&str> = line.split('\t').collect();
        let verdict = if words[2] == "kept" { "in BTF" } else { "not in BTF: " };
        assert!(why(&folder, &[words[1], "vmlinux"]).starts_with(&format!("{}: {verdict}", words[1])), "{line}");
    }
}

#[test]
fn the_base_is_asked() {
    let folder = Folder::with_samples();
    assert!(
        why(&folder, &["add", "driver.ko", "--btf_base", "base"]).contains("\n  the base has a function of this name")
    );
    assert!(why(&folder, &["drive", "driver.ko", "-B", "base"]).contains("\n  the base has no function of this name"));
    for (args, code) in [(["f", "missing.o"], 1), (["add", "driver.c"], 3)] {
        let Run { code: found, err, .. } = btfgen(folder.path(), ["why-not"].iter().chain(&args));
        assert!(found == code || !folder.file(args[1]).exists() && found == 1, "{err}");
    }
    assert_eq!(btfgen(folder.path(), ["why-not", "add", "driver.ko", "-B", "driver.ko"]).code, 5);
}
