//! The command line. Every flag is defined here and nowhere else.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use btf::verify::KernelVersion;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::durability::Fsync;
use crate::features::FeatureArgs;
use crate::texts;

/// Encodes the DWARF of a kernel or its modules as BTF.
#[derive(Parser, Debug)]
#[command(
    name = "btfgen",
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = texts::help(texts::ENCODE)
)]
pub struct Cli {
    /// What to do other than encoding.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Encoding.
    #[command(flatten)]
    pub encode: EncodeArgs,
    /// Manners.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// What goes for all commands.
#[derive(Args, Clone, Debug)]
pub struct TalkArgs {
    /// Colours in messages and help: auto (on a terminal, unless
    /// NO_COLOR or CLICOLOR=0 is set), always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true, global = true)]
    pub color: Color,
    /// No progress bar, and no remarks but errors and warnings
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When there are colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Color {
    /// On a terminal, as the environment says
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The base, of all that is said about split BTF.
#[derive(Args, Clone, Debug)]
pub struct BaseArg {
    /// Base of split BTF: an ELF file with .BTF, or raw BTF [default
    /// for modules: that of their kernel, if it is found]
    #[arg(id = "base", long = "btf_base", short = 'B', value_name = "BASE", alias = "btf-base")]
    pub path: Option<PathBuf>,
}

/// How files are changed, by whatever fills in `.BTF_ids`.
#[derive(Args, Clone, Debug)]
pub struct ChangeArgs {
    /// Fail on warnings about .BTF_ids, and leave the file alone
    #[arg(long = "fatal_warnings", alias = "fatal-warnings")]
    pub fatal_warnings: bool,
    /// Whether to wait until a file that was changed is on the disk:
    /// auto (unless make calls), always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub fsync: Fsync,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the types of a file as bpftool does
    Dump(DumpArgs),
    /// Say whether modules belong to a base, or why a kernel would
    /// refuse their BTF
    Check(CheckArgs),
    /// Say which of the kernel's rules BTF breaks, and what would be
    /// lost without breaking one
    Verify(VerifyArgs),
    /// Say why a function is not in BTF, with what tells it and where
    /// that stands in the source
    WhyNot(WhyNotArgs),
    /// Say what BTF is made of: bytes and types by kind, strings, what
    /// is taken from the base, what is redundant
    Stats(StatsArgs),
    /// Say which types, functions and variables differ between two
    /// files, whatever their ids and order
    Diff(DiffArgs),
    /// Say why a type is in a module although the base has one of that
    /// name, or what needs it
    Why(WhyArgs),
    /// Make one BTF of several finished ones, each type once
    Merge(MergeArgs),
    /// Write a page about the BTF of a kernel and its modules: where
    /// the bytes are, what is there twice, what is left out
    Report(ReportArgs),
    /// Write manual pages and completions for shells
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Options of `btfgen report`.
#[derive(Args, Debug)]
#[command(
    after_help = texts::help("report"),
    mut_arg("base", |arg| arg.help(
        "Base of split BTF: an ELF file with .BTF, or raw BTF [default:\nDIR/vmlinux, or that of the modules' kernel, if it is found]"
    ))
)]
pub struct ReportArgs {
    /// Folder with modules (*.ko), a build tree for example
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Write the page, one HTML file, to OUT
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
}

/// Options of `btfgen generate`.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// Where they go, as below /usr/share
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Options of `btfgen why-not`.
#[derive(Args, Debug)]
#[command(
    after_help = texts::help("why-not"),
    mut_arg("base", |arg| arg.help("Say also whether this base has the function: an ELF file with\n.BTF, or raw BTF"))
)]
pub struct WhyNotArgs {
    /// Function
    pub function: String,
    /// ELF file with DWARF
    pub file: PathBuf,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
}

/// Options of `btfgen stats`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("stats"))]
pub struct StatsArgs {
    /// ELF files with .BTF (a vmlinux, modules), or raw BTF; @LIST:
    /// those that a file lists, one per line
    #[arg(value_name = "FILE", required_unless_present = "modules_dirs")]
    pub files: Vec<PathBuf>,
    /// All modules (*.ko) below DIR
    #[arg(long = "modules-dir", value_name = "DIR")]
    pub modules_dirs: Vec<PathBuf>,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
    /// How many of the largest types are named, and of those that are
    /// redefined (in JSON, all)
    #[arg(long, value_name = "N", default_value = "10")]
    pub largest: usize,
    /// One JSON object per file and line, then one of all together
    #[arg(long)]
    pub json: bool,
}

