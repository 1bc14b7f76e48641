//! `--target-kernel`: what a kernel does not accept is left out or written otherwise, and the result passes that kernel's rules.

mod support;

use btf::verify::{self, KernelVersion, Level};
use btf::view::BtfView;

use support::folder::Folder;
use support::{btfgen, compile, encode, has_clang, text};

/// C with something for every release: a float, an enum of 8 bytes, a negative value, a long name, a variable.
fn source() -> String {
    let long = "n".repeat(200);
    format!(
        "struct s {{ float f; enum {{ WIDE = 1l << 40 }} w; enum {{ MINUS = -1 }} m; int {long}; }};\n\
         __attribute__((section(\".data..percpu\"))) struct s v = {{ 1 }};\n\
         __attribute__((section(\".data.a-b\"))) int odd = 1;\n\
         int f_{long}(int a) {{ return a; }}\n\
         int short_name(struct s *p) {{ return p->m + odd; }}\n"
    )
}

const TAGS: &str = "int __attribute__((btf_type_tag(\"user\"))) *p; struct t { int a; } __attribute__((btf_decl_tag(\"t\"))); struct t t;";

const RELEASES: [(u16, u16); 13] =
    [(5, 2), (5, 12), (5, 13), (5, 15), (5, 16), (5, 17), (6, 0), (6, 1), (6, 11), (6, 12), (6, 14), (6, 15), (7, 3)];

fn findings(bytes: &[u8], base: Option<&BtfView<'_>>, kernel: KernelVersion) -> Vec<String> {
    let view = BtfView::parse_on(bytes, base).expect("it is BTF");
    let options = verify::Options { level: Level::Kernel, kernel, ..Default::default() };
    verify::verify(&view, &options).iter().map(ToString::to_string).collect()
}

#[test]
fn every_release() {
    let folder = Folder::new();
    compile(folder.path(), "a", &source(), &["-O1", "-ffreestanding"]);
    let mut files = vec!["a.o"];
    if has_clang() {
        support::compile_with("clang", folder.path(), "tags", TAGS, &[]);
        files.push("tags.o");
    }
    for file in files {
        let mut last = Vec::new();
        for (major, minor) in RELEASES {
            let kernel = KernelVersion(major, minor);
            let args =
                ["--btf_features=all", "--target-kernel", &kernel.to_string(), "--btf_encode_detached", "out", file];
            encode(folder.path(), args);
            last = folder.read("out");
            assert_eq!(findings(&last, None, kernel), [""; 0], "{file} {kernel}");
        }
        // The newest kernel takes everything; the oldest nothing of it.
        encode(folder.path(), ["--btf_features=all", "--btf_encode_detached", "out", file]);
        assert!(folder.read("out") == last, "{file}");
        assert_ne!(findings(&last, None, KernelVersion(5, 2)), [""; 0], "{file}");
    }
}

#[test]
fn what_is_left_out_is_said() {
    let folder = Folder::new();
    compile(folder.path(), "a", &source(), &["-O1", "-ffreestanding"]);
    let run = |release: &str| {
        let args = ["-v", "--btf_features=all", "--target-kernel", release, "--btf_encode_detached", "out", "a.o"];
        let said = encode(folder.path(), args);
        let bytes = folder.read("out");
        (said, text::lines(&BtfView::parse(&bytes).expect("it is BTF")))
    };
    let has = |lines: &[String], line: &str| lines.iter().any(|l| text::matches(l, line));
    let (said, lines) = run("5.12");
    let left_out = "a.o: for Linux 5.12, left out: no FLOAT: floating types are INTs; no DECL_TAG; no TYPE_TAG; no ENUM64: values are \
                    cut to 32 bits; no signs of enums; no attributes as tags; no layout section; no names of more than 127 bytes";
    assert!(said.contains(left_out), "{said}");
    assert!(said.contains("dialect arrays=nested,enum64=off,enum-sign=off,float=off,type-tag=off"), "{said}");
    assert!(said.contains("1 enumerators that BTF cannot hold"), "{said}");
    assert!(said.contains("2 names changed") || said.contains("1 names changed"), "{said}");
    assert!(said.contains("1 function left out: name not accepted by kernels"), "{said}");
    assert!(said.contains("1 data sections left out"), "{said}");
    assert!(
        has(&lines, "INT float size=4 UNSIGNED") && has(&lines, "FUNC short_name") && has(&lines, "VAR v: struct s")
    );
    assert!(has(&lines, &format!("MEMBER s.{}: int", "n".repeat(127))), "{lines:#?}");
    let (said, lines) = run("6.12");
    assert!(said.contains("for Linux 6.12, left out: no attributes as tags; no layout section\n"), "{said}");
    assert!(
        has(&lines, "FLOAT float size=4")
            && has(&lines, "DATASEC .data.a-b")
            && lines.iter().any(|l| l.starts_with("ENUM64"))
    );
    let (said, _) = run("7.3");
    assert!(said.contains("for Linux 7.3, left out: nothing\n"), "{said}");
}

