//! Colours: only in what people read, errors, warnings and help, and only where it is shown to them. The conventions are NO_COLOR
//! (no-color.org) and CLICOLOR (bixense.com/clicolors); `--color` has the last word.

use std::ffi::OsString;
use std::fmt;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

use crate::args::Color;

/// The word before an error.
pub const ERROR: Coloured = Coloured("error:", AnsiColor::Red.on_default().bold());
/// The word before a warning.
pub const WARNING: Coloured = Coloured("warning:", AnsiColor::Yellow.on_default().bold());

/// A word with its colour, which it has only if standard error shows colours.
#[derive(Clone, Copy, Debug)]
pub struct Coloured(&'static str, Style);

impl fmt::Display for Coloured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match AutoStream::choice(&io::stderr()) {
            ColorChoice::Never => f.write_str(self.0),
            _ => write!(f, "{}{}{:#}", self.1, self.0, self.1),
        }
    }
}

/// Decides for the whole process. Help and wrong usage are printed while the command line is still being read, so this looks for the flag
/// by itself; whether the rest makes sense is not its business.
pub fn choose(args: &[OsString]) {
    let mut args = args.iter().skip(1).take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str());
    let mut wanted = None;
    while let Some(arg) = args.next() {
        match arg.strip_prefix("--color") {
            Some("") => wanted = args.next(),
            Some(value) => wanted = value.strip_prefix('=').or(wanted),
            None => {}
        }
    }
    let choice = match wanted.and_then(|word| Color::from_str(word, false).ok()) {
        Some(Color::Always) => ColorChoice::AlwaysAnsi,
        Some(Color::Never) => ColorChoice::Never,
        Some(Color::Auto) | None => ColorChoice::Auto,
    };
    choice.write_global();
}