/// Options of `btfgen why`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("why"))]
pub struct WhyArgs {
    /// Name of a type, as in task_struct or `struct task_struct`
    #[arg(value_name = "TYPE")]
    pub name: String,
    /// Module (ELF file with .BTF), or raw BTF
    pub file: PathBuf,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
    /// How many differences to the base's type are shown, the nearest
    /// ones first
    #[arg(long, value_name = "N", default_value = "3")]
    pub most: usize,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `btfgen merge`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("merge"))]
pub struct MergeArgs {
    /// ELF files with .BTF, or raw BTF
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where raw BTF is written to [default: standard output]
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
    /// Put all of the base into the result, which then stands alone
    #[arg(long)]
    pub flatten: bool,
}

/// Options of `btfgen diff`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("diff"))]
pub struct DiffArgs {
    /// ELF file with .BTF, or raw BTF
    pub first: PathBuf,
    /// What it is compared with
    pub second: PathBuf,
    /// Base of both if they are split BTF: ELF file with .BTF, or raw
    /// BTF. Twice: of the first, of the second [default for modules:
    /// that of their kernel, if it is found]
    #[arg(long = "btf_base", short = 'B', value_name = "BASE", alias = "btf-base")]
    pub bases: Vec<PathBuf>,
    /// All differences of each type, not only the first
    #[arg(long)]
    pub full: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Options of `btfgen check`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("check"))]
pub struct CheckArgs {
    /// Modules
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
}

/// Options of `btfgen verify`.
#[derive(Args, Debug)]
#[command(after_help = texts::help("verify"))]
pub struct VerifyArgs {
    /// ELF files with .BTF (a vmlinux, modules), or raw BTF
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
    /// Kernel whose rules hold, as in 6.12 [default: that of a
    /// module; of anything else the newest that is known]
    #[arg(long, value_name = "X.Y", value_parser = kernel_version)]
    pub kernel: Option<KernelVersion>,
    /// What a kernel checks when it loads its own BTF and that of its
    /// modules, or also what BPF_BTF_LOAD checks
    #[arg(long, value_name = "LEVEL", default_value = "kernel")]
    pub level: VerifyLevel,
    /// One JSON object per file and line
    #[arg(long)]
    pub json: bool,
}

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum VerifyLevel {
    /// BTF of the kernel and of modules
    Kernel,
    /// BTF of programs, by BPF_BTF_LOAD
    User,
}

/// The first two numbers of a release.
fn kernel_version(text: &str) -> Result<KernelVersion, String> {
    KernelVersion::of_release(text).ok_or_else(|| "two numbers are wanted, as in 6.12".into())
}

/// Options of `btfgen dump`.
#[derive(Args, Debug)]
#[command(
    after_help = texts::help("dump"),
    mut_arg("base", |arg| arg.help("Base of split BTF: an ELF file with .BTF, or raw BTF"))
)]
pub struct DumpArgs {
    /// ELF file with .BTF, or raw BTF
    pub file: PathBuf,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
}

