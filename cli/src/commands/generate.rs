//! `btfgen generate DIR`: manual pages and completions for shells, laid out as below `/usr/share`. For `make install` and packagers, so the
//! help does not mention it. All comes from the definitions of the flags and from [`texts`]; the same program writes the same bytes.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use crate::args::{Cli, GenerateArgs};
use crate::commands::resolve_btfids::ResolveArgs;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};
use crate::pahole;
use crate::texts::{self, ENVIRONMENT, Texts};

/// When this version was made, for the foot of the manual pages: they do not depend on when they are made.
const DATE: &str = "2026-11-25";

/// Runs the command.
pub fn run(args: &GenerateArgs) -> Exit {
    match generate(&args.folder) {
        Ok(()) => Exit::Done,
        Err(failure) => print_failure(&failure),
    }
}

fn generate(folder: &Path) -> Result<(), Failure> {
    for program in programs() {
        let name = program.get_name().to_owned();
        for (shell, path) in [
            (Shell::Bash, format!("bash-completion/completions/{name}")),
            (Shell::Zsh, format!("zsh/site-functions/_{name}")),
            (Shell::Fish, format!("fish/vendor_completions.d/{name}.fish")),
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program.clone(), &name, &mut script);
            write(&folder.join(path), &script)?;
        }
        for (page, text) in pages(&program) {
            write(&folder.join("man/man1").join(format!("{page}.1")), text.as_bytes())?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = parent.and_then(|()| fs::write(path, bytes));
    written.map_err(|e| Failure::new(Exit::Io, path, format!("cannot be written: {e}")))
}

/// The programs that btfgen can be, under the names that `make install` gives them.
fn programs() -> Vec<Command> {
    let named = |command: Command, name: &'static str| visible(&command).name(name).bin_name(name);
    vec![
        named(Cli::command(), "btfgen"),
        named(pahole::Cli::command(), "btfgen-pahole"),
        named(ResolveArgs::command(), "btfgen-resolve_btfids"),
    ]
}

/// A command without its hidden flags and subcommands, which completions would offer.
fn visible(command: &Command) -> Command {
    let mut copy = Command::new(command.get_name().to_owned())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()))
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible))
        .args_conflicts_with_subcommands(command.is_args_conflicts_with_subcommands_set())
        .disable_version_flag(command.is_disable_version_flag_set())
        .disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        copy = copy.version(version.to_owned());
    }
    copy
}

/// The manual pages of a program: its own and one for each subcommand, with their names.
fn pages(program: &Command) -> Vec<(String, String)> {
    let mut built = program.clone();
    built.build();
    let name = program.get_name().to_owned();
    let subcommands: Vec<String> = built.get_subcommands().map(|c| format!("{name}-{}", c.get_name())).collect();
    let related = |own: &str| {
        let all = ["btfgen", "btfgen-pahole", "btfgen-resolve_btfids"].map(str::to_owned);
        let mut all: Vec<String> = all.into_iter().chain(subcommands.clone()).filter(|page| page != own).collect();
        all.sort();
        all
    };
    let texts = |name: &str| texts::of(name.strip_prefix("btfgen-").unwrap_or(name));
    let mut pages = vec![(name.clone(), page(&built, texts(&name), &related(&name)))];
    for command in built.get_subcommands() {
        let own = format!("{name}-{}", command.get_name());
        pages.push((own.clone(), page(command, texts(&own), &related(&own))));
    }
    pages
}

/// A manual page. clap_mangen writes what it can take from the flags; its synopsis would list them all.
fn page(command: &Command, texts: Option<&Texts>, related: &[String]) -> String {
    let version = format!("btfgen {}", env!("CARGO_PKG_VERSION"));
    let title = command.get_display_name().unwrap_or(command.get_name()).to_uppercase();
    let man = Man::new(command.clone()).title(title).date(DATE).source(version).manual("btfgen manual");
    let mut out = Vec::new();
    let result = (|| {
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        synopsis(command).to_writer(&mut out)?;
        man.render_description_section(&mut out)?;
        paragraphs(texts).to_writer(&mut out)?;
        man.render_options_section(&mut out)?;
        if command.has_subcommands() {
            man.render_subcommands_section(&mut out)?;
        }
        texts.map(more).unwrap_or_default().to_writer(&mut out)?;
        see_also(related).to_writer(&mut out)
    })();
    result.expect("memory can be written to");
    // Each piece begins with the same macros, and mandoc wants no empty lines.
    let macros = Roff::new().render();
    let text = String::from_utf8(out).expect("roff writes text").replace(&macros, "");
    macros + &text.replace(".br\n\n.br\n", ".sp\n")
}

/// The lines that the help shows as usage.
fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    for (number, line) in usage.trim_start_matches("Usage:").lines().map(str::trim).enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        let name = command.get_bin_name().unwrap_or_default();
        match line.strip_prefix(name) {
            Some(rest) => roff.text([bold(name), roman(rest)]),
            None => roff.text([roman(line)]),
        };
    }
    roff
}

/// What a manual says of a command beyond the sentence that the help has.
fn paragraphs(texts: Option<&Texts>) -> Roff {
    let mut roff = Roff::new();
    for paragraph in texts.iter().flat_map(|texts| texts.about) {
        roff.control("PP", []).text([roman(*paragraph)]);
    }
    roff
}

/// Examples, exit codes and the environment.
fn more(texts: &Texts) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for (line, remark) in texts.examples {
        item(&mut roff, line, remark);
    }
    roff.control("SH", ["EXIT STATUS"]);
    if !texts.exits.is_empty() {
        for exit in [Exit::Done].iter().chain(texts.exits) {
            item(&mut roff, &(*exit as u8).to_string(), exit.meaning());
        }
    }
    if !texts.several.is_empty() {
        if !texts.exits.is_empty() {
            roff.control("PP", []);
        }
        roff.text([roman(texts.several)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in texts.environment.iter().chain(&ENVIRONMENT) {
        item(&mut roff, name, meaning);
    }
    roff
}

/// A word or line in bold, and below it what it means.
fn item(roff: &mut Roff, word: &str, meaning: &str) {
    roff.control("TP", []).text([bold(word)]).text([roman(meaning)]);
}

fn see_also(pages: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    for (number, page) in pages.iter().enumerate() {
        let comma = if number + 1 < pages.len() { "," } else { "" };
        roff.control("BR", [page.as_str(), &format!("(1){comma}")]);
    }
    roff
}
