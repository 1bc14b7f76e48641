//! Where DWARF can be: in other units (link-time optimisation, dwz), in type units, in other files, compressed. One program,
//! `sources/one.c` and `two.c`, is built plainly and in each of these ways; the BTF must say the same, and where the compiler
//! wrote the same DWARF, be the same bytes.
//!
//! Each way, compiler and DWARF version is a test with its own name. Those whose tools are not installed are listed as
//! ignored, and say so.

#[path = "sources/damaged.rs"]
mod damaged;
#[path = "sources/split.rs"]
mod split;
mod support;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use btf::view::BtfView;
use libtest_mimic::{Arguments, Failed, Trial};

use support::{root, text, tool, works};

type Result<T, E = String> = std::result::Result<T, E>;

/// A way of building.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    compiler: &'static str,
    dwarf: &'static [&'static str],
    /// What has to be installed besides the compiler.
    tools: &'static [&'static str],
    test: fn(&Build) -> Result<()>,
}

const BOTH: &[&str] = &["4", "5"];

/// clang has no type units for C, and dwz 0.15 does not read its DWARF 5.
const WAYS: &[Way] = &[
    Way { name: "lto", compiler: "gcc", dwarf: BOTH, tools: &[], test: lto_gcc },
    Way { name: "lto_in_parts", compiler: "gcc", dwarf: BOTH, tools: &[], test: lto_gcc_in_parts },
    Way { name: "lto_relocatable", compiler: "gcc", dwarf: BOTH, tools: &[], test: lto_gcc_relocatable },
    Way { name: "lto_full", compiler: "clang", dwarf: BOTH, tools: &["ld.lld"], test: lto_clang_full },
    Way { name: "lto_thin", compiler: "clang", dwarf: BOTH, tools: &["ld.lld"], test: lto_clang_thin },
    Way { name: "type_units", compiler: "gcc", dwarf: BOTH, tools: &[], test: type_units },
    Way { name: "type_units_relocatable", compiler: "gcc", dwarf: BOTH, tools: &[], test: type_units_relocatable },
    Way { name: "dwz", compiler: "gcc", dwarf: BOTH, tools: &["dwz"], test: dwz },
    Way { name: "dwz", compiler: "clang", dwarf: &["4"], tools: &["dwz"], test: dwz },
    Way { name: "dwz_alternate", compiler: "gcc", dwarf: BOTH, tools: &["dwz"], test: dwz_alternate },
    Way { name: "dwz_alternate", compiler: "clang", dwarf: &["4"], tools: &["dwz"], test: dwz_alternate },
    Way { name: "dwz_supplementary", compiler: "gcc", dwarf: &["5"], tools: &["dwz"], test: dwz_supplementary },
    Way { name: "compressed", compiler: "gcc", dwarf: BOTH, tools: &[], test: compressed },
    Way { name: "many_sections", compiler: "gcc", dwarf: &["5"], tools: &[], test: many_sections },
    Way { name: "many_sections", compiler: "clang", dwarf: &["5"], tools: &[], test: many_sections },
    Way { name: "split_off", compiler: "gcc", dwarf: BOTH, tools: &[], test: split_off },
    Way { name: "split_off_module", compiler: "gcc", dwarf: BOTH, tools: &[], test: split_off_module },
];

/// A folder with the program, built plainly as `plain` and, relocatable, as `plain.ko`.
struct Build {
    folder: tempfile::TempDir,
    compiler: &'static str,
    dwarf: &'static str,
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let (mut trials, mut not_installed) = (damaged::trials(), 0);
    for way in WAYS.iter().chain(split::WAYS) {
        for dwarf in way.dwarf {
            let compiler = way.compiler;
            let missing = std::iter::once(&compiler).chain(way.tools).find(|tool| !works(tool, &["--version"]));
            not_installed += usize::from(missing.is_some());
            let mut name = format!("{}::{compiler}::dwarf{dwarf}", way.name);
            if let Some(missing) = missing {
                name += &format!(" (not installed: {missing})");
            }
            let run = move || {
                let build = Build::new(compiler, dwarf)?;
                (way.test)(&build).map_err(Failed::from)
            };
            trials.push(Trial::test(name, run).with_ignored_flag(missing.is_some()));
        }
    }
    if not_installed > 0 && !args.list {
        eprintln!("{not_installed} tests are ignored, since what they need is not installed");
    }
    libtest_mimic::run(&args, trials).exit_code()
}

