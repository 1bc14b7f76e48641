//! The btfgen command: arguments in, one line per problem out, exit codes as documented.

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
mod commands;
mod durability;
mod exit;
mod fault;
mod features;
mod files;
mod messages;
mod pahole;
mod personality;
mod signals;
mod threads;
mod tokens;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use personality::Personality;
use tokens::JobServer;

/// Has glibc keep freed memory for what comes next. Tables of a quarter of a megabyte come and go by the dozen, and by default each
/// is mapped anew and its pages cleared by the kernel again: a seventh of all page faults of a small module, whose encoding takes
/// hardly longer than they do. Larger tables are still mapped by themselves, so that they can grow without being copied.
#[cfg(target_env = "gnu")]
fn keep_freed_memory() {
    const MAPPED_ALONE: i32 = 1 << 20;
    const KEPT: i32 = 16 << 20;
    // SAFETY: This changes two parameters of the allocator, before there is a second thread. A refusal leaves them as they are.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_ALONE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    keep_freed_memory();
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
        Some(Command::Verify(args)) => commands::verify::run(args),
        Some(Command::Dump(args)) => commands::dump::run(args),
        Some(Command::WhyNot(args)) => commands::why_not::run(args),
        None if cli.encode.features.only_names => {
            println!("{}", features::names());
            exit::Exit::Done
        }
        None => commands::encode::run(&cli.encode, server),
    };
    exit.into()
}
