//! The C cases: `cases/*.c`, one file per behaviour, each compiled in every way that it asks for, encoded by the btfgen
//! program, and compared with the expectations in its comments. cases/README.md describes those.
//!
//! Each file, compiler, DWARF version and optimisation is a test with its own name, as in
//! `bit_fields::gcc::dwarf5::O2`, or `bit_fields::gcc@s390x::dwarf5::O2` for another machine. Those of a compiler that is not
//! installed are listed as ignored, and say so.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};

use btf::view::BtfView;
use libtest_mimic::{Arguments, Failed, Trial};

use support::text;

const COMPILERS: [&str; 2] = ["gcc", "clang"];
const DWARF_VERSIONS: [&str; 2] = ["4", "5"];
const OPTIMISATIONS: [&str; 2] = ["-O0", "-O2"];
/// What is compiled for where a case names no units of its own: the whole file, once.
const WHOLE: &str = "WHOLE";

/// Flags that every case is compiled with: as a kernel is, as far as it matters here.
const COMMON_FLAGS: [&str; 5] = ["-ffreestanding", "-fno-pie", "-fno-common", "-fno-stack-protector", "-w"];

/// A machine that is not this one.
#[derive(Debug)]
struct Machine {
    name: &'static str,
    /// What the names of its tools begin with, and what clang calls it.
    triple: &'static str,
    /// Bits of an address.
    bits: &'static str,
    /// Every case is compiled for it that does not say otherwise.
    is_usual: bool,
}

const fn machine(name: &'static str, triple: &'static str, bits: &'static str, is_usual: bool) -> Machine {
    Machine { name, triple, bits, is_usual }
}

/// The machines that Linux knows, as far as compilers for them are likely to be installed.
static MACHINES: [Machine; 9] = [
    machine("arm64", "aarch64-linux-gnu", "64", true),
    machine("armhf", "arm-linux-gnueabihf", "32", true),
    machine("i386", "i686-linux-gnu", "32", false),
    machine("loongarch64", "loongarch64-linux-gnu", "64", false),
    machine("mips", "mips-linux-gnu", "32", false),
    machine("mips64el", "mips64el-linux-gnuabi64", "64", false),
    machine("ppc64el", "powerpc64le-linux-gnu", "64", false),
    machine("riscv64", "riscv64-linux-gnu", "64", true),
    machine("s390x", "s390x-linux-gnu", "64", true),
];
/// For a machine that the usual clang does not know: the first that does is taken.
const CLANGS: [&str; 3] = ["clang", "clang-19", "clang-16"];
/// Likewise where binutils has no linker for a machine.
const LINKERS: [&str; 3] = ["ld.lld", "ld.lld-19", "ld.lld-16"];
/// What this machine is called in restrictions.
const NATIVE: &str = "native";
const NATIVE_BITS: &str = if cfg!(target_pointer_width = "64") { "64" } else { "32" };

/// How the object that is encoded is made of the units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// One unit, as the compiler leaves it.
    Object,
    /// `ld -r`, as a module is.
    Relocatable,
    /// `ld` with `cases/kernel.lds`, as vmlinux is.
    Executable,
}

/// What a directive's `[gcc,O2]` restricts it to.
#[derive(Clone, Debug, Default)]
struct Only(Vec<String>);

/// What must be so.
#[derive(Clone, Debug)]
enum Check {
    /// A line of the result begins like this.
    Expect(String),
    /// None does.
    ExpectNot(String),
    /// So many do.
    Count(String, usize),
    /// The same of the base's BTF.
    Base(Box<Check>),
    /// Standard error has this.
    Stderr(String),
    /// It fails with this exit code and message.
    Fails(i32, String),
    /// Lines that begin like this may be there twice: the names in them are ambiguous.
    Twice(String),
}

#[derive(Clone, Debug)]
struct Expectation {
    line: usize,
    only: Only,
    check: Check,
}

/// A run of btfgen with its arguments and what is expected of it.
#[derive(Clone, Debug, Default)]
struct RunSpec {
    args: Vec<String>,
    expectations: Vec<Expectation>,
}

/// A case file.
#[derive(Clone, Debug)]
struct Case {
    path: PathBuf,
    compilers: Vec<String>,
    /// Machines besides this one.
    machines: Vec<&'static Machine>,
    dwarf: Vec<String>,
    optimisations: Vec<String>,
    flags: Vec<(Only, Vec<String>)>,
    units: Vec<String>,
    base_units: Vec<String>,
    link: Link,
    link_flags: Vec<String>,
    base_args: Vec<String>,
    objcopy: Vec<String>,
    runs: Vec<RunSpec>,
}

