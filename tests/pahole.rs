//! btfgen in the place of pahole, called as the kernel's build calls it.

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use btf::verify::{self, KernelVersion, Level};
use btf::view::BtfView;

use support::folder::Folder;
use support::ids::{Module, SETS};
use support::{Run, btfgen, btfgen_command, encode, must, root, section, text, works};

const KERNEL_LIST: &str =
    "--btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func";

fn pahole(folder: &Folder, words: &str) -> Run {
    btfgen(folder.path(), ["--pahole"].into_iter().chain(words.split_whitespace()))
}

#[track_caller]
fn quiet(folder: &Folder, words: &str) {
    let run = pahole(folder, words);
    assert_eq!((run.code, run.err.as_str(), run.out), (0, "", Vec::new()), "{words}");
}

/// K01: the version as a script of the build finds it, whatever the shell and the way to name the program.
#[test]
fn the_version_in_scripts() {
    let folder = Folder::new();
    let program = env!("CARGO_BIN_EXE_btfgen");
    symlink(program, folder.file("pahole")).expect("link is made");
    let script = r#"test -x "$(command -v "$@")" || { echo none; exit 1; }; "$@" --version | sed 's/v\([0-9]*\)\.\([0-9]*\)/\1\2/'"#;
    let here = folder.path().display();
    for shell in ["dash", "bash"].into_iter().filter(|shell| works(shell, &["-c", ":"])) {
        for name in ["pahole", &format!("{here}/pahole"), &format!("{program} --pahole")] {
            for (claimed, number) in [(None, "132\n"), (Some("1.31"), "131\n")] {
                let mut command = Command::new(shell);
                let path = format!("{here}:{}", std::env::var("PATH").expect("there is one"));
                command.args(["-c", script, shell]).args(name.split(' ')).env("PATH", path);
                claimed.map(|version| command.env("BTFGEN_PAHOLE_VERSION", version));
                let run = Run::from(command.output().expect("it starts"));
                assert_eq!(
                    (run.code, String::from_utf8_lossy(&run.out)),
                    (0, number.into()),
                    "{shell} {name}: {run:?}"
                );
            }
        }
    }
    assert_eq!(pahole(&folder, "--pahole_version=1.30 --numeric_version").out, b"130\n");
    assert_eq!(pahole(&folder, "--pahole_version=2.0 --version").code, 1);
}

/// K02: what each tree passes.
#[test]
fn flags_of_all_trees() {
    let folder = Folder::with_samples();
    let flags = [
        "".to_owned(),
        "--skip_encoding_btf_vars".into(),
        "--btf_gen_floats -j --skip_encoding_btf_enum64 --lang_exclude=rust".into(),
        "--btf_gen_floats -j --lang_exclude=rust --skip_encoding_btf_inconsistent_proto --btf_gen_optimized".into(),
        format!("-j {KERNEL_LIST},decl_tag_kfuncs -j --lang_exclude=rust --lang_exclude=rust"),
        format!("-j {KERNEL_LIST},decl_tag_kfuncs,attributes -j --btf_features=+reproducible_build"),
        format!("-j4 {KERNEL_LIST} --btf_features=layout -j4 --btf_features=+reproducible_build --lang_exclude=rust"),
    ];
    for flags in flags {
        quiet(&folder, &format!("-J {flags} sample.o"));
        quiet(&folder, &format!("-J {flags} --btf_base base driver.ko"));
        quiet(&folder, &format!("-J {flags} --btf_base base --btf_encode_detached=driver.ko.BTF.1 driver.ko"));
    }
    let before = folder.read("sample.o");
    quiet(&folder, "-J --btf_features=var,nonsense --btf_encode_detached=o sample.o");
    for wrong in ["-J --btf_features_strict=nonsense sample.o", "sample.o", "-J --nonsense sample.o", "-J missing.o"] {
        let run = pahole(&folder, wrong);
        assert!(run.code == 1 && !run.err.is_empty() && run.out.is_empty(), "{wrong}: {run:?}");
    }
    assert_eq!(folder.read("sample.o"), before);
}

