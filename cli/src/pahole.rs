//! The command line of pahole, as far as kernels from 5.11 to 7.x use it: a stand-in for `PAHOLE=`.
//!
//! Functions are selected as btfgen does by itself, by what is true for the machine code: whoever builds a kernel wants one
//! that works. `--compat=pahole` and the other options of btfgen are understood, too.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser};
use encoder::options::Features;

use crate::args::{Distill, EncodeArgs};
use crate::choices;
use crate::commands::encode;
use crate::exit::Exit;
use crate::tokens::JobServer;

/// The version whose encoding btfgen's is like (its dialect, without a base).
const VERSION: &str = "1.32";
/// Overrides it, so that a distribution can present the version that its .config was made with.
const VERSION_VARIABLE: &str = "BTFGEN_PAHOLE_VERSION";

/// What `--supported_btf_features` prints; the order is pahole's.
const SUPPORTED: [&str; 11] = [
    "encode_force",
    "var",
    "float",
    "decl_tag",
    "type_tag",
    "enum64",
    "optimized_func",
    "consistent_func",
    "decl_tag_kfuncs",
    "reproducible_build",
    "distilled_base",
];

/// Encodes the DWARF of a kernel or its modules as BTF, called as pahole is.
#[derive(Parser, Debug)]
#[command(name = "pahole", disable_version_flag = true, args_override_self = true)]
struct Cli {
    #[command(flatten)]
    pahole: PaholeArgs,
    #[command(flatten)]
    encode: EncodeArgs,
}

#[derive(Args, Debug)]
struct PaholeArgs {
    /// Encode: the only thing that btfgen does of what pahole does
    #[arg(long = "btf_encode", short = 'J')]
    btf_encode: bool,
    /// As --verbose
    #[arg(short = 'V')]
    say_more: bool,
    /// As --btf_features, but what is not known is an error
    #[arg(long = "btf_features_strict", value_name = "LIST")]
    strict: Vec<String>,
    /// Print the features that --btf_features knows
    #[arg(long = "supported_btf_features")]
    supported: bool,
    /// Print the version of pahole that is stood in for
    #[arg(long)]
    version: bool,
    /// Print it as a number
    #[arg(long = "numeric_version")]
    numeric_version: bool,
    /// Stand in for this version, as in 1.31
    #[arg(long = "pahole_version", value_name = "1.NN")]
    claimed: Option<String>,
}

/// What a flag does.
type Switch = fn(&mut Features);

/// Flags that turn a single feature on or off, from the time before feature lists.
const SWITCHES: [(&str, Switch); 11] = [
    ("btf_gen_floats", |f| f.float = true),
    ("btf_gen_all", |f| *f = Features::default()),
    ("skip_encoding_btf_vars", |f| f.var = false),
    ("skip_encoding_btf_decl_tag", |f| f.decl_tag = false),
    ("skip_encoding_btf_type_tag", |f| f.type_tag = false),
    ("skip_encoding_btf_enum64", |f| f.enum64 = false),
    ("skip_encoding_btf_inconsistent_proto", |f| f.consistent_func = true),
    // Always so here, or without effect in pahole, too.
    ("btf_encode_force", |_| {}),
    ("btf_gen_optimized", |_| {}),
    ("reproducible_build", |_| {}),
    ("btf_attributes", |_| {}),
];

/// What is on if there is no list of features: kernels before 5.13 refuse FLOAT.
const WITHOUT_LIST: Features = Features {
    var: true,
    float: false,
    decl_tag: true,
    type_tag: true,
    enum64: true,
    consistent_func: false,
    decl_tag_kfuncs: false,
};

/// Runs with these arguments, the program's name among them. The exit code is 0 or 1, as the kernel's build expects.
pub fn run(args: Vec<OsString>, server: JobServer) -> Exit {
    let matches = match command().try_get_matches_from(crate::args::numbers_attached(args)) {
        Ok(matches) => matches,
        Err(e) => {
            // Nobody is left to tell if that fails.
            _ = e.print();
            return if e.use_stderr() { Exit::Io } else { Exit::Done };
        }
    };
    let done = Cli::from_arg_matches(&matches).map_err(|e| e.to_string()).and_then(|cli| act(cli, &matches, server));
    match done {
        Ok(Exit::Done) => Exit::Done,
        Ok(_) => Exit::Io,
        Err(text) => {
            eprintln!("btfgen: error: {text}");
            Exit::Io
        }
    }
}