/// How a case is built.
#[derive(Clone, Debug)]
struct Variant {
    compiler: String,
    machine: Option<&'static Machine>,
    dwarf: String,
    optimisation: String,
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let folder = support::root().join("tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("entry is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    files.sort();
    let mut trials = Vec::new();
    let mut not_installed: Vec<String> = Vec::new();
    for file in files {
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("file names are UTF-8").to_owned();
        let case = match Case::read(&file) {
            Ok(case) => Arc::new(case),
            Err(error) => {
                trials.push(Trial::test(stem, move || Err(Failed::from(error))));
                continue;
            }
        };
        for variant in case.variants() {
            let machine = variant.machine.map_or_else(String::new, |machine| format!("@{}", machine.name));
            let name = format!(
                "{stem}::{}{machine}::dwarf{}::{}",
                variant.compiler,
                variant.dwarf,
                &variant.optimisation[1..]
            );
            let lacking = variant.lacking(case.link);
            let missing = lacking.is_some();
            let name = lacking.as_ref().map_or(name.clone(), |tool| format!("{name} (not installed: {tool})"));
            not_installed.extend(lacking);
            let case = Arc::clone(&case);
            trials
                .push(Trial::test(name, move || case.test(&variant).map_err(Failed::from)).with_ignored_flag(missing));
        }
    }
    if !not_installed.is_empty() && !args.list {
        let tools: BTreeSet<&String> = not_installed.iter().collect();
        let tools: Vec<&str> = tools.into_iter().map(String::as_str).collect();
        eprintln!("not installed: {}; {} cases are ignored", tools.join(", "), not_installed.len());
    }
    libtest_mimic::run(&args, trials).exit_code()
}

impl Variant {
    /// The compiler.
    fn command(&self) -> String {
        match self.machine {
            Some(machine) if self.compiler == "gcc" => machine.tool("gcc"),
            Some(_) => first_that(&CLANGS, |clang| compiles(clang, &self.target())),
            None => self.compiler.clone(),
        }
    }

    /// The linker: of binutils, or one that knows all machines.
    fn linker(&self) -> String {
        let of_binutils = self.tool("ld");
        if works(&of_binutils, &["--version"]) {
            return of_binutils;
        }
        first_that(&LINKERS, |linker| {
            // The clang that knows the machine is of the same LLVM.
            linker.strip_prefix("ld.lld") == self.command().strip_prefix("clang") && works(linker, &["--version"])
        })
    }

    /// The compiler's arguments for the machine.
    fn target(&self) -> Vec<String> {
        match self.machine {
            Some(machine) if self.compiler == "clang" => vec![format!("--target={}", machine.triple)],
            // x86 alone has these; a kernel is built without.
            None => vec!["-fcf-protection=none".into()],
            Some(_) => Vec::new(),
        }
    }

    /// A program of binutils.
    fn tool(&self, name: &str) -> String {
        self.machine.map_or_else(|| name.to_owned(), |machine| machine.tool(name))
    }

    /// What this needs and is not installed.
    fn lacking(&self, link: Link) -> Option<String> {
        let (compiler, target) = (self.command(), self.target());
        if !compiles(&compiler, &target) {
            return Some([compiler].into_iter().chain(target).collect::<Vec<_>>().join(" "));
        }
        let linker = self.linker();
        (link != Link::Object && !works(&linker, &["--version"])).then_some(linker)
    }
}

/// The first of some programs that is as wanted; without any, the first.
fn first_that(programs: &[&str], mut is_wanted: impl FnMut(&str) -> bool) -> String {
    programs.iter().find(|program| is_wanted(program)).unwrap_or(&programs[0]).to_string()
}

/// Whether a compiler takes these arguments and makes an object file.
fn compiles(compiler: &str, args: &[String]) -> bool {
    let args: Vec<&str> =
        args.iter().map(String::as_str).chain(["-c", "-x", "c", "-o", "/dev/null", "/dev/null"]).collect();
    works(compiler, &args)
}

/// Whether a program is there and has nothing against these arguments. Asked once.
fn works(program: &str, args: &[&str]) -> bool {
    static KNOWN: OnceLock<Mutex<BTreeMap<String, bool>>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(|e| e.into_inner());
    let call = [&[program], args].concat().join(" ");
    *known.entry(call).or_insert_with(|| support::works(program, args))
}

impl Machine {
    fn tool(&self, name: &str) -> String {
        format!("{}-{name}", self.triple)
    }
}

impl Only {
    /// `[gcc,O2]` at the start of a text, and what follows it.
    fn parse(text: &str) -> Result<(Only, &str), String> {
        let Some(rest) = text.strip_prefix('[') else { return Ok((Only::default(), text)) };
        let (words, rest) = rest.split_once(']').ok_or("a [ without a ]")?;
        let words: Vec<String> = words.split(',').map(|w| w.trim().to_owned()).collect();
        let mut known = vec!["gcc", "clang", "dwarf4", "dwarf5", "O0", "O1", "O2", "32", "64", NATIVE];
        known.extend(MACHINES.iter().map(|machine| machine.name));
        match words.iter().find(|w| !known.contains(&w.as_str())) {
            Some(word) => Err(format!("unknown restriction `{word}`: known are {}", known.join(", "))),
            None => Ok((Only(words), rest)),
        }
    }