impl Build {
    fn new(compiler: &'static str, dwarf: &'static str) -> Result<Build> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let build = Build { folder, compiler, dwarf };
        for unit in ["one", "two"] {
            build.compile(unit, unit, &[])?;
        }
        build.link("plain", &["one.o", "two.o"])?;
        build.run("ld", &["-r", "--build-id", "-o", "plain.ko", "one.o", "two.o"])?;
        // So that no test compares nothing with nothing.
        let lines = build.lines("plain")?;
        let expected = [
            "STRUCT known_by_variable size=48",
            "STRUCT conflict size=4 ",
            "STRUCT conflict size=16 ",
            "FUNC take(item: *struct item, w: word) -> int",
            "FUNC local(item: *struct item, c: *struct conflict) -> int",
            "FUNC entry(later: *struct later, w: word, ...) -> int",
            "VAR per_cpu_item: struct item",
            "VAR per_cpu_later: *struct later",
        ];
        match expected.iter().find(|e| !lines.iter().any(|l| l.starts_with(**e))) {
            None => Ok(build),
            Some(missing) => Err(format!("the plain build lacks `{missing}`:\n{}", lines.join("\n"))),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        tool(self.path(), program, args).map(|_| ())
    }

    fn compile(&self, unit: &str, object: &str, flags: &[&str]) -> Result<()> {
        let source = root().join(format!("tests/sources/{unit}.c"));
        let source = source.to_str().ok_or("path is not UTF-8")?;
        let dwarf = format!("-gdwarf-{}", self.dwarf);
        let object = format!("{object}.o");
        let mut args = vec!["-g", &dwarf, "-O1", "-std=gnu11", "-ffreestanding", "-fno-pie", "-w", "-c", "-o", &object];
        args.extend(["-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"]);
        args.extend(flags);
        args.push(source);
        self.run(self.compiler, &args)
    }

    fn script() -> Result<String> {
        let script = root().join("tests/cases/kernel.lds");
        script.to_str().map(String::from).ok_or("path is not UTF-8".into())
    }

    fn link(&self, out: &str, objects: &[&str]) -> Result<()> {
        let script = Build::script()?;
        self.run("ld", &[&["-T", &script, "-e", "entry", "-o", out], objects].concat())
    }

    /// Compiles both units with flags, and has the compiler link them.
    fn optimise_at_link_time(&self, out: &str, compile: &[&str], link: &[&str]) -> Result<()> {
        let script = Build::script()?;
        self.compile("one", "lto1", compile)?;
        self.compile("two", "lto2", compile)?;
        let mut args = vec!["-g", "-O1", "-nostdlib", "-o", out];
        if !link.contains(&"-r") {
            args.extend(["-no-pie", "-Wl,-e,entry", "-Wl,-T", &script]);
        }
        args.extend(compile);
        args.extend(link);
        args.extend(["lto1.o", "lto2.o"]);
        self.run(self.compiler, &args)
    }

    /// The BTF of a file; with another root for what is looked for.
    fn btf(&self, file: &str) -> Result<Vec<u8>> {
        let args = ["--no-base", "--btf_encode_detached", "out.btf", file];
        let mut command = support::btfgen_command(self.path(), args);
        let run: support::Run =
            command.env("BTFGEN_ROOT", self.path().join("root")).output().map_err(|e| e.to_string())?.into();
        if run.code != 0 {
            return Err(format!("{file}: exit code {}: {}", run.code, run.err));
        }
        let out = self.path().join("out.btf");
        let bytes = fs::read(&out).map_err(|e| e.to_string())?;
        fs::remove_file(out).map_err(|e| e.to_string())?;
        Ok(bytes)
    }

    /// btfgen must fail on a file, with an exit code and a message, and write nothing.
    fn fails(&self, file: &str, code: i32, text: &str) -> Result<()> {
        match self.btf(file) {
            Ok(_) => Err(format!("{file} was encoded; expected was: {text}")),
            Err(e) if e.contains(&format!("exit code {code}:")) && e.contains(text) => Ok(()),
            Err(e) => Err(format!("expected was exit code {code} and `{text}`: {e}")),
        }
    }

    /// A file must not be there.
    fn has_no(&self, file: &str) -> Result<()> {
        if self.path().join(file).exists() { Err(format!("{file} was made")) } else { Ok(()) }
    }

