//! How btfgen talks: progress and colours on a terminal, silence where it is asked for, help that is true, manual pages and completions.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use support::folder::Folder;
use support::{Run, btfgen, btfgen_command, must, root, tool, works};

/// The error that a command ends with in these tests.
const MISSING: &str = "nowhere.ko: cannot be read: ";
/// Bold red and bold yellow, the colours of the words `error:` and `warning:`.
const RED: &str = "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m";

/// Runs btfgen with standard error on a terminal; what came there.
fn on_terminal<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>, environment: &[(&str, &str)]) -> Run {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("it can be opened");
    let name = ptsname(&controller, Vec::new()).expect("it has a name");
    let name = Path::new(name.to_str().expect("in UTF-8"));
    let terminal: OwnedFd = {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = OFlags::NOCTTY.bits() as i32;
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).expect("it is opened").into()
    };
    let mut command = btfgen_command(folder, args);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm").envs(environment.iter().copied());
    let child = command.stdout(Stdio::piped()).stderr(terminal).spawn().expect("btfgen starts");
    // The command holds the other end open, which would keep this one from ending.
    drop(command);
    let reader = std::thread::spawn(move || {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let mut controller = File::from(controller);
        // The error is how a terminal ends.
        while let Ok(count @ 1..) = controller.read(&mut buffer) {
            said.extend_from_slice(&buffer[..count]);
        }
        said
    });
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8(reader.join().expect("it was read")).expect("UTF-8");
    Run { code: output.status.code().unwrap_or(-1), out: output.stdout, err }
}

#[test]
fn progress_is_for_terminals() {
    let folder = Folder::with_samples();
    fs::create_dir(folder.file("out")).expect("folder is made");
    let args = ["--detached-dir", "out", "--btf_base", "base", "sample.o", "driver.ko"];
    let run = on_terminal(folder.path(), args, &[]);
    assert!(run.code == 0 && run.err.contains("/2 files"), "{run:?}");
    // Nothing of it is left on the screen.
    assert!(run.err.trim_end_matches('\r').ends_with("\u{1b}[2K"), "{run:?}");
    for quiet in ["-q", "--quiet"] {
        let run = on_terminal(folder.path(), [quiet].into_iter().chain(args), &[]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{quiet}");
    }
    let run = btfgen(folder.path(), args);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "a pipe");
}

#[test]
fn colours() {
    let folder = Folder::new();
    let args = |color: &'static str| [color, "--no-base", "nowhere.ko"].into_iter().filter(|arg| !arg.is_empty());
    let coloured = format!("btfgen: {RED} {MISSING}");
    let plain = format!("btfgen: error: {MISSING}");
    for (color, environment, expected) in [
        ("", &[][..], &coloured),
        ("--color=auto", &[], &coloured),
        ("--color=never", &[], &plain),
        ("", &[("NO_COLOR", "1")], &plain),
        ("", &[("NO_COLOR", "")], &coloured),
        ("", &[("CLICOLOR", "0")], &plain),
        ("", &[("TERM", "dumb")], &plain),
        ("--color=always", &[("NO_COLOR", "1")], &coloured),
        ("--color=always", &[("TERM", "dumb")], &coloured),
    ] {
        let run = on_terminal(folder.path(), args(color), environment);
        assert!(run.code == 1 && run.err.contains(expected.as_str()), "{color} {environment:?}: {run:?}");
    }
    let piped = |color: &'static str, environment: &[(&str, &str)]| {
        let mut command = btfgen_command(folder.path(), args(color));
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        Run::from(command.envs(environment.iter().copied()).output().expect("it starts")).err
    };
    assert!(piped("", &[]).starts_with(&plain));
    assert!(piped("--color=auto", &[("CLICOLOR", "1")]).starts_with(&plain));
    assert!(piped("--color=always", &[]).starts_with(&coloured));
    assert!(piped("", &[("CLICOLOR_FORCE", "1")]).starts_with(&coloured));
    // What clap says is no exception; no file name is taken for the flag.
    let wrong = |args: &[&str]| on_terminal(folder.path(), args, &[]).err;
    assert!(wrong(&["--nonsense"]).contains('\u{1b}'));
    assert!(!wrong(&["--color=never", "--nonsense"]).contains('\u{1b}'));
    assert!(!wrong(&["--nonsense", "--color", "never"]).contains('\u{1b}'));
    assert!(wrong(&["--no-base", "--", "--color=never"]).contains(RED));
    let run = btfgen(folder.path(), ["--color=mauve", "x"]);
    assert!(run.code == 2 && run.err.contains("possible values: auto, always, never"), "{}", run.err);
}