    /// One of the words of each sort that is there.
    fn holds(&self, v: &Variant) -> bool {
        let dwarf = format!("dwarf{}", v.dwarf);
        let one_of = |sort: &[&str], own: &str| {
            let mut words = self.0.iter().filter(|w| sort.contains(&w.as_str())).peekable();
            words.peek().is_none() || words.any(|w| w == own)
        };
        let machines: Vec<&str> = [NATIVE].into_iter().chain(MACHINES.iter().map(|machine| machine.name)).collect();
        one_of(&COMPILERS, &v.compiler)
            && one_of(&["dwarf4", "dwarf5"], &dwarf)
            && one_of(&["O0", "O1", "O2"], &v.optimisation[1..])
            && one_of(&["32", "64"], v.machine.map_or(NATIVE_BITS, |machine| machine.bits))
            && one_of(&machines, v.machine.map_or(NATIVE, |machine| machine.name))
    }
}

impl Check {
    fn parse(word: &str, value: &str) -> Result<Option<Check>, String> {
        if value.is_empty() {
            return Err(format!("{word}: without a value"));
        }
        Ok(Some(match word {
            "expect" => Check::Expect(value.into()),
            "expect-not" => Check::ExpectNot(value.into()),
            "count" => {
                let (text, count) = value.rsplit_once(' ').ok_or("count: TEXT NUMBER")?;
                Check::Count(text.trim().into(), count.parse().map_err(|e| format!("count: {count}: {e}"))?)
            }
            "stderr" => Check::Stderr(value.into()),
            "twice" => Check::Twice(value.into()),
            "fails" => {
                let (code, text) = value.split_once(' ').ok_or("fails: EXIT-CODE MESSAGE")?;
                Check::Fails(code.parse().map_err(|e| format!("fails: {code}: {e}"))?, text.trim().into())
            }
            _ => match word.strip_prefix("base-").map(|rest| Check::parse(rest, value)) {
                Some(inner) => match inner? {
                    Some(check) => Check::Base(Box::new(check)),
                    None => return Ok(None),
                },
                None => return Ok(None),
            },
        }))
    }

    /// Why it does not hold for these lines.
    fn failure(&self, lines: &[String]) -> Option<String> {
        let matching = |text: &str| lines.iter().filter(|l| text::matches(l, text)).collect::<Vec<_>>();
        match self {
            Check::Expect(text) if matching(text).is_empty() => {
                let word = text.split([' ', '(', ':']).take(2).collect::<Vec<_>>().join(" ");
                let near: Vec<String> = matching(&word).into_iter().map(|l| format!("\n      have {l}")).collect();
                Some(format!("expected   {text}{}", near.concat()))
            }
            Check::ExpectNot(text) => matching(text).first().map(|l| format!("unexpected {l}")),
            Check::Count(text, count) => {
                let found = matching(text);
                let have: Vec<String> = found.iter().map(|l| format!("\n      have {l}")).collect();
                (found.len() != *count)
                    .then(|| format!("expected {count} of {text}, have {}{}", found.len(), have.concat()))
            }
            Check::Expect(_) | Check::Base(_) | Check::Stderr(_) | Check::Fails(..) | Check::Twice(_) => None,
        }
    }
}

impl Case {
    fn read(path: &Path) -> Result<Case, String> {
        let source = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut case = Case {
            path: path.to_owned(),
            compilers: COMPILERS.map(String::from).into(),
            machines: MACHINES.iter().filter(|machine| machine.is_usual).collect(),
            dwarf: DWARF_VERSIONS.map(String::from).into(),
            optimisations: OPTIMISATIONS.map(String::from).into(),
            flags: Vec::new(),
            units: vec![WHOLE.into()],
            base_units: Vec::new(),
            link: Link::Object,
            link_flags: Vec::new(),
            base_args: Vec::new(),
            objcopy: Vec::new(),
            runs: vec![RunSpec::default()],
        };
        for (number, line) in source.lines().enumerate() {
            let Some(comment) = line.trim().strip_prefix("// ") else { continue };
            case.directive(number + 1, comment.trim())
                .map_err(|e| format!("{}:{}: {e}", path.display(), number + 1))?;
        }
        case.runs.retain(|r| !r.expectations.is_empty());
        if case.runs.is_empty() {
            return Err(format!("{}: nothing is expected of it", path.display()));
        }
        Ok(case)
    }