/// K03: no DWARF, or nothing in it.
#[test]
fn nothing_to_encode() {
    let folder = Folder::with_samples();
    let base = section(&folder.file("base"), ".BTF").expect("it has BTF");
    let base = BtfView::parse(&base).expect("it is BTF");
    for (debug, code) in [("-g0", 0), ("-g", 0)] {
        folder.write("e.c", b"");
        must(folder.path(), "gcc", ["-c", debug, "-o", "e.ko", "e.c"]);
        let run = pahole(&folder, "-J --btf_base base --btf_encode_detached=e.BTF.1 e.ko");
        assert_eq!(run.code, code, "{}", run.err);
        let bytes = folder.read("e.BTF.1");
        assert_eq!(BtfView::parse_split(&bytes, &base).expect("it is BTF").type_count(), 0);
        assert_eq!(pahole(&folder, "-J --btf_base base e.ko").code, 0);
        assert_eq!(section(&folder.file("e.ko"), ".BTF"), Some(bytes));
    }
    must(folder.path(), "gcc", ["-c", "-g0", "-o", "e.ko", "e.c"]);
    assert_eq!(pahole(&folder, "-J e.ko").code, 1, "a kernel without DWARF is no kernel with BTF");
}

/// K04: what was there is replaced, and its base goes.
#[test]
fn stale_sections() {
    let folder = Folder::with_samples();
    folder.write("clean.ko", &folder.read("driver.ko"));
    folder.write("old", &[7; 5000]);
    must(folder.path(), "objcopy", ["--add-section", ".BTF=old", "--add-section", ".BTF.base=old", "driver.ko"]);
    for file in ["clean.ko", "driver.ko"] {
        quiet(&folder, &format!("-J {KERNEL_LIST} --btf_base base {file}"));
    }
    assert_eq!(section(&folder.file("driver.ko"), ".BTF"), section(&folder.file("clean.ko"), ".BTF"));
    let names = String::from_utf8(must(folder.path(), "readelf", ["-SW", "driver.ko"]).out).expect("ASCII");
    assert!(names.matches(" .BTF ").count() == 1 && !names.contains(".BTF.base"), "{names}");
}

/// K20, and that a kernel's flags mean what btfgen does by itself.
#[test]
fn the_same_bytes() {
    let folder = Folder::with_samples();
    encode(folder.path(), ["--btf_base", "base", "--btf_encode_detached", "own", "driver.ko"]);
    for jobs in ["-j", "-j1", "-j4", "-j16"] {
        let list = format!("-J {jobs} {KERNEL_LIST} --btf_features=+reproducible_build");
        quiet(&folder, &format!("{list} --btf_base base --btf_encode_detached=out driver.ko"));
        assert_eq!(folder.read("out"), folder.read("own"), "{jobs}");
    }
}

/// The lists of pahole, by both names of the program. What each feature does is in tests/cases and tests/target.rs.
#[test]
fn lists_of_features() {
    let folder = Folder::with_samples();
    let known = "encode_force,var,float,decl_tag,type_tag,enum64,optimized_func,consistent_func,decl_tag_kfuncs,reproducible_build,\
                 distilled_base,global_var,attributes,true_signature,layout,force_cu_merging";
    for program in ["--pahole -J", ""] {
        let run = |words: &str| btfgen(folder.path(), program.split_whitespace().chain(words.split_whitespace()));
        assert_eq!(String::from_utf8_lossy(&run("--supported_btf_features").out), format!("{known}\n"));
        let encode = |flags: &str| {
            let run = run(&format!("{flags} --btf_encode_detached=out vmlinux"));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{flags}");
            folder.read("out")
        };
        let usual = encode("--btf_features=default");
        for same in
            ["--btf_features=+", "--features=+force_cu_merging", "--skip_encoding_btf_vars --btf_features=default"]
        {
            assert!(encode(same) == usual, "{same}");
        }
        for other in ["--btf_features_strict=all", "--btf_features=default --skip_encoding_btf_vars"] {
            assert!(encode(other) != usual, "{other}");
        }
        assert!(encode("--btf_gen_all") == encode("--btf_features=all"));
        let strict = run("--btf_features_strict=var,nonsense --btf_encode_detached=out vmlinux");
        assert_eq!(strict.code, if program.is_empty() { 2 } else { 1 });
        assert!(strict.err.contains("`nonsense` is not known; known are encode_force,var"), "{}", strict.err);
    }
}