/// What was asked for is no remark: it is the same on a terminal, in a pipe, with and without `--quiet`.
#[test]
fn quiet_keeps_results_and_errors() {
    let folder = Folder::with_samples();
    must(folder.path(), "cp", ["vmlinux", "kernel"]);
    assert_eq!(btfgen(folder.path(), ["kernel"]).code, 0);
    let asked: [&[&str]; 3] = [&["dump", "base"], &["verify", "base"], &["check", "--btf_base", "base", "driver.ko"]];
    for args in asked {
        let plain = btfgen(folder.path(), args);
        assert!(!plain.out.is_empty(), "{args:?}");
        for quiet in ["-q", "--quiet", "--color=never"] {
            let before: Vec<&str> = [quiet].into_iter().chain(args.iter().copied()).collect();
            let behind: Vec<&str> = args.iter().copied().chain([quiet]).collect();
            assert_eq!(btfgen(folder.path(), &before), plain, "{before:?}");
            assert_eq!(btfgen(folder.path(), &behind), plain, "{behind:?}");
        }
    }
    // Before anything else the flags do not make a file of the subcommand; behind a file they are the file's.
    let run = btfgen(folder.path(), ["-q", "--color", "never", "check"]);
    assert!(run.code == 2 && run.err.contains("btfgen check"), "{}", run.err);
    let run = btfgen(folder.path(), ["--quiet", "nowhere.o"]);
    assert!(run.code == 1 && run.err.contains("btfgen: error: nowhere.o: "), "{}", run.err);
}

#[test]
fn the_base_that_was_found_is_a_remark() {
    let folder = Folder::with_samples();
    let release = "6.12.0-test";
    let place = format!("root/lib/modules/{release}/build");
    fs::create_dir_all(folder.file(&place)).expect("folders are made");
    must(folder.path(), "cp", ["base", &format!("{place}/vmlinux")]);
    folder.write("modinfo", format!("vermagic={release} SMP\0").as_bytes());
    must(folder.path(), "objcopy", ["--add-section", ".modinfo=modinfo", "driver.ko", "foo.ko"]);
    let run = |args: &[&str]| {
        let mut command = btfgen_command(folder.path(), args);
        Run::from(command.env("BTFGEN_ROOT", folder.file("root")).output().expect("it starts"))
    };
    let said = run(&["-o", "out.ko", "foo.ko"]);
    assert!(said.code == 0 && said.err.starts_with("btfgen: base: "), "{said:?}");
    assert_eq!(run(&["-q", "-o", "out.ko", "foo.ko"]), Run { code: 0, out: Vec::new(), err: String::new() });
}

/// Commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = String::from_utf8(btfgen(&root(), ["-h"]).out).expect("UTF-8");
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("it has commands");
    let names =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    names.filter(|name| *name != "help").map(String::from).collect()
}

#[test]
fn help_has_examples_and_exit_codes() {
    let commands = commands();
    assert!(commands.iter().any(|c| c == "check") && commands.iter().all(|c| c != "generate"), "{commands:?}");
    let own = ["--help", "-h"].map(|flag| vec![flag]);
    let others = commands.iter().map(|command| vec![command.as_str(), "--help"]);
    let stand_ins = [vec!["--pahole", "--help"], vec!["resolve_btfids", "--help"]];
    for args in own.into_iter().chain(others).chain(stand_ins) {
        let run = btfgen(&root(), &args);
        let help = String::from_utf8(run.out).expect("UTF-8");
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{args:?}");
        assert!(help.contains("\nExamples:\n  ") && help.contains("\nExit codes:\n  0"), "{args:?}:\n{help}");
        let below = help.split("\nExamples:\n").nth(1).expect("it is there");
        assert_eq!(below.lines().find(|line| line.len() > 79), None, "{args:?}");
    }
}