    fn directive(&mut self, line: usize, comment: &str) -> Result<(), String> {
        // `word: value` or `word[only]: value`; all else is prose.
        let end = comment.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(comment.len());
        let (word, rest) = comment.split_at(end);
        let (only, rest) = if rest.starts_with('[') { Only::parse(rest)? } else { (Only::default(), rest) };
        let Some(value) = rest.strip_prefix(':') else { return Ok(()) };
        let value = value.trim();
        if matches!(word, "cc" | "machines" | "dwarf" | "opt") {
            return self.matrix(word, value);
        }
        let words = || value.split_whitespace().map(String::from).collect::<Vec<_>>();
        match word {
            "cflags" => self.flags.push((only, words())),
            "units" => self.units = words(),
            "base" => self.base_units = words(),
            "base-args" => self.base_args = words(),
            "ldflags" => self.link_flags = words(),
            "objcopy" => self.objcopy = words(),
            "link" => {
                self.link = match value {
                    "no" => Link::Object,
                    "rel" => Link::Relocatable,
                    "yes" => Link::Executable,
                    _ => return Err(format!("link: {value}: not one of no, rel, yes")),
                }
            }
            "args" => self.runs.push(RunSpec { args: words(), expectations: Vec::new() }),
            _ => match Check::parse(word, value)? {
                Some(check) => {
                    self.runs.last_mut().expect("there is one").expectations.push(Expectation { line, only, check });
                }
                None if matches!(word, "note" | "but" | "see") => {}
                None => return Err(format!("unknown directive `{word}:` (see tests/cases/README.md)")),
            },
        }
        Ok(())
    }

    /// In which ways the case is compiled. What leaves out usual ones has to say why, behind a dash.
    fn matrix(&mut self, word: &str, value: &str) -> Result<(), String> {
        let (value, reason) = value.split_once(" - ").map_or((value, None), |(value, reason)| (value, Some(reason)));
        let words: Vec<String> = value.split_whitespace().map(String::from).collect();
        let (field, usual): (_, &[&str]) = match word {
            "cc" => (&mut self.compilers, &COMPILERS),
            "dwarf" => (&mut self.dwarf, &DWARF_VERSIONS),
            "opt" => (&mut self.optimisations, &OPTIMISATIONS),
            _ => {
                let known = |word: &String| MACHINES.iter().find(|machine| machine.name == *word);
                self.machines = match words.as_slice() {
                    [word] if word == "all" => MACHINES.iter().collect(),
                    [word] if word == NATIVE => Vec::new(),
                    words => words
                        .iter()
                        .map(|word| known(word).ok_or(format!("machines: {word}: unknown")))
                        .collect::<Result<_, _>>()?,
                };
                let has = |machine: &Machine| self.machines.iter().any(|m| m.name == machine.name);
                let is_complete = MACHINES.iter().all(|machine| !machine.is_usual || has(machine));
                return if is_complete || reason.is_some() { Ok(()) } else { Err(unreasoned(word)) };
            }
        };
        *field = words;
        let is_complete = usual.iter().all(|&word| field.iter().any(|w| w == word));
        if is_complete || reason.is_some() { Ok(()) } else { Err(unreasoned(word)) }
    }

