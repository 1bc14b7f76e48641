//! The btfgen command: arguments in, one line per problem out, exit codes as documented.
#![deny(unsafe_code)]

mod args;
mod base_search;
mod choices;
mod commands;
mod exit;
mod files;
mod messages;
mod pahole;
mod personality;
mod threads;
#[allow(unsafe_code)]
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use personality::Personality;
use tokens::JobServer;

fn main() -> ExitCode {
    let server = JobServer::from_env();
    let (personality, args) = personality::choose(std::env::args_os().collect());
    match personality {
        Personality::Pahole => return pahole::run(args, server).into(),
        Personality::ResolveBtfids => return commands::resolve_btfids::run(args).into(),
        Personality::Btfgen => {}
    }
    let cli = Cli::parse_from(args::numbers_attached(args));
    let exit = match &cli.command {
        Some(Command::Check(args)) => commands::check::run(args),
        Some(Command::Dump(args)) => commands::dump::run(args),
        None => commands::encode::run(&cli.encode, server),
    };
    exit.into()
}
