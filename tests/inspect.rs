//! `btfgen stats`, `diff`, `why` and `merge` on files of compilers and of btfgen, and on damaged ones.

mod support;

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;
use support::folder::Folder;
use support::{Run, btfgen, btfgen_command, compile, compile_with, encode, has_clang, skipped};

const FLAGS: &[&str] = &["-O2", "-ffreestanding", "-fno-pie", "-gdwarf-5"];

const MODULE: &str = "struct deep;\nstruct shared { struct shared *next;\n int (*call)(struct deep *d); };\n\
                  struct own { struct shared *s; };\nstruct deep { long y; };\n\
                  int c(struct own *o) { return o->s->call(0); }\nint d(struct deep *d) { return d->y; }\n";

/// A kernel, and a module with one type of its own and one that it defines otherwise.
fn kernel_and_module() -> Folder {
    let folder = Folder::new();
    let vmlinux = "struct deep { int x; };\nstruct shared { struct shared *next; int (*call)(struct deep *d); };\n\
                   struct shared *a(struct shared *s) { return s->next; }\nint b(struct deep *d) { return d->x; }\n\
                   long word;\n";
    compile(folder.path(), "vmlinux", vmlinux, FLAGS);
    compile(folder.path(), "m", MODULE, FLAGS);
    encode(folder.path(), ["vmlinux.o"]);
    encode(folder.path(), ["--btf_base", "vmlinux.o", "m.o"]);
    folder
}

fn text(run: &Run) -> String {
    String::from_utf8(run.out.clone()).expect("it is text")
}

fn run(folder: &Folder, args: &[&str], code: i32) -> String {
    let run = btfgen(folder.path(), args);
    assert_eq!((run.code, run.err.as_str()), (code, ""), "{args:?}: {}", text(&run));
    text(&run)
}

/// What is kept of a text whose figures depend on the compiler.
fn has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|l| l.contains(line)), "{line:?} is not in\n{text}");
    }
}

#[test]
fn stats_of_one_and_of_many() {
    let folder = kernel_and_module();
    let base = ["stats", "--btf_base", "vmlinux.o"];
    let one = run(&folder, &[&base[..], &["m.o"]].concat(), 0);
    has(
        &one,
        &[
            "m.o: ",
            "kind            types      bytes  in base repeated",
            "  STRUCT            3",
            "2 redefined",
            "  STRUCT deep",
            "redundant: 0 types, 0 bytes",
        ],
    );
    let many = run(&folder, &[&base[..], &["m.o", "m.o"]].concat(), 0);
    has(&many, &["m.o: ", "total: 2 files", "  STRUCT            6", "4 redefined"]);
    folder.write("list", b"m.o\n\nm.o\n");
    assert_eq!(run(&folder, &[&base[..], &["@list"]].concat(), 0), many);
    let json = run(&folder, &[&base[..], &["--json", "--largest", "1", "m.o", "vmlinux.o"]].concat(), 0);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!((lines.len(), &lines[1]["base"], &lines[2]["files"]), (3, &Value::Null, &Value::from(2)));
    let sum = |key: &str| lines[0][key].as_u64().expect("a number") + lines[1][key].as_u64().expect("a number");
    assert_eq!(lines[2]["bytes"], sum("bytes"));
    let kinds = lines[0]["kinds"].as_object().expect("an object").values();
    let bytes: u64 = kinds.map(|kind| kind["all"]["bytes"].as_u64().expect("a number")).sum();
    assert_eq!(lines[0]["type_bytes"], bytes);
}

#[test]
fn diff_has_the_exit_codes_of_diff() {
    let folder = kernel_and_module();
    assert_eq!(run(&folder, &["diff", "vmlinux.o", "vmlinux.o"], 0), "");
    compile(folder.path(), "new", &MODULE.replace("int d(", "int b("), FLAGS);
    encode(folder.path(), ["new.o"]);
    let found = run(&folder, &["diff", "vmlinux.o", "new.o"], 1);
    let expected = "--- vmlinux.o\n+++ new.o\n! struct deep.x: removed (int) (and 2 more)\n+ struct own: 8 bytes, 1 member\n\
                    - func a: struct shared *(struct shared *)\n+ func c: int (struct own *)\n";
    assert_eq!(found.split("structs:").next(), Some(expected));
    let full = run(&folder, &["diff", "--full", "vmlinux.o", "new.o"], 1);
    has(&full, &["! struct deep.x: removed (int)", "! struct deep.y: added (long int)", "! struct deep: size 4 -> 8"]);
    let json = run(&folder, &["diff", "--json", "vmlinux.o", "new.o"], 1);
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((&json["same"], &json["changed"][0]["changes"][0]["path"]), (&Value::from(false), &Value::from(".x")));
    for (args, message) in [
        (&["diff", "vmlinux.o", "nothing"][..], "btfgen: error: nothing: cannot be read: "),
        (&["diff", "m.o", "vmlinux.o"], "btfgen: error: m.o: damaged BTF: "),
        (&["diff", "vmlinux.o"], "error: the following required arguments were not provided"),
    ] {
        let run = btfgen(folder.path(), args);
        assert!(run.code == 2 && run.err.starts_with(message), "{args:?}: {} {}", run.code, run.err);
    }
}