    fn variants(&self) -> Vec<Variant> {
        let mut all = Vec::new();
        for compiler in &self.compilers {
            let is_there = |machine: &Machine| {
                // Debian 12 has no gcc for it; clang stands for both.
                machine.name != "loongarch64" || compiler == "clang" || compiles(&machine.tool("gcc"), &[])
            };
            let machines = self.machines.iter().filter(|machine| is_there(machine));
            for machine in [None].into_iter().chain(machines.map(|&machine| Some(machine))) {
                for dwarf in &self.dwarf {
                    for optimisation in &self.optimisations {
                        all.push(Variant {
                            compiler: compiler.clone(),
                            machine,
                            dwarf: dwarf.clone(),
                            optimisation: optimisation.clone(),
                        });
                    }
                }
            }
        }
        all
    }

    /// Compiles units of the case and links them; the file's name.
    fn build(&self, v: &Variant, folder: &Path, name: &str, units: &[String], link: Link) -> Result<String, String> {
        let dwarf = format!("-gdwarf-{}", v.dwarf);
        let source = self.path.to_str().ok_or("path is not UTF-8")?;
        // Debug information must not depend on where the tests run.
        let prefix = format!("-ffile-prefix-map={}=.", support::root().display());
        let flags: Vec<&str> =
            self.flags.iter().filter(|(only, _)| only.holds(v)).flat_map(|(_, f)| f).map(String::as_str).collect();
        let mut objects = Vec::new();
        for (number, unit) in units.iter().enumerate() {
            let object = format!("{name}{number}.o");
            let (language, unit) = match unit.split_once(':') {
                Some(("asm", unit)) => ("assembler-with-cpp", unit),
                Some(("c++", unit)) => ("c++", unit),
                Some((language, _)) => return Err(format!("units in {language}: not one of asm, c++")),
                None => ("c", unit.as_str()),
            };
            let define = format!("-D{unit}");
            let mut args = vec!["-g", dwarf.as_str(), v.optimisation.as_str(), &define, &prefix];
            args.extend(COMMON_FLAGS);
            args.extend((language != "c++").then_some("-std=gnu11"));
            let target = v.target();
            args.extend(target.iter().map(String::as_str));
            args.extend(&flags);
            args.extend(["-c", "-o", &object, "-x", language, source]);
            support::tool(folder, &v.command(), &args)?;
            objects.push(object);
        }
        let linked = match link {
            Link::Object => {
                let [object] = objects.as_slice() else { return Err("several units need link: yes or rel".into()) };
                object.clone()
            }
            Link::Relocatable | Link::Executable => {
                let script = support::root().join("tests/cases/kernel.lds");
                let script = script.to_str().ok_or("path is not UTF-8")?;
                let how = if link == Link::Relocatable { vec!["-r"] } else { vec!["-T", script, "-e", "0"] };
                let mut args: Vec<&str> = how;
                args.extend(self.link_flags.iter().map(String::as_str));
                args.extend(["-o", name]);
                args.extend(objects.iter().map(String::as_str));
                support::tool(folder, &v.linker(), &args)?;
                name.to_owned()
            }
        };
        if !self.objcopy.is_empty() {
            let args: Vec<&str> = self.objcopy.iter().map(String::as_str).chain([linked.as_str()]).collect();
            support::tool(folder, &v.tool("objcopy"), &args)?;
        }
        Ok(linked)
    }