/// Options of encoding.
#[derive(Args, Clone, Debug)]
pub struct EncodeArgs {
    /// ELF files with DWARF: a vmlinux, or modules; @LIST: those
    /// that a file lists, one per line
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// All modules (*.ko) below DIR
    #[arg(long = "modules-dir", value_name = "DIR")]
    pub modules_dirs: Vec<PathBuf>,
    /// Base.
    #[command(flatten)]
    pub base: BaseArg,
    /// Encode modules by themselves, without looking for a base
    #[arg(long = "no-base", conflicts_with = "base")]
    pub no_base: bool,
    /// Write raw BTF to OUT and leave the input alone
    #[arg(long = "btf_encode_detached", value_name = "OUT", alias = "detached", conflicts_with_all = ["detached_dir", "output"])]
    pub detached: Option<PathBuf>,
    /// Write raw BTF of each FILE to DIR/FILE.btf
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub detached_dir: Option<PathBuf>,
    /// Write a copy of FILE with .BTF to OUT
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Write an object file with FILE's BTF to OUT, for the linker,
    /// and leave FILE alone
    #[arg(long = "btf_object", value_name = "OUT", alias = "btf-object", conflicts_with_all = ["detached", "detached_dir", "output"])]
    pub object: Option<PathBuf>,
    /// With --btf_object: write FILE's filled-in .BTF_ids to OUT,
    /// for `resolve_btfids --patch_btfids`
    #[arg(long = "btf_ids", value_name = "OUT", alias = "btf-ids", requires = "object")]
    pub ids: Option<PathBuf>,
    /// Leave .BTF_ids and the prototypes of kfuncs to
    /// `resolve_btfids`, which is yet to come
    #[arg(long = "no-btf-ids")]
    pub no_ids: bool,
    /// Changing files.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Cut off the signature of a signed module, which no longer
    /// matches, instead of refusing the module
    #[arg(long = "strip-signature", alias = "strip_signature")]
    pub strip_signature: bool,
    /// Write into the module which base it is for, for `btfgen check`
    #[arg(long)]
    pub stamp: bool,
    /// Number of threads [default: all cores, or what make's job
    /// server allows]
    #[arg(long, short, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "0", overrides_with = "jobs")]
    pub jobs: Option<usize>,
    /// Say what was done, a line per file
    #[arg(long, short)]
    pub verbose: bool,
    /// Say how long each phase took
    #[arg(long)]
    pub time: bool,
    /// Features of BTF.
    #[command(flatten)]
    pub features: FeatureArgs,
    /// Write what this kernel accepts, as in 6.12 [default: what
    /// kernels since 6.1 accept]
    #[arg(long = "target-kernel", value_name = "X.Y", alias = "target_kernel", value_parser = kernel_version)]
    pub target: Option<KernelVersion>,
    /// Also write .BTF.base, so that the module fits other builds of
    /// the kernel [default: auto; without HOW: full]
    #[arg(long = "distill_base", value_name = "HOW", alias = "distill-base", num_args = 0..=1, require_equals = true,
        default_missing_value = "full")]
    pub distill: Option<Distill>,
    /// Languages whose units are left out [default: rust]
    #[arg(long = "lang_exclude", value_name = "LIST", alias = "lang-exclude", overrides_with_all = ["lang_exclude", "lang"])]
    pub lang_exclude: Option<String>,
    /// Languages whose units alone are read
    #[arg(long, value_name = "LIST", overrides_with_all = ["lang_exclude", "lang"])]
    pub lang: Option<String>,
    /// Leave out units whose names begin with PREFIX
    #[arg(long = "cu_exclude", short = 'X', value_name = "PREFIX", alias = "cu-exclude")]
    pub cu_exclude: Vec<String>,
    /// Dialect: auto (as the base), pahole-1.31, pahole-1.32,
    /// or traits as in arrays=flat,enum64=on
    #[arg(long, value_name = "DIALECT", default_value = "auto")]
    pub dialect: String,
    /// Select functions as another encoder would
    #[arg(long, value_name = "ENCODER")]
    pub compat: Option<Compat>,
    /// Write a table of all functions and why some are left out
    #[arg(long, value_name = "OUT")]
    pub functions_report: Option<PathBuf>,
}

/// Whether the base is distilled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Distill {
    /// Types that a kernel would find twice are described by the module
    /// itself
    Full,
    /// Types that a kernel would find twice are an error
    Plain,
    /// As full for modules built outside the tree of a kernel from 6.11 on,
    /// as off for all else
    Auto,
    /// Not at all
    Off,
}

/// Encoders whose selection of functions can be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Compat {
    /// pahole 1.32
    Pahole,
}

/// The arguments as clap can take them.
pub fn tidied(args: Vec<OsString>) -> Vec<OsString> {
    talk_behind_subcommand(numbers_attached(args))
}

/// Moves what goes for all commands behind the subcommand that follows it, so that `btfgen -q check foo.ko` is no encoding of a file that is
/// called check.
fn talk_behind_subcommand(mut args: Vec<OsString>) -> Vec<OsString> {
    let mut end = 1;
    while let Some(arg) = args.get(end).and_then(|arg| arg.to_str()) {
        match arg {
            "-q" | "--quiet" => end += 1,
            "--color" => end += 2,
            _ if arg.starts_with("--color=") => end += 1,
            _ => break,
        }
    }
    let is_subcommand = |name: &OsString| Cli::command().get_subcommands().any(|c| name == c.get_name());
    if end > 1 && args.get(end).is_some_and(is_subcommand) {
        args[1..=end].rotate_right(1);
    }
    args
}

/// The subcommand that somebody may have meant who named a file that does not exist.
pub fn command_like(file: &Path) -> Option<String> {
    const SIMILAR: f64 = 0.8;
    let word = file.to_str()?;
    let command = Cli::command();
    let names = command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let alike = names.map(|name| (strsim::jaro(word, name), name)).filter(|(alike, _)| *alike >= SIMILAR);
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name.to_owned())
}

