//! The command line of pahole, as far as kernels from 5.11 to 7.x use it: a stand-in for `PAHOLE=`.
//!
//! Functions are selected as btfgen does by itself, by what is true for the machine code: whoever builds a kernel wants one
//! that works. `--compat=pahole` and the other options of btfgen are understood, too.

use std::ffi::OsString;

use clap::{Args, Parser};
use encoder::options::Features;

use crate::args::{Distill, EncodeArgs, TalkArgs};
use crate::choices;
use crate::commands::encode;
use crate::exit::Exit;
use crate::features;
use crate::messages::{self, print_error};
use crate::texts;
use crate::tokens::JobServer;

/// The version whose encoding btfgen's is like (its dialect, without a base).
const VERSION: &str = "1.32";
/// Overrides it, so that a distribution can present the version that its .config was made with.
const VERSION_VARIABLE: &str = "BTFGEN_PAHOLE_VERSION";

/// Default of `--lang_exclude`.
const LANG_EXCLUDE_VARIABLE: &str = "PAHOLE_LANG_EXCLUDE";

/// Encodes the DWARF of a kernel or its modules as BTF, called as pahole is.
#[derive(Parser, Debug)]
#[command(
    name = "pahole",
    disable_version_flag = true,
    args_override_self = true,
    after_help = texts::help("pahole")
)]
pub struct Cli {
    #[command(flatten)]
    pahole: PaholeArgs,
    #[command(flatten)]
    encode: EncodeArgs,
    #[command(flatten)]
    talk: TalkArgs,
}

#[derive(Args, Debug)]
struct PaholeArgs {
    /// Encode: the only thing that btfgen does of what pahole does
    #[arg(long = "btf_encode", short = 'J')]
    btf_encode: bool,
    /// As --verbose
    #[arg(short = 'V')]
    say_more: bool,
    /// Print the version of pahole that is stood in for
    #[arg(long)]
    version: bool,
    /// Print it as a number
    #[arg(long = "numeric_version")]
    numeric_version: bool,
    /// The same as --version
    #[arg(long = "devel_version")]
    devel_version: bool,
    /// Formats to read; dwarf must be among them
    #[arg(short = 'F', long = "format_path", value_name = "LIST")]
    formats: Vec<String>,
    /// Without effect
    #[arg(long = "hashbits", value_name = "N")]
    _hash_bits: Option<u32>,
    /// Stand in for this version, as in 1.31
    #[arg(long = "pahole_version", value_name = "1.NN")]
    claimed: Option<String>,
}

/// What is on if there is no list of features: kernels before 5.13 refuse FLOAT.
const WITHOUT_LIST: Features =
    Features { var: true, float: false, decl_tag: true, type_tag: true, enum64: true, ..Features::NONE };

/// Runs with these arguments, the program's name among them. The exit code is 0 or 1, as the kernel's build expects.
pub fn run(args: Vec<OsString>, server: JobServer) -> Exit {
    let cli = match Cli::try_parse_from(crate::args::numbers_attached(args)) {
        Ok(cli) => cli,
        Err(e) => {
            // Nobody is left to tell if that fails.
            _ = e.print();
            return if e.use_stderr() { Exit::Io } else { Exit::Done };
        }
    };
    match act(cli, server) {
        Ok(Exit::Done) => Exit::Done,
        Ok(_) => Exit::Io,
        Err(text) => {
            print_error(&text);
            Exit::Io
        }
    }
}

fn act(cli: Cli, server: JobServer) -> Result<Exit, String> {
    let Cli { pahole, mut encode, talk } = cli;
    messages::set_quiet(talk.quiet);
    if pahole.version || pahole.numeric_version || pahole.devel_version {
        let version = version(pahole.claimed.or_else(|| std::env::var(VERSION_VARIABLE).ok()))?;
        match pahole.numeric_version {
            true => println!("{}", version.replace('.', "")),
            false => println!("v{version}"),
        }
        return Ok(Exit::Done);
    }
    if encode.features.only_names {
        println!("{}", features::names());
        return Ok(Exit::Done);
    }
    if !pahole.formats.is_empty() && !pahole.formats.iter().any(|list| list.split(',').any(|f| f == "dwarf")) {
        return Err("what is encoded is DWARF, which -F leaves out".into());
    }
    if !pahole.btf_encode && encode.detached.is_none() {
        return Err("only encoding is done here: pass -J".into());
    }
    encode.verbose |= pahole.say_more;
    if encode.lang.is_none() {
        encode.lang_exclude = encode.lang_exclude.or_else(|| std::env::var(LANG_EXCLUDE_VARIABLE).ok());
    }
    let (mut options, remarks) = choices::options(&encode, WITHOUT_LIST)?;
    options.empty_without_dwarf = true;
    // What follows is the part of resolve_btfids.
    encode.no_ids = true;
    encode.no_base = encode.base.path.is_none();
    // Nothing that was not asked for.
    if encode.distill.is_none() && !encode.features.has_list() {
        encode.distill = Some(Distill::Off);
    }
    // Raw BTF goes to resolve_btfids, which since 7.x adds these tags itself: then it finds nothing left to do.
    options.features.decl_tag_kfuncs |= encode.detached.is_some() && options.features.decl_tag;
    Ok(encode::run_with(&encode, &options, &remarks, server))
}

/// A version as Kbuild understands it: it glues the digits together, so the minor number has two.
fn version(claimed: Option<String>) -> Result<String, String> {
    let version = claimed.unwrap_or_else(|| VERSION.into());
    let fits = version.strip_prefix("1.").is_some_and(|v| v.len() == 2 && v.bytes().all(|b| b.is_ascii_digit()));
    if fits { Ok(version) } else { Err(format!("version `{version}` of pahole: pass one like {VERSION}")) }
}