    /// All that the BTF of a file says, in an order that does not depend on ids; of a data section each variable's size, since
    /// where it is put is up to the linker.
    fn lines(&self, file: &str) -> Result<Vec<String>> {
        let bytes = self.btf(file)?;
        let mut lines = Vec::new();
        for line in text::lines(&BtfView::parse(&bytes).map_err(|e| e.to_string())?) {
            match line.strip_prefix("DATASEC").and_then(|_| line.split_once('{')) {
                None => lines.push(line),
                Some((_, entries)) => lines.extend(entries.trim_end_matches([' ', '}']).split(';').map(|entry| {
                    let words: Vec<&str> = entry.split_whitespace().filter(|word| !word.starts_with('@')).collect();
                    format!("in the data section: {}", words.join(" "))
                })),
            }
        }
        lines.sort();
        Ok(lines)
    }

    /// Both files' BTF says the same.
    fn same_btf(&self, plain: &str, other: &str) -> Result<()> {
        let (expected, found) = (self.lines(plain)?, self.lines(other)?);
        if expected == found {
            return Ok(());
        }
        let only = |a: &[String], b: &[String]| {
            a.iter().filter(|l| !b.contains(l)).map(|l| format!("\n  {l}")).collect::<String>()
        };
        let (missing, extra) = (only(&expected, &found), only(&found, &expected));
        let counts = format!("{} and {} lines", expected.len(), found.len());
        Err(format!("{other} is not as {plain}: {counts}; missing:{missing}\nextra:{extra}"))
    }

    /// What `btfgen why-not` says of a function.
    fn why(&self, function: &str, file: &str) -> Result<String> {
        let mut command = support::btfgen_command(self.path(), ["why-not", function, file]);
        let run: support::Run =
            command.env("BTFGEN_ROOT", self.path().join("root")).output().map_err(|e| e.to_string())?.into();
        match (run.code, run.err.as_str()) {
            (0, "") => String::from_utf8(run.out).map_err(|e| e.to_string()),
            _ => Err(format!("why-not {function} {file}: exit code {}: {}", run.code, run.err)),
        }
    }

    /// Both files' BTF says the same, and so does what explains it.
    fn same(&self, plain: &str, other: &str) -> Result<()> {
        self.same_btf(plain, other)?;
        for function in ["local", "take", "helper", "give", "entry", "variable"] {
            let (expected, found) = (self.why(function, plain)?, self.why(function, other)?);
            // What is in an alternate file comes last.
            let sorted = |text: &str| text.lines().map(String::from).collect::<std::collections::BTreeSet<_>>();
            if sorted(&expected) != sorted(&found) {
                return Err(format!("why-not says of {plain}:\n{expected}and of {other}:\n{found}"));
            }
        }
        Ok(())
    }

    /// The same after an optimisation that may do otherwise with functions: what is known from the source is said of them.
    fn same_but_inlining(&self, plain: &str, other: &str) -> Result<()> {
        self.same_btf(plain, other)?;
        let expected = [
            ("local", "one.c:10: int local(struct item *item, struct conflict *c): code at .text+0x"),
            ("take", "one.c:11: int take(struct item *item, word w): code at .text+0x"),
            ("helper", "shared.h:25: int helper(const struct item *item, int n): inlined "),
            ("entry", "two.c:8: int entry(struct later *later, word w, ...): code at .text+0x"),
        ];
        for (function, line) in expected {
            let found = self.why(function, other)?;
            if !found.contains(line) {
                return Err(format!("why-not does not say of {other} `{line}`:\n{found}"));
            }
        }
        Ok(())
    }

    /// Both files' BTF are the same bytes.
    fn same_bytes(&self, plain: &str, other: &str) -> Result<()> {
        self.same(plain, other)?;
        if self.btf(plain)? == self.btf(other)? { Ok(()) } else { Err(format!("{other} has other bytes than {plain}")) }
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        let to = self.path().join(to);
        fs::create_dir_all(to.parent().unwrap_or(Path::new("/"))).map_err(|e| e.to_string())?;
        fs::copy(self.path().join(from), to).map(|_| ()).map_err(|e| e.to_string())
    }

    fn remove(&self, file: &str) -> Result<()> {
        fs::remove_file(self.path().join(file)).map_err(|e| e.to_string())
    }

    /// True if the DWARF of a file mentions something, as readelf shows it: otherwise a test would not test what it says.
    fn mentions(&self, file: &str, what: &str) -> Result<()> {
        let run = tool(self.path(), "readelf", ["-wi", "-SW", file])?;
        match String::from_utf8_lossy(&run.out).contains(what) {
            true => Ok(()),
            false => Err(format!("{file} was not built as meant: there is no {what} in its DWARF")),
        }
    }
}

