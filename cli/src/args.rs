//! The command line. Every flag is defined here and nowhere else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Encodes the DWARF of a kernel or its modules as BTF.
#[derive(Parser, Debug)]
#[command(
    name = "btfgen",
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  btfgen vmlinux                              encode a kernel, in place
  btfgen --btf_base vmlinux foo.ko            encode a module on top of it
  btfgen --btf_base vmlinux --detached-dir out *.ko
                                              raw BTF, files left alone
  btfgen dump --btf_base vmlinux foo.ko       show what was encoded

Exit codes: 0 done, 1 cannot read or write, 2 wrong usage, 3 not ELF or damaged
DWARF, 4 no DWARF, 5 base BTF missing or not fitting, 6 beyond the limits of
BTF, 7 the result failed verification. With several files: that of the first
one that failed."
)]
pub struct Cli {
    /// What to do other than encoding.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Encoding.
    #[command(flatten)]
    pub encode: EncodeArgs,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the types of a file as bpftool does
    Dump(DumpArgs),
}

/// Options of `btfgen dump`.
#[derive(Args, Debug)]
pub struct DumpArgs {
    /// ELF file with .BTF, or raw BTF
    pub file: PathBuf,
    /// Base of a split BTF: ELF file with .BTF, or raw BTF
    #[arg(long = "btf_base", short = 'B', value_name = "BASE", alias = "btf-base")]
    pub base: Option<PathBuf>,
}

/// Options of encoding.
#[derive(Args, Debug)]
pub struct EncodeArgs {
    /// ELF files with DWARF: a vmlinux, or modules
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Encode on top of BASE: an ELF file with .BTF, or raw BTF
    #[arg(long = "btf_base", value_name = "BASE", alias = "btf-base")]
    pub base: Option<PathBuf>,
    /// Write raw BTF to OUT and leave the input alone
    #[arg(long = "btf_encode_detached", value_name = "OUT", alias = "detached", conflicts_with_all = ["detached_dir", "output"])]
    pub detached: Option<PathBuf>,
    /// Write raw BTF of each FILE to DIR/FILE.btf
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub detached_dir: Option<PathBuf>,
    /// Write a copy of FILE with .BTF to OUT
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Number of threads [default: all cores]
    #[arg(long, short, value_name = "N", num_args = 0..=1, default_missing_value = "0")]
    pub jobs: Option<usize>,
    /// Say what was done, a line per file
    #[arg(long, short)]
    pub verbose: bool,
    /// Say how long each phase took
    #[arg(long)]
    pub time: bool,
    /// No progress bar
    #[arg(long, short)]
    pub quiet: bool,
    /// Features of BTF to write, as pahole names them
    #[arg(long = "btf_features", value_name = "LIST", alias = "btf-features")]
    pub features: Vec<String>,
    /// Languages whose units are left out
    #[arg(long = "lang_exclude", value_name = "LIST", default_value = "rust", alias = "lang-exclude")]
    pub lang_exclude: String,
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

/// Encoders whose selection of functions can be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Compat {
    /// pahole 1.32
    Pahole,
}