    fn test(&self, v: &Variant) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let folder = folder.path();
        let base = match self.base_units.as_slice() {
            [] => None,
            units => {
                let file = self.build(v, folder, "base", units, Link::Executable)?;
                let args = self.base_args.iter().map(String::as_str);
                let run = support::btfgen(folder, args.chain(["--btf_encode_detached", "base.btf", &file]));
                if run.code != 0 {
                    return Err(format!("the base: exit code {}: {}", run.code, run.err));
                }
                Some(fs::read(folder.join("base.btf")).map_err(|e| e.to_string())?)
            }
        };
        let file = self.build(v, folder, "linked", &self.units, self.link)?;
        self.keep(v, &folder.join(&file))?;
        let mut failures = String::new();
        for run in &self.runs {
            let found = run.test(v, folder, &file, base.as_deref())?;
            for (line, text) in found {
                let args = if run.args.is_empty() { String::new() } else { format!(" ({})", run.args.join(" ")) };
                let _ = writeln!(failures, "  line {line}{args}: {text}");
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(format!("{}:\n{failures}", self.path.display())) }
    }
}

impl Case {
    /// For scripts/test-cases.sh, which compares with another encoder: what stands alone and can be encoded is copied to that folder.
    fn keep(&self, v: &Variant, file: &Path) -> Result<(), String> {
        let refused = self.runs.iter().flat_map(|run| &run.expectations).any(|e| matches!(e.check, Check::Fails(..)));
        let Some(folder) = std::env::var_os("BTFGEN_KEEP_CASES").filter(|_| self.base_units.is_empty() && !refused)
        else {
            return Ok(());
        };
        let stem = self.path.file_stem().and_then(|s| s.to_str()).expect("file names are UTF-8");
        let machine = v.machine.map_or("native", |machine| machine.name);
        let name = format!("{stem}-{}-{machine}-{}{}.o", v.compiler, v.dwarf, v.optimisation);
        fs::copy(file, Path::new(&folder).join(name)).map(drop).map_err(|e| format!("cannot be kept: {e}"))
    }
}

impl RunSpec {
    /// Runs btfgen; the lines whose expectations failed, and how.
    fn test(
        &self,
        v: &Variant,
        folder: &Path,
        file: &str,
        base: Option<&[u8]>,
    ) -> Result<Vec<(usize, String)>, String> {
        let out = folder.join("out.btf");
        let _ = fs::remove_file(&out);
        let mut args = vec!["-v", "--btf_encode_detached", "out.btf"];
        if base.is_some() {
            args.extend(["--btf_base", "base.btf"]);
        }
        args.extend(self.args.iter().map(String::as_str));
        args.push(file);
        let run = support::btfgen(folder, &args);
        let checks = || self.expectations.iter().filter(|e| e.only.holds(v));
        let failed = |e: &Expectation, text: String| (e.line, text);
        let error = checks().find_map(|e| match &e.check {
            Check::Fails(code, text) => Some((e, *code, text)),
            _ => None,
        });
        if let Some((e, code, text)) = error {
            let mut failures = Vec::new();
            if run.code != code || !run.err.contains(text.as_str()) {
                failures.push(failed(e, format!("exit code {} and {}", run.code, run.err)));
            }
            if out.exists() {
                failures.push(failed(e, "there is an output all the same".into()));
            }
            return Ok(failures);
        }
        if run.code != 0 {
            return Err(format!("exit code {}: {}", run.code, run.err));
        }
        let bytes = fs::read(&out).map_err(|e| e.to_string())?;
        let base_view = base.map(BtfView::parse).transpose().map_err(|e| format!("the base: {e}"))?;
        let view = BtfView::parse_on(&bytes, base_view.as_ref()).map_err(|e| e.to_string())?;
        let lines = text::lines(&view);
        let base_lines = base_view.as_ref().map(text::lines).unwrap_or_default();
        let mut failures: Vec<(usize, String)> = Vec::new();
        for e in checks() {
            let failure = match &e.check {
                Check::Base(inner) => inner.failure(&base_lines).map(|text| format!("in the base: {text}")),
                Check::Stderr(text) => {
                    (!run.err.contains(text.as_str())).then(|| format!("stderr without `{text}`: {}", run.err))
                }
                check => check.failure(&lines),
            };
            failures.extend(failure.map(|text| failed(e, text)));
        }
        let twice =
            |line: &String| checks().any(|e| matches!(&e.check, Check::Twice(text) if text::matches(line, text)));
        let redundant = redundant(&lines, &base_lines).into_iter().filter(|line| !twice(line));
        failures.extend(redundant.map(|line| (0, format!("redundant  {line}"))));
        Ok(failures)
    }
}

fn unreasoned(word: &str) -> String {
    format!("{word}: why not the usual ones? `{word}: THESE - REASON`")
}

/// Types that are there twice, or in the base already: they say the same down to the next names. Where a name is
/// ambiguous they may differ all the same, and the case has to say so (`twice:`).
fn redundant(lines: &[String], base: &[String]) -> Vec<String> {
    let is_type =
        |l: &&String| !["FUNC ", "VAR ", "DATASEC ", "DECL_TAG ", "MEMBER "].iter().any(|kind| l.starts_with(kind));
    let mut seen: BTreeSet<&String> = base.iter().filter(is_type).collect();
    let mut found = Vec::new();
    for line in lines.iter().filter(is_type) {
        if !seen.insert(line) {
            found.push(line.clone());
        }
    }
    found
}
