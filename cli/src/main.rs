//! The btfgen command: arguments in, one line per problem out, exit codes as documented.
#![deny(unsafe_code)]

/// As that of the standard library, which panics if standard error is a full disk or a pipe that nobody reads: a message that
/// cannot be printed is no reason to end otherwise than without it.
macro_rules! eprintln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

/// As that of the standard library, which panics too; see [`messages::print_line`].
macro_rules! println {
    ($($text:tt)*) => { crate::messages::print_line(format_args!($($text)*)) };
}

mod args;
mod base_search;
mod choices;
mod colour;
mod commands;
mod durability;
mod exit;
mod fault;
mod features;
mod files;
#[allow(unsafe_code)]
mod memory;
mod messages;
mod pahole;
mod personality;
mod progress;
mod report;
#[allow(unsafe_code)]
mod signals;
mod texts;
mod threads;
#[allow(unsafe_code)]
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use personality::Personality;
use tokens::JobServer;

fn main() -> ExitCode {
    memory::keep_freed();
    let server = JobServer::from_env();
    let (personality, args) = personality::choose(std::env::args_os().collect());
    colour::choose(&args);
    match personality {
        Personality::Pahole => return pahole::run(args, server).into(),
        Personality::ResolveBtfids => return commands::resolve_btfids::run(args).into(),
        Personality::Btfgen => {}
    }
    let cli = Cli::parse_from(args::tidied(args));
    messages::set_quiet(cli.talk.quiet);
    let exit = match &cli.command {
        Some(Command::Diff(args)) => return commands::diff::run(args),
        Some(Command::Check(args)) => commands::check::run(args),
        Some(Command::Verify(args)) => commands::verify::run(args),
        Some(Command::Dump(args)) => commands::dump::run(args),
        Some(Command::WhyNot(args)) => commands::why_not::run(args),
        Some(Command::Why(args)) => commands::why::run(args),
        Some(Command::Merge(args)) => commands::merge::run(args),
        Some(Command::Stats(args)) => commands::stats::run(args),
        Some(Command::Report(args)) => commands::report::run(args),
        Some(Command::Generate(args)) => commands::generate::run(args),
        None if cli.encode.features.only_names => {
            println!("{}", features::names());
            exit::Exit::Done
        }
        None => commands::encode::run(&cli.encode, server),
    };
    exit.into()
}