#[test]
fn why_says_where_the_first_difference_is() {
    let folder = kernel_and_module();
    let ask = |name: &str| run(&folder, &["why", "--btf_base", "vmlinux.o", name, "m.o"], 0);
    let shared = ask("shared");
    has(
        &shared,
        &[
            "16 bytes, 2 members): it differs from the base's (type ",
            "  struct shared -> member 'call' -> parameter 1 -> struct deep",
            "    here: 8 bytes, 1 member; member 1 is 'y' at bit 0",
            "    base: 4 bytes, 1 member; member 1 is 'x' at bit 0",
            "      struct shared: m.c:2, in the base vmlinux.c:2",
            "      member 'call': m.c:3, in the base vmlinux.c:2",
            "      struct deep: m.c:5, in the base vmlinux.c:1",
        ],
    );
    has(
        &ask("struct own"),
        &["the base defines none of this name; it is needed by", "  func c -> parameter 1 'o' -> struct own"],
    );
    assert_eq!(ask("union own"), "union own: neither m.o nor its base has a type of this name\n");
    has(&ask("int"), &["type int: not in m.o: it uses that of the base, type "]);
    let json = run(&folder, &["why", "--json", "--btf_base", "vmlinux.o", "shared", "m.o"], 0);
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    let difference = &json["own"][0]["reasons"][0]["differences"][0];
    assert_eq!(
        (&difference["only_declared"], &difference["path"][0]["here"]),
        (&Value::from(false), &Value::from("m.c:2"))
    );
}

const DECLARES: &str = "struct s; struct pair { int a, b; };\nextern int f(struct s *p);\nint counter = 1; static volatile int hidden;\n\
                        int use(struct s *p, struct pair q) { hidden++; return f(p) + q.a + hidden + counter; }\n";
const DEFINES: &str = "struct s { int x; struct s *next; };\nstruct pair { int a, b; };\nint total;\n\
                       int f(struct s *p) { return p->x + total; }\nint g(struct pair *q) { return q->b; }\n";

/// Merges two objects both ways; what the result has, a line per type.
fn merged(folder: &Folder) -> Vec<String> {
    let merge = |files: &[&str], out: &str| {
        run(folder, &[&["merge"], files, &["-o", out]].concat(), 0);
    };
    merge(&["a.o", "b.o"], "ab.btf");
    merge(&["a.o", "b.o", "a.o"], "aba.btf");
    assert_eq!(folder.read("ab.btf"), folder.read("aba.btf"));
    let verified = btfgen(folder.path(), ["verify", "ab.btf"]);
    assert_eq!(verified.code, 0, "{}", text(&verified));
    merge(&["ab.btf"], "again.btf");
    assert_eq!(run(folder, &["diff", "ab.btf", "again.btf"], 0), "");
    let dump = run(folder, &["dump", "ab.btf"], 0);
    dump.lines()
        .filter(|line| line.starts_with('['))
        .map(|line| line.split_once(' ').expect("an id").1.to_owned())
        .collect()
}

