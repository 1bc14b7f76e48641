//! Units that were split off: `.dwo` files and packages of them.

use std::fs;

use super::{Build, Result, Way};

const BOTH: &[&str] = &["4", "5"];
/// clang has no type units for C, and GNU's dwp loses units of DWARF 5.
pub const WAYS: &[Way] = &[
    Way { name: "split", compiler: "gcc", dwarf: BOTH, tools: &[], test: files },
    Way { name: "split", compiler: "clang", dwarf: BOTH, tools: &[], test: files },
    Way { name: "split_into_objects", compiler: "clang", dwarf: BOTH, tools: &[], test: into_objects },
    Way { name: "split_compressed", compiler: "gcc", dwarf: BOTH, tools: &[], test: compressed },
    Way { name: "split_ranges", compiler: "gcc", dwarf: BOTH, tools: &[], test: ranges },
    Way { name: "split_ranges", compiler: "clang", dwarf: BOTH, tools: &[], test: ranges },
    Way { name: "split_package", compiler: "gcc", dwarf: BOTH, tools: &["llvm-dwp"], test: package_by_llvm },
    Way { name: "split_package", compiler: "clang", dwarf: BOTH, tools: &["llvm-dwp"], test: package_by_llvm },
    Way { name: "split_package_by_gnu", compiler: "gcc", dwarf: &["4"], tools: &["dwp"], test: package_by_gnu },
    Way { name: "split_types", compiler: "gcc", dwarf: BOTH, tools: &[], test: type_units },
    Way { name: "split_types_package", compiler: "gcc", dwarf: BOTH, tools: &["llvm-dwp"], test: type_units_package },
    Way { name: "split_lto", compiler: "clang", dwarf: BOTH, tools: &["ld.lld"], test: lto },
    Way { name: "split_damaged", compiler: "gcc", dwarf: BOTH, tools: &["llvm-dwp"], test: damaged },
    Way { name: "split_damaged", compiler: "clang", dwarf: BOTH, tools: &["llvm-dwp"], test: damaged },
];

const FILES: [&str; 2] = ["split1.dwo", "split2.dwo"];

/// Builds the program as `split` and, relocatable, as `split.ko`.
fn build(b: &Build, flags: &[&str]) -> Result<()> {
    let flags = [&["-gsplit-dwarf"], flags].concat();
    b.compile("one", "split1", &flags)?;
    b.compile("two", "split2", &flags)?;
    b.link("split", &["split1.o", "split2.o"])?;
    b.run("ld", &["-r", "--build-id", "-o", "split.ko", "split1.o", "split2.o"])?;
    b.mentions("split", "dwo_name")
}

/// The same bytes as of the plain build.
fn same_bytes(b: &Build) -> Result<()> {
    b.same_bytes("plain", "split")?;
    b.same_bytes("plain.ko", "split.ko")
}

fn hide(b: &Build) -> Result<()> {
    FILES.iter().try_for_each(|file| {
        b.copy(file, &format!("hidden/{file}"))?;
        b.remove(file)
    })
}

fn files(b: &Build) -> Result<()> {
    build(b, &[])?;
    same_bytes(b)?;
    // Elsewhere, they are where they were made, or with the file.
    b.copy("split", "below/split")?;
    b.same_bytes("plain", "below/split")?;
    hide(b)?;
    let folder = b.path().canonicalize().map_err(|e| e.to_string())?;
    let text = format!(
        "unit split1.dwo: its DWARF was split off into split1.dwo, which was not found; looked for it at below/split.dwp, \
         {0}/split1.dwo, below/split1.dwo: build again",
        folder.display()
    );
    b.fails("below/split", 4, &text)?;
    FILES.iter().try_for_each(|file| b.copy(&format!("hidden/{file}"), &format!("below/{file}")))?;
    b.same_bytes("plain", "below/split")?;
    // Those of another build, and no such files at all.
    b.copy("below/split2.dwo", "below/split1.dwo")?;
    b.fails("below/split", 4, "below/split1.dwo (it has no unit 0x")?;
    b.copy("split", "below/split1.dwo")?;
    b.fails("below/split", 4, "below/split1.dwo (it has no unit 0x")?;
    fs::write(b.path().join("below/split1.dwo"), "none").map_err(|e| e.to_string())?;
    b.fails("below/split", 4, "below/split1.dwo (this is not an ELF file)")?;
    b.remove("below/split1.dwo")?;
    b.run("mkfifo", &["below/split1.dwo"])?;
    b.fails("below/split", 4, "below/split1.dwo: build again")?;
    // With a file that the DWARF itself was split off from: what is left of it names them.
    b.copy("split.ko", "apart/split.ko")?;
    fs::create_dir_all(b.path().join("apart/.debug")).map_err(|e| e.to_string())?;
    b.run("objcopy", &["--only-keep-debug", "apart/split.ko", "apart/.debug/split.debug"])?;
    b.run("objcopy", &["--strip-debug", "--add-gnu-debuglink=apart/.debug/split.debug", "apart/split.ko"])?;
    b.fails("apart/split.ko", 4, "apart/.debug/split1.dwo")?;
    FILES.iter().try_for_each(|file| b.copy(&format!("hidden/{file}"), &format!("apart/{file}")))?;
    b.same_bytes("plain.ko", "apart/split.ko")
}

