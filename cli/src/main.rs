//! The btfgen command: arguments in, one line per problem out, exit codes as documented.

mod args;
mod choices;
mod commands;
mod exit;
mod messages;
mod threads;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use tokens::JobServer;

fn main() -> ExitCode {
    let server = JobServer::from_env();
    let cli = Cli::parse_from(args::numbers_attached(std::env::args_os()));
    let exit = match &cli.command {
        Some(Command::Dump(args)) => commands::dump::run(args),
        None => commands::encode::run(&cli.encode, server),
    };
    exit.into()
}