fn count(lines: &[String], start: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn merge_of_gcc_objects() {
    if !support::works("gcc", &["-gbtf", "-x", "c", "-c", "-o", "/dev/null", "/dev/null"]) {
        return skipped("this gcc has no -gbtf");
    }
    let folder = Folder::new();
    for (name, source) in [("a", DECLARES), ("b", DEFINES)] {
        compile(folder.path(), name, source, &["-gbtf", "-O0"]);
    }
    let lines = merged(&folder);
    assert_eq!(
        (count(&lines, "FWD"), count(&lines, "STRUCT 's'"), count(&lines, "STRUCT 'pair'")),
        (0, 1, 1),
        "{lines:#?}"
    );
    assert_eq!((count(&lines, "FUNC 'use'"), count(&lines, "FUNC 'g'"), count(&lines, "INT 'int'")), (1, 1, 1));
    assert_eq!((count(&lines, "DATASEC '.bss' size=8 vlen=2"), count(&lines, "DATASEC '.data' size=4 vlen=1")), (1, 1));
}

#[test]
fn merge_of_clang_bpf_objects() {
    if !has_clang() {
        return skipped("there is no clang");
    }
    let folder = Folder::new();
    for (name, source) in [("a", DECLARES), ("b", DEFINES)] {
        compile_with("clang", folder.path(), name, source, &["-target", "bpf", "-g", "-O2"]);
    }
    let lines = merged(&folder);
    assert_eq!(
        (count(&lines, "FWD"), count(&lines, "STRUCT 's'"), count(&lines, "STRUCT 'pair'")),
        (0, 1, 1),
        "{lines:#?}"
    );
    // The extern one of a.c is the global one of b.c.
    assert_eq!((count(&lines, "FUNC 'f'"), count(&lines, "FUNC 'use'"), count(&lines, "FUNC 'g'")), (1, 1, 1));
    assert_eq!(count(&lines, "DATASEC '.bss' size=8 vlen=2"), 1);
}

#[test]
fn merge_with_a_base() {
    let folder = kernel_and_module();
    let base = ["--btf_base", "vmlinux.o"];
    run(&folder, &[&["merge"], &base[..], &["m.o", "m.o", "-o", "m.btf"]].concat(), 0);
    assert_eq!(run(&folder, &[&["diff"], &base[..], &["m.btf", "m.o"]].concat(), 0), "");
    run(&folder, &["merge", "vmlinux.o", "-o", "v.btf"], 0);
    assert_eq!(run(&folder, &["diff", "v.btf", "vmlinux.o"], 0), "");
    // A split file with nothing new.
    run(&folder, &[&["merge"], &base[..], &["v.btf", "-o", "none.btf"]].concat(), 0);
    run(&folder, &[&["merge", "--flatten"], &base[..], &["m.o", "-o", "flat.btf"]].concat(), 0);
    let flat = run(&folder, &["stats", "flat.btf"], 0);
    has(&flat, &["  STRUCT            5", "redundant: 0 types, 0 bytes"]);
    let piped = btfgen(folder.path(), ["merge", "vmlinux.o"]);
    assert_eq!((piped.code, piped.out), (0, folder.read("v.btf")));
    let run = btfgen(folder.path(), ["merge", "--flatten", "vmlinux.o", "-o", "x.btf"]);
    assert_eq!((run.code, folder.file("x.btf").exists()), (8, false), "{}", run.err);
}

/// No input makes any of the commands panic, and what cannot be read is an error that names the file.
#[test]
fn damaged_files() {
    let folder = kernel_and_module();
    run(&folder, &["merge", "vmlinux.o", "-o", "v.btf"], 0);
    let good = folder.read("v.btf");
    let commands: [(&[&str], i32); 4] = [
        (&["stats", "bad.btf"], 3),
        (&["diff", "v.btf", "bad.btf"], 2),
        (&["why", "shared", "bad.btf"], 3),
        (&["merge", "bad.btf", "-o", "out.btf"], 3),
    ];
    let cut = [0, 1, 8, 23, 24, 30, good.len() / 2, good.len() - 1].map(|at| good[..at].to_vec());
    // A word at a time becomes what no id, name or kind is.
    let changed = (24..good.len() - 4).step_by(12).map(|at| {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&[0xfe, 0xff, 0xff, 0x7f]);
        bad
    });
    for (number, bad) in cut.into_iter().chain(changed).enumerate() {
        folder.write("bad.btf", &bad);
        for (args, code) in commands {
            let run = btfgen(folder.path(), args);
            let fine = run.code == code && run.err.starts_with("btfgen: error: bad.btf: ");
            // Names and sizes may be changed without damage; a kernel's rules are merge's only.
            let may_be_whole = number >= 8 && (run.code < code || run.code == 7) && !run.err.contains("panicked");
            assert!(fine || may_be_whole, "{number}, {args:?}: {} {}", run.code, run.err);
        }
    }
}

#[test]
fn nobody_reads_what_is_said() {
    let folder = kernel_and_module();
    for args in [
        &["stats", "vmlinux.o"][..],
        &["diff", "--btf_base", "vmlinux.o", "vmlinux.o", "m.o"],
        &["why", "--btf_base", "vmlinux.o", "shared", "m.o"],
        &["merge", "vmlinux.o"],
    ] {
        let mut command = btfgen_command(folder.path(), args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        let code = child.wait().expect("it ends").code();
        assert_eq!((said.as_str(), code), ("", Some(i32::from(args[0] == "diff"))), "{args:?}");
    }
}