/// A base is the BTF of the kernel itself, so what is in it is accepted, whatever release was named.
#[test]
fn the_base_wins() {
    let folder = Folder::new();
    let source = "enum wide { WIDE = 1l << 40 }; struct s { float f; enum wide w; }; struct s x;";
    compile(folder.path(), "k", source, &[]);
    compile(folder.path(), "m", &format!("{source} struct own {{ struct s s; double d; }} y;"), &[]);
    let own_types = |kernel_args: &[&str], module_args: &[&str]| {
        encode(folder.path(), kernel_args.iter().chain(&["--btf_encode_detached", "base", "k.o"]));
        let said = encode(
            folder.path(),
            module_args.iter().chain(&["-v", "--btf_base", "base", "--btf_encode_detached", "out", "m.o"]),
        );
        let (base, out) = (folder.read("base"), folder.read("out"));
        let base = BtfView::parse(&base).expect("it is BTF");
        (said, text::lines(&BtfView::parse_split(&out, &base).expect("it is split BTF")))
    };
    let own = |double: &str| {
        let s = "STRUCT own size=24 { s: struct s @0; d: double @128 }";
        vec![s.to_owned(), "MEMBER own.d: double @128".into(), "MEMBER own.s: struct s @0".into(), double.to_owned()]
    };
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines.reverse();
        lines
    };
    // An old base, and its kernel named: nothing but what is new.
    let (said, lines) = own_types(&["--target-kernel=5.12"], &["--target-kernel=5.12"]);
    assert!(said.contains("for Linux 5.12, left out: no DECL_TAG"), "{said}");
    assert_eq!(sorted(lines), sorted(own("INT double size=8 UNSIGNED")));
    // Without a name the dialect is that of the base all the same.
    assert_eq!(sorted(own_types(&["--target-kernel=5.12"], &[]).1), sorted(own("INT double size=8 UNSIGNED")));
    // A newer base than the kernel that was named.
    let (said, lines) = own_types(&[], &["--target-kernel=5.12"]);
    assert!(said.contains("for Linux 6.0, which the base says is the oldest one that it is for, left out: "), "{said}");
    assert_eq!(sorted(lines), sorted(own("FLOAT double size=8")));
}

#[test]
fn wrong_kernels() {
    let folder = Folder::with_samples();
    for (args, text) in [
        (&["--target-kernel=5.1", "vmlinux"][..], "Linux 5.1 has no BTF of its own"),
        (&["--target-kernel=new", "vmlinux"], "two numbers are wanted, as in 6.12"),
        (
            &["--target-kernel=6.10", "--distill_base", "--btf_base", "base", "driver.ko"],
            "6.11 is the first one that does",
        ),
    ] {
        let before = folder.listing();
        let run = btfgen(folder.path(), args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.err);
        assert!(run.err.contains(text), "{args:?}: {}", run.err);
        assert_eq!(folder.listing(), before);
    }
}
