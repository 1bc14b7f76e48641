//! The btfgen command: arguments in, one line per problem out, exit codes as documented.

mod args;
mod choices;
mod commands;
mod exit;
mod messages;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match &cli.command {
        Some(Command::Dump(args)) => commands::dump::run(args),
        None => commands::encode::run(&cli.encode),
    };
    exit.into()
}