/// Makes `-j4`, `-qj4`, `-j 4` and `--jobs 4` the `-j=4` that clap knows for options whose value may be missing. What is no number is
/// left alone, so that the `-j FILE` of Kbuild does not take the file for one.
pub fn numbers_attached(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter().peekable();
    let mut out = Vec::new();
    while let Some(mut arg) = args.next() {
        if arg == "--" {
            out.push(arg);
            break;
        }
        if let Some((option, value)) = split_jobs(&arg) {
            let next = if value.is_empty() { args.next_if(|a| is_number(a)) } else { Some(value.into()) };
            if let Some(next) = next {
                arg = format!("{option}={}", next.to_string_lossy()).into();
            }
        }
        out.push(arg);
    }
    out.extend(args);
    out
}

/// `-j` or `--jobs`, maybe after other flags, and what follows it in the same argument.
fn split_jobs(arg: &OsStr) -> Option<(&str, &str)> {
    let arg = arg.to_str()?;
    let short = || arg.strip_prefix('-')?.trim_start_matches(['q', 'v']).strip_prefix('j');
    let value = arg.strip_prefix("--jobs").or_else(short)?;
    Some((&arg[..arg.len() - value.len()], value.strip_prefix('=').unwrap_or(value)))
}

fn is_number(arg: &OsStr) -> bool {
    !arg.is_empty() && arg.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// clap's own checks: no letter twice, no relation to a flag that is not there.
    #[test]
    fn flags_go_together() {
        Cli::command().debug_assert();
        crate::pahole::Cli::command().debug_assert();
        crate::commands::resolve_btfids::ResolveArgs::command().debug_assert();
    }

    /// A long flag means one thing: wherever it occurs it takes the same values and has the same other names.
    #[test]
    fn one_definition_per_flag() {
        // The kernel's tool has a switch for what has a value here, counts how often it is to be verbose, and has a letter for its base; pahole's
        // --version is one of its own.
        const OF_OTHERS: [(&str, &str); 4] = [
            ("resolve_btfids", "distill_base"),
            ("resolve_btfids", "verbose"),
            ("resolve_btfids", "btf_base"),
            ("pahole", "version"),
        ];
        let mut programs =
            [Cli::command(), crate::pahole::Cli::command(), crate::commands::resolve_btfids::ResolveArgs::command()];
        programs.iter_mut().for_each(clap::Command::build);
        let commands: Vec<&clap::Command> = programs.iter().chain(programs[0].get_subcommands()).collect();
        let mut seen = std::collections::BTreeMap::new();
        for (command, arg) in commands.iter().flat_map(|c| c.get_arguments().map(move |arg| (c.get_name(), arg))) {
            let Some(long) = arg.get_long().filter(|long| !OF_OTHERS.contains(&(command, long))) else { continue };
            let definition = format!(
                "{:?} {:?} {:?} {:?} {:?}",
                arg.get_short(),
                arg.get_value_names(),
                arg.get_num_args(),
                arg.get_default_values(),
                arg.get_all_aliases()
            );
            let (other, first) = seen.entry(long.to_owned()).or_insert((command, definition.clone()));
            // `-h` has no long help where there is none.
            assert!(
                *first == definition || long == "help",
                "--{long} of {other} and of {command}: {first} and {definition}"
            );
        }
        assert!(seen.len() > 40);
    }

    #[test]
    fn the_number_of_threads() {
        let parse = |args: &[&str]| {
            let args = ["btfgen"].iter().chain(args).map(OsString::from);
            let encode = Cli::try_parse_from(numbers_attached(args)).map_err(|e| e.to_string())?.encode;
            let files: Vec<String> = encode.files.iter().map(|f| f.display().to_string()).collect();
            Ok::<_, String>((encode.jobs, files.join(" ")))
        };
        let jobs = |n, files: &str| Ok((n, files.to_owned()));
        for four in ["-j4", "-j=4", "-j 4", "-vqj4", "-qj 4", "--jobs=4", "--jobs 4", "-j -j 2 -j4"] {
            let args: Vec<&str> = four.split(' ').chain(["foo.ko"]).collect();
            assert_eq!(parse(&args), jobs(Some(4), "foo.ko"), "{four}");
        }
        assert_eq!(parse(&["-j", "foo.ko"]), jobs(Some(0), "foo.ko"));
        assert_eq!(parse(&["a.ko", "--jobs", "b.ko", "4"]), jobs(Some(0), "a.ko b.ko 4"));
        assert_eq!(parse(&["-j", "-v", "4.ko"]), jobs(Some(0), "4.ko"));
        assert_eq!(parse(&["--", "-j", "4"]), jobs(None, "-j 4"));
        for wrong in ["-jx", "-j=", "--jobs=-1", "-j99999999999999999999"] {
            assert!(parse(&[wrong, "foo.ko"]).is_err(), "{wrong}");
        }
    }
}