/// The sections of a `.dwo` file can stay in the object file.
fn into_objects(b: &Build) -> Result<()> {
    build(b, &["-gsplit-dwarf=single"])?;
    b.has_no("split1.dwo")?;
    same_bytes(b)?;
    b.same_bytes("one.o", "split1.o")
}

fn compressed(b: &Build) -> Result<()> {
    build(b, &[])?;
    FILES.iter().try_for_each(|file| b.run("objcopy", &["--compress-debug-sections=zlib", file]))?;
    same_bytes(b)
}

/// Functions in sections of their own, and in pieces, have ranges.
fn ranges(b: &Build) -> Result<()> {
    let flags = ["-O2", "-ffunction-sections"];
    b.compile("one", "one", &flags)?;
    b.compile("two", "two", &flags)?;
    b.link("plain", &["one.o", "two.o"])?;
    b.run("ld", &["-r", "--build-id", "-o", "plain.ko", "one.o", "two.o"])?;
    build(b, &flags)?;
    same_bytes(b)
}

/// A package of the files, which are gone then.
fn package(b: &Build, tool: &str) -> Result<()> {
    b.run(tool, &["-o", "split.dwp", FILES[0], FILES[1]])?;
    b.copy("split.dwp", "split.ko.dwp")?;
    hide(b)
}

fn package_by_llvm(b: &Build) -> Result<()> {
    build(b, &[])?;
    package(b, "llvm-dwp")?;
    same_bytes(b)?;
    // One of another build: the files count.
    b.run("llvm-dwp", &["-o", "split.dwp", "hidden/split1.dwo"])?;
    b.fails("split", 4, "split.dwp (it has no unit 0x")?;
    b.copy("hidden/split2.dwo", "split2.dwo")?;
    b.same_bytes("plain", "split")?;
    // One that is none matters only if it is needed.
    fs::write(b.path().join("split.dwp"), "none").map_err(|e| e.to_string())?;
    b.fails("split", 4, "split.dwp (this is not an ELF file)")?;
    b.copy("hidden/split1.dwo", "split1.dwo")?;
    b.same_bytes("plain", "split")?;
    b.copy("split.dwp", "plain.dwp")?;
    b.same_bytes("split", "plain")
}

fn package_by_gnu(b: &Build) -> Result<()> {
    build(b, &[])?;
    package(b, "dwp")?;
    same_bytes(b)
}

fn build_type_units(b: &Build) -> Result<()> {
    build(b, &["-fdebug-types-section"])?;
    b.mentions("split1.dwo", if b.dwarf == "4" { "Signature:" } else { "DW_UT_split_type" })
}

/// Types without a name are numbered in another order.
fn same(b: &Build) -> Result<()> {
    b.same("plain", "split")?;
    b.same("plain.ko", "split.ko")
}

fn type_units(b: &Build) -> Result<()> {
    build_type_units(b)?;
    same(b)
}

fn type_units_package(b: &Build) -> Result<()> {
    build_type_units(b)?;
    package(b, "llvm-dwp")?;
    same(b)
}

/// The units of a program that was optimised as a whole go into one file.
fn lto(b: &Build) -> Result<()> {
    let link = ["-fuse-ld=lld", "-Wl,--plugin-opt=dwo_dir=dwo"];
    b.optimise_at_link_time("lto", &["-flto=full", "-gsplit-dwarf"], &link)?;
    b.mentions("lto", "dwo_name")?;
    b.same_but_inlining("plain", "lto")
}

/// How many places of a file are damaged, one at a time.
const PLACES: usize = 150;

/// Whatever is wrong with them: a documented exit code, and no output.
fn damaged(b: &Build) -> Result<()> {
    build(b, &[])?;
    let whole = b.btf("split")?;
    for (file, is_package) in [("split1.dwo", false), ("split.dwp", true)] {
        if is_package {
            package(b, "llvm-dwp")?;
        }
        let path = b.path().join(file);
        let bytes = fs::read(&path).map_err(|e| e.to_string())?;
        let mut failed = 0;
        for place in 0..PLACES {
            let at = place * bytes.len() / PLACES;
            for damage in 0..3 {
                let mut damaged = bytes.clone();
                match damage {
                    0 => damaged.truncate(at),
                    1 => damaged[at] ^= 0x81,
                    _ => damaged[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                }
                fs::write(&path, &damaged).map_err(|e| e.to_string())?;
                match b.btf("split") {
                    Ok(_) => {}
                    Err(e) if ["exit code 3:", "exit code 4:", "exit code 6:"].iter().any(|code| e.contains(code)) => {
                        failed += 1;
                        if e.lines().count() != 1 || !e.contains(file) {
                            return Err(format!("{file}, damage {damage} at {at:#x}: {e}"));
                        }
                    }
                    Err(e) => return Err(format!("{file}, damage {damage} at {at:#x}: {e}")),
                }
            }
        }
        // Otherwise it was not read at all.
        if failed < PLACES {
            return Err(format!("{file}: only {failed} damaged files were refused"));
        }
        fs::write(&path, &bytes).map_err(|e| e.to_string())?;
        if b.btf("split")? != whole {
            return Err(format!("{file}: restored, the result is another one"));
        }
    }
    Ok(())
}