fn command() -> clap::Command {
    let switch = |(name, _): (&'static str, _)| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Cli::command().args(SWITCHES.map(switch))
}

fn act(cli: Cli, matches: &ArgMatches, server: JobServer) -> Result<Exit, String> {
    let Cli { pahole, mut encode } = cli;
    if pahole.version || pahole.numeric_version {
        let version = version(pahole.claimed.or_else(|| std::env::var(VERSION_VARIABLE).ok()))?;
        if pahole.version {
            println!("v{version}")
        } else {
            println!("{}", version.replace('.', ""))
        }
        return Ok(Exit::Done);
    }
    if pahole.supported {
        println!("{}", SUPPORTED.join(","));
        return Ok(Exit::Done);
    }
    if !pahole.btf_encode && encode.detached.is_none() {
        return Err("only encoding is done here: pass -J".into());
    }
    for name in pahole.strict.iter().flat_map(|list| list.strip_prefix('+').unwrap_or(list).split(',')) {
        if !matches!(name, "" | "default" | "all") && !SUPPORTED.contains(&name) {
            return Err(format!("feature `{name}` is not known; known are {}", SUPPORTED.join(",")));
        }
    }
    encode.features.extend(pahole.strict);
    encode.verbose |= pahole.say_more;
    let (mut options, remarks) = choices::options(&encode)?;
    options.empty_without_dwarf = true;
    // What follows is the part of resolve_btfids.
    encode.no_ids = true;
    encode.no_base = encode.base.is_none();
    // Nothing that was not asked for.
    if encode.distill.is_none() && encode.features.is_empty() {
        encode.distill = Some(Distill::Off);
    }
    options.features = switched(options.features, matches);
    // Raw BTF goes to resolve_btfids, which since 7.x adds these tags itself: then it finds nothing left to do.
    options.features.decl_tag_kfuncs |= encode.detached.is_some() && options.features.decl_tag;
    Ok(encode::run_with(&encode, &options, &remarks, server))
}

/// The listed features with what the single flags change: a first list cancels the flags before it.
fn switched(listed: Features, matches: &ArgMatches) -> Features {
    let first = |id: &str| matches.indices_of(id).and_then(|mut places| places.next());
    let list = first("features").into_iter().chain(first("strict")).min();
    let mut features = if list.is_some() { listed } else { WITHOUT_LIST };
    for (name, switch) in SWITCHES.iter().filter(|(name, _)| matches.get_flag(name)) {
        if matches.indices_of(name).and_then(|mut places| places.next_back()) > list {
            switch(&mut features);
        }
    }
    features
}

/// A version as Kbuild understands it: it glues the digits together, so the minor number has two.
fn version(claimed: Option<String>) -> Result<String, String> {
    let version = claimed.unwrap_or_else(|| VERSION.into());
    let fits = version.strip_prefix("1.").is_some_and(|v| v.len() == 2 && v.bytes().all(|b| b.is_ascii_digit()));
    if fits { Ok(version) } else { Err(format!("version `{version}` of pahole: pass one like {VERSION}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(words: &str) -> Features {
        let args = ["pahole"].into_iter().chain(words.split_whitespace()).map(OsString::from);
        let matches = command().try_get_matches_from(crate::args::numbers_attached(args)).expect("it parses");
        let cli = Cli::from_arg_matches(&matches).expect("it fits");
        switched(choices::options(&cli.encode).expect("known").0.features, &matches)
    }

    #[test]
    fn flags_and_lists() {
        assert_eq!(features("-J"), WITHOUT_LIST);
        assert_eq!(features("-J --btf_gen_floats -j"), Features { float: true, ..WITHOUT_LIST });
        let var = features("--skip_encoding_btf_vars --btf_features=var -j4 --btf_features=enum64");
        assert!(var.var && var.enum64 && !var.float && !var.decl_tag);
        assert!(!features("--btf_features=default --skip_encoding_btf_enum64").enum64);
        assert_eq!(features("--btf_features=var --btf_features=+reproducible_build"), Features::default());
    }
}