/// K24: a BTF with a layout section, as Linux 7.3 asks of vmlinux, is a base like any other.
#[test]
fn a_base_with_layout() {
    let folder = Folder::with_samples();
    folder.write("laid.out", &folder.read("vmlinux"));
    quiet(&folder, &format!("-J {KERNEL_LIST} --btf_features=layout vmlinux"));
    quiet(&folder, &format!("-J {KERNEL_LIST} laid.out"));
    let [with, without] =
        ["vmlinux", "laid.out"].map(|name| section(&folder.file(name), ".BTF").expect("it was encoded"));
    // A longer header, 20 kinds of 4 bytes, and nothing else.
    assert_eq!(with.len(), without.len() + 8 + 80);
    let (view, plain) = (BtfView::parse(&with).expect("BTF"), BtfView::parse(&without).expect("BTF"));
    assert_eq!(text::lines(&view), text::lines(&plain));
    let layout = &with[view.header().layout().expect("it has one")];
    assert_eq!(layout[..8], [0, 0, 0, 0, 4, 0, 0, 0], "nothing, INT");
    assert_eq!(layout[3 * 4..5 * 4], [12, 0, 0, 0, 0, 12, 0, 0], "ARRAY, STRUCT");
    assert_eq!(layout[19 * 4..], [0, 12, 0, 0], "ENUM64");
    let findings = |kernel| {
        let options = verify::Options { level: Level::User, kernel, ..Default::default() };
        verify::verify(&view, &options).first().map(|f| f.rule)
    };
    assert_eq!((findings(KernelVersion(7, 3)), findings(KernelVersion(6, 12))), (None, Some("H3")));
    // Modules on either are the same, and have none themselves.
    for (base, out) in [("vmlinux", "one"), ("laid.out", "other")] {
        quiet(&folder, &format!("-J {KERNEL_LIST},layout --btf_base {base} --btf_encode_detached={out} driver.ko"));
    }
    assert!(folder.read("one") == folder.read("other") && folder.read("one")[4] == 24);
    // resolve_btfids takes the BTF apart and keeps it.
    folder.write("raw", &with);
    encode(folder.path(), ["resolve_btfids", "--btf", "raw", "vmlinux"]);
    let bytes = folder.read("vmlinux.BTF");
    assert!(BtfView::parse(&bytes).expect("BTF").header().layout().is_some());
}

/// The feature `attributes` (Linux 6.15 to 6.18): pointers of kfuncs into an arena are marked, their other arguments stay.
#[test]
fn attributes_of_kfuncs() {
    let lines = |flags: &str| {
        let module = Module::new(SETS);
        let words =
            ["--pahole", "-J", "--btf_base", "vmlinux"].into_iter().chain(flags.split_whitespace()).chain(["m.ko"]);
        assert_eq!(encode(module.path(), words), "");
        let bytes = section(&module.path().join("m.ko"), ".BTF").expect("it was encoded");
        let base = BtfView::parse(&module.base).expect("the base is BTF");
        text::lines(&BtfView::parse_split(&bytes, &base).expect("split BTF"))
    };
    let marked = |lines: &[String]| lines.iter().map(|l| l.matches("address_space(1)").count()).max().unwrap_or(0);
    let with = lines("--btf_features=default,attributes");
    let arena = with.iter().find(|l| l.starts_with("FUNC kf_arena(")).expect("it is there");
    assert_eq!(arena.matches("address_space(1)").count(), 3, "{arena}");
    let whole = "FUNC kf_implicit(a: int, aux: *const struct bpf_prog_aux, rest: int) -> int";
    assert!(with.iter().any(|l| text::matches(l, whole)), "{with:#?}");
    for without in [
        "--btf_features=default",
        "--btf_features=attributes",
        "--btf_features=default,attributes --target-kernel=6.14",
    ] {
        assert_eq!(marked(&lines(without)), 0, "{without}");
    }
}