#[test]
fn manual_pages() {
    let folder = Folder::new();
    assert_eq!(btfgen(folder.path(), ["generate", "share"]), Run { code: 0, out: Vec::new(), err: String::new() });
    let pages: Vec<String> = commands()
        .iter()
        .map(|command| format!("btfgen-{command}"))
        .chain(["btfgen", "btfgen-pahole", "btfgen-resolve_btfids"].map(String::from))
        .map(|name| format!("share/man/man1/{name}.1"))
        .collect();
    let mut found: Vec<String> = folder.names().into_iter().filter(|name| name.ends_with(".1")).collect();
    found.sort();
    let mut expected = pages.clone();
    expected.sort();
    assert_eq!(found, expected);
    for page in &pages {
        let text = String::from_utf8(folder.read(page)).expect("UTF-8");
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "\"SEE ALSO\""]
        {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{page} has no {section}");
        }
        assert!(
            !text.contains("\n\n") && text.contains(&format!("\"btfgen {}\"", env!("CARGO_PKG_VERSION"))),
            "{page}"
        );
    }
    if works("mandoc", &["/dev/null"]) {
        for page in &pages {
            let run =
                tool(folder.path(), "mandoc", ["-Tlint", "-Wwarning", page]).unwrap_or_else(|e| panic!("{page}: {e}"));
            assert_eq!(String::from_utf8_lossy(&run.out), "", "{page}");
        }
    } else {
        support::skipped("mandoc is not installed");
    }
    if works("groff", &["--version"]) {
        for page in &pages {
            let run = must(folder.path(), "groff", ["-man", "-ww", "-Tutf8", "-K", "utf8", page]);
            assert_eq!(run.err, "", "{page}");
            assert!(run.out.len() > 500, "{page}");
        }
    } else {
        support::skipped("groff is not installed");
    }
    // Again, elsewhere: the same bytes.
    btfgen(folder.path(), ["generate", "again"]);
    must(folder.path(), "diff", ["-r", "share", "again"]);
}

#[test]
fn completions_parse() {
    let folder = Folder::new();
    assert_eq!(btfgen(folder.path(), ["generate", "share"]).code, 0);
    for (shell, path) in [
        ("bash", "share/bash-completion/completions/NAME"),
        ("zsh", "share/zsh/site-functions/_NAME"),
        ("fish", "share/fish/vendor_completions.d/NAME.fish"),
    ] {
        for name in ["btfgen", "btfgen-pahole", "btfgen-resolve_btfids"] {
            let path = path.replace("NAME", name);
            let text = String::from_utf8(folder.read(&path)).expect("UTF-8");
            assert!(text.contains("btf_base") && !text.contains("generate") && !text.contains("btf_gen_all"), "{path}");
            if works(shell, &["--version"]) {
                let run = must(folder.path(), shell, ["-n", &path]);
                assert_eq!(run.err, "", "{path}");
            } else {
                support::skipped(&format!("{shell} is not installed"));
            }
        }
    }
}

/// bash is asked what it would complete.
#[test]
fn bash_completes() {
    let folder = Folder::new();
    assert_eq!(btfgen(folder.path(), ["generate", "share"]).code, 0);
    let completed = |words: &str| {
        let script = format!(
            "source share/bash-completion/completions/btfgen; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _btfgen btfgen \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let run = must(folder.path(), "bash", ["-c", &script]);
        String::from_utf8(run.out).expect("UTF-8").lines().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(completed("btfgen ver"), ["verify"]);
    assert_eq!(completed("btfgen --fs"), ["--fsync"]);
    assert_eq!(completed("btfgen --fsync a"), ["auto", "always"]);
    assert_eq!(completed("btfgen verify --js"), ["--json"]);
    assert_eq!(completed("btfgen verify --level k"), ["kernel"]);
    let made: Vec<String> = completed("btfgen -").into_iter().filter(|flag| flag.starts_with("--")).collect();
    assert!(made.len() > 20 && made.contains(&"--color".to_owned()), "{made:?}");
}

/// A command that does not exist is a file that does not exist; who mistyped it is told so.
#[test]
fn a_mistyped_command() {
    let folder = Folder::new();
    let run = btfgen(folder.path(), ["chekc", "foo.ko"]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("error: chekc: ") && run.err.contains("if this is to be a command: `btfgen check`"),
        "{}",
        run.err
    );
}