fn lto_gcc(b: &Build) -> Result<()> {
    b.optimise_at_link_time("lto", &["-flto"], &["-flto-partition=one"])?;
    b.mentions("lto", "GNU GIMPLE")?;
    b.same_but_inlining("plain", "lto")
}

/// One unit of machine code per function, as many as the linker can make.
fn lto_gcc_in_parts(b: &Build) -> Result<()> {
    b.optimise_at_link_time("lto", &["-flto"], &["-flto-partition=max"])?;
    b.mentions("lto", "GNU GIMPLE")?;
    b.same_but_inlining("plain", "lto")
}

fn lto_gcc_relocatable(b: &Build) -> Result<()> {
    b.optimise_at_link_time("lto.ko", &["-flto"], &["-r", "-flinker-output=nolto-rel"])?;
    b.mentions("lto.ko", "GNU GIMPLE")?;
    b.same_but_inlining("plain.ko", "lto.ko")
}

fn lto_clang_full(b: &Build) -> Result<()> {
    b.optimise_at_link_time("lto", &["-flto=full"], &["-fuse-ld=lld"])?;
    b.same_but_inlining("plain", "lto")
}

fn lto_clang_thin(b: &Build) -> Result<()> {
    b.optimise_at_link_time("lto", &["-flto=thin"], &["-fuse-ld=lld"])?;
    b.same_but_inlining("plain", "lto")
}

fn compile_type_units(b: &Build) -> Result<()> {
    b.compile("one", "types1", &["-fdebug-types-section"])?;
    b.compile("two", "types2", &["-fdebug-types-section"])
}

fn type_units(b: &Build) -> Result<()> {
    compile_type_units(b)?;
    b.link("types", &["types1.o", "types2.o"])?;
    b.mentions("types", "Signature:")?;
    b.same("plain", "types")
}

/// Each type unit is in a section of its own.
fn type_units_relocatable(b: &Build) -> Result<()> {
    compile_type_units(b)?;
    b.run("ld", &["-r", "-o", "types.ko", "types1.o", "types2.o"])?;
    b.mentions("types.ko", "Signature:")?;
    b.same("plain.ko", "types.ko")
}

fn dwz(b: &Build) -> Result<()> {
    b.run("dwz", &["-o", "small", "plain"])?;
    b.mentions("small", "DW_TAG_imported_unit")?;
    b.same("plain", "small")
}

fn dwz_alternate(b: &Build) -> Result<()> {
    alternate(b, &[], ".gnu_debugaltlink")
}

fn dwz_supplementary(b: &Build) -> Result<()> {
    alternate(b, &["--dwarf-5"], ".debug_sup")
}

/// What several files have in common goes into another one.
fn alternate(b: &Build, flags: &[&str], section: &str) -> Result<()> {
    for name in ["first", "second", "third"] {
        b.copy("plain", name)?;
    }
    b.run("dwz", &[flags, &["-m", "common", "first", "second", "third"]].concat())?;
    b.mentions("first", section)?;
    b.same("plain", "first")?;
    b.same("plain", "second")?;
    // From another folder: the name counts from the file's.
    b.copy("first", "below/first")?;
    b.fails("below/first", 4, "is in common, which was not found; looked for it at")?;
    b.copy("plain", "below/common")?;
    b.fails("below/first", 4, "below/common (it has no build id)")?;
    b.copy("common", "root/usr/lib/debug/.dwz/common")?;
    b.same("plain", "below/first")?;
    b.remove("root/usr/lib/debug/.dwz/common")?;
    b.copy("common", "below/common")?;
    b.same("plain", "below/first")?;
    // A file that names itself.
    b.copy("first", "itself/common")?;
    b.fails("itself/common", 4, "itself/common (it is the file itself)")
}

fn compressed(b: &Build) -> Result<()> {
    for file in ["plain", "plain.ko"] {
        for how in ["zlib", "zlib-gnu", "zstd"] {
            let flag = format!("--compress-debug-sections={how}");
            // binutils may be built without it.
            if how == "zstd" && b.run("objcopy", &[&flag, file, "packed"]).is_err() {
                support::skipped("objcopy does not know zstd");
                continue;
            }
            b.run("objcopy", &[&flag, file, "packed"])?;
            b.same_bytes(file, "packed")?;
        }
    }
    Ok(())
}