/// Languages and names of units, and the other options that pahole has for encoding.
#[test]
fn other_options() {
    let folder = Folder::with_samples();
    let types = |flags: &str, variable: Option<&str>| {
        let words = ["--pahole", "-J", "--btf_encode_detached=out"]
            .into_iter()
            .chain(flags.split_whitespace())
            .chain(["sample.o"]);
        let mut command = btfgen_command(folder.path(), words);
        variable.map(|value| command.env("PAHOLE_LANG_EXCLUDE", value));
        let run = Run::from(command.output().expect("it starts"));
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{flags}");
        let bytes = folder.read("out");
        BtfView::parse(&bytes).map_or(0, |view| view.type_count())
    };
    let all = types("", None);
    assert!(all > 10);
    for (flags, variable, none) in [
        ("--lang=c11,C99", None, false),
        ("--lang=rust", None, true),
        ("--lang_exclude=c11", None, true),
        ("--lang=c11 --lang_exclude=rust", None, false),
        ("--lang_exclude=rust --lang=c++17", None, true),
        ("", Some("c11"), true),
        ("--lang_exclude=rust", Some("c11"), false),
        ("-X sample.c", None, true),
        ("-X ample", None, false),
        ("-F dwarf --hashbits 12 --btf_encode_force --reproducible_build --btf_gen_optimized", None, false),
    ] {
        assert_eq!(types(flags, variable), if none { 0 } else { all }, "{flags} {variable:?}");
    }
    for (wrong, text) in [
        ("--lang=klingon", "`klingon` is unknown"),
        ("-F btf", "which -F leaves out"),
        ("--encode_btf_global_vars", "unexpected"),
    ] {
        let run = pahole(&folder, &format!("-J {wrong} sample.o"));
        assert!(run.code == 1 && run.err.contains(text), "{wrong}: {}", run.err);
    }
    assert_eq!(pahole(&folder, "--devel_version").out, b"v1.32\n");
}

/// `make install` brings the names that Kbuild is given.
#[test]
fn installed_by_make() {
    let folder = Folder::with_samples();
    let at = folder.path();
    let binary = env!("CARGO_BIN_EXE_btfgen");
    let destination = format!("DESTDIR={}", at.join("image").display());
    // As `make` has it done.
    must(at, binary, ["generate", "share"]);
    let (binary, share) = (format!("BTFGEN={binary}"), format!("share={}", at.join("share").display()));
    // Twice: over what is there.
    for _ in 0..2 {
        must(&root(), "make", ["-s", "install", &destination, "PREFIX=/usr", &binary, &share]);
    }
    let bin = at.join("image/usr/bin");
    let program = |name: &str| bin.join(name).to_str().expect("UTF-8").to_owned();
    assert_eq!(must(at, &program("btfgen-pahole"), ["--version"]).out, b"v1.32\n");
    must(at, &program("btfgen-pahole"), ["-J", "--btf_base", "base", "driver.ko"]);
    must(at, &program("btfgen-resolve_btfids"), ["-b", "base", "driver.ko"]);
    must(at, &program("btfgen"), ["check", "--btf_base", "base", "driver.ko"]);
    // The image can be moved.
    for link in ["btfgen-pahole", "btfgen-resolve_btfids"] {
        assert_eq!(std::fs::read_link(bin.join(link)).expect("a link"), Path::new("btfgen"));
    }
    assert!(at.join("image/usr/share/doc/btfgen/README.md").exists());
}