/// Functions in sections whose numbers 16 bits do not hold (gABI, SHN_XINDEX).
fn many_sections(b: &Build) -> Result<()> {
    b.compile("one", "few", &["-ffunction-sections"])?;
    let many = r#".macro many\n.section .many.\\@,\"a\"\n.byte 0\n.endm\n.rept 66000\nmany\n.endr\n.text\n"#;
    fs::write(b.path().join("many.h"), format!("asm(\"{many}\");\n")).map_err(|e| e.to_string())?;
    b.compile("one", "many", &["-ffunction-sections", "-include", "many.h"])?;
    b.mentions("many.o", ".many.65999")?;
    let expected = "FUNC take(item: *struct item, w: word) -> int";
    if !b.lines("many.o")?.iter().any(|line| line == expected) {
        return Err(format!("many.o lacks `{expected}`"));
    }
    b.same_btf("few.o", "many.o")?;
    // In place: nothing else of the file changes its meaning, and a linker takes it.
    let alone = b.btf("many.o")?;
    let symbols = || Ok::<_, String>(tool(b.path(), "nm", ["many.o"])?.out);
    let before = symbols()?;
    support::encode(b.path(), ["--no-base", "many.o"]);
    if support::section(&b.path().join("many.o"), ".BTF") != Some(alone) {
        return Err("many.o: the section is not what was encoded by itself".into());
    }
    if symbols()? != before {
        return Err("many.o: its symbols are others".into());
    }
    b.run("ld", &["-r", "-o", "linked.o", "many.o"])?;
    b.same_btf("few.o", "linked.o")
}

/// Splits the DWARF off a file, into `NAME.debug`.
fn split(b: &Build, file: &str) -> Result<()> {
    let debug = format!("{file}.debug");
    b.run("objcopy", &["--only-keep-debug", file, &debug])?;
    b.run("objcopy", &["--strip-debug", &format!("--add-gnu-debuglink={debug}"), file, "stripped"])
}

fn split_off(b: &Build) -> Result<()> {
    split(b, "plain")?;
    b.same_bytes("plain", "stripped")?;
    b.copy("plain.debug", ".debug/plain.debug")?;
    b.remove("plain.debug")?;
    b.same_bytes("plain", "stripped")?;
    b.remove(".debug/plain.debug")?;
    b.fails("stripped", 4, "no DWARF debug information (.debug_info)")?;
    b.fails("stripped", 4, "/.debug/plain.debug")?;
    // Another file of that name.
    b.copy("plain.ko", "plain.debug")?;
    b.fails("stripped", 4, "/plain.debug (it has another checksum than .gnu_debuglink says)")
}

fn split_off_module(b: &Build) -> Result<()> {
    split(b, "plain.ko")?;
    b.same_bytes("plain.ko", "stripped")?;
    let id = build_id(&b.path().join("plain.ko"))?;
    let (first, rest) = id.split_at(2);
    b.copy("plain.ko.debug", &format!("root/usr/lib/debug/.build-id/{first}/{rest}.debug"))?;
    b.remove("plain.ko.debug")?;
    b.same_bytes("plain.ko", "stripped")?;
    // On a base, in place: the file itself gets the BTF, and no DWARF.
    b.copy("plain", "vmlinux")?;
    for (files, name) in [(["plain.ko"], "whole.btf"), (["stripped"], "split.btf")] {
        let args = ["--btf_base", "vmlinux", "--btf_encode_detached", name];
        let encoded: Vec<&str> = args.into_iter().chain(files).collect();
        if !b.path().join("based").exists() {
            support::encode(b.path(), ["vmlinux"]);
            fs::write(b.path().join("based"), "").map_err(|e| e.to_string())?;
        }
        let run = support::btfgen_command(b.path(), &encoded).env("BTFGEN_ROOT", b.path().join("root")).output();
        let run: support::Run = run.map_err(|e| e.to_string())?.into();
        if run.code != 0 {
            return Err(run.err);
        }
    }
    let read = |name| fs::read(b.path().join(name)).map_err(|e| e.to_string());
    if read("whole.btf")? == read("split.btf")? { Ok(()) } else { Err("on a base, the bytes differ".into()) }
}

fn build_id(file: &Path) -> Result<String> {
    let note = support::section(file, ".note.gnu.build-id").ok_or("there is no build id")?;
    Ok(note[16..].iter().map(|byte| format!("{byte:02x}")).collect())
}
