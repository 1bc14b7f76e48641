//! The commands of the README, the guide and the troubleshooting page are run as they stand there.
//!
//! A page gets a folder with a kernel and a module, as `docs/sandbox.rs` makes it. What counts as a command, and how a page says that one
//! is run elsewhere, is in `docs/page.rs`.

mod support;

#[path = "docs/page.rs"]
mod page;
#[path = "docs/sandbox.rs"]
mod sandbox;

use std::fs;
use std::path::PathBuf;

use page::{Block, Page};
use sandbox::Sandbox;
use support::root;

/// The pages, from the root on.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "docs/troubleshooting.md".to_owned()];
    let guide = fs::read_dir(root().join("docs/guide")).expect("the guide is there");
    let names = guide.map(|entry| entry.expect("it is readable").file_name().into_string().expect("in UTF-8"));
    pages.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/guide/{name}")));
    pages.sort();
    pages
}

fn read(name: &str) -> Page {
    let text = fs::read_to_string(root().join(name)).expect("the page is readable");
    page::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Runs all commands of a page, one after the other; how many there were, and what went wrong.
fn run_page(name: &str) -> (usize, Vec<String>) {
    let page = read(name);
    let sandbox = Sandbox::new();
    let (mut count, mut failures) = (0, Vec::new());
    for block in &page.blocks {
        match block {
            Block::Shell { line, commands } => {
                count += 1;
                let run = sandbox.run(commands);
                if run.code != 0 {
                    failures.push(format!("{name}:{line}: exit code {}\n{commands}\n{}", run.code, run.all()));
                }
            }
            Block::Console { line, steps } => {
                for step in steps {
                    count += 1;
                    let run = sandbox.run(&step.command);
                    let text = run.all();
                    if run.code != step.code {
                        failures.push(format!("{name}:{line}: exit code {}\n{}\n{text}", run.code, step.command));
                    } else if !page::matches(&text, &step.output) {
                        let shown = step.output.join("\n");
                        failures
                            .push(format!("{name}:{line}: {}\nthe page shows\n{shown}\nit is\n{text}", step.command));
                    }
                }
            }
            Block::Elsewhere { line, script, commands } => {
                count += 1;
                failures.extend(run_elsewhere(name, script, commands).map(|e| format!("{name}:{line}: {e}")));
            }
        }
    }
    for (line, command) in &page.inline {
        count += 1;
        if page::has_placeholder(command) {
            failures.extend(sandbox.check_flags(command).map(|e| format!("{name}:{line}: {e}")));
            continue;
        }
        let run = sandbox.run(command);
        if run.code != 0 {
            failures.push(format!("{name}:{line}: exit code {}\n{command}\n{}", run.code, run.all()));
        }
    }
    (count, failures)
}

/// A block that a script runs: `.ci/run` has its lines, other scripts take them from the page (`doc_commands` of scripts/lib.sh),
/// another page has the same ones.
fn run_elsewhere(page: &str, script: &str, commands: &[String]) -> Option<String> {
    let text = match fs::read_to_string(root().join(script)) {
        Ok(text) => text,
        Err(e) => return Some(format!("{script}: {e}")),
    };
    let is_there = |command: &str| match script {
        ".ci/run" => text.lines().any(|line| line.starts_with("step ") && line.ends_with(&format!(" {command}"))),
        _ if script.ends_with(".md") => text.lines().any(|line| line == command),
        _ => text.contains(&format!("doc_commands {page} {script}")),
    };
    let missing: Vec<&str> = commands.iter().map(String::as_str).filter(|c| !is_there(c)).collect();
    (!missing.is_empty()).then(|| format!("not in {script}: {}", missing.join("; ")))
}

#[test]
fn commands_run_as_they_stand_there() {
    let mut failures = Vec::new();
    for name in pages() {
        let (count, failed) = run_page(&name);
        assert!(count > 0, "{name} has no commands: is it read rightly?");
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Links between the pages of the documentation lead somewhere.
#[test]
fn links_lead_somewhere() {
    let docs = fs::read_dir(root().join("docs")).expect("it is there");
    let docs =
        docs.map(|entry| entry.expect("it is readable").path()).filter(|p| p.extension().is_some_and(|e| e == "md"));
    let others = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
    let all: Vec<PathBuf> = pages().iter().map(|name| root().join(name)).chain(docs).chain(others).collect();
    let mut broken = Vec::new();
    for path in all {
        let text = fs::read_to_string(&path).expect("the page is readable");
        for link in page::links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("it has one").join(file) };
            let has_anchor = || {
                let text = fs::read_to_string(&target).unwrap_or_default();
                page::anchors(&text).iter().any(|a| a == anchor)
            };
            if !target.exists() || (!anchor.is_empty() && !has_anchor()) {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pages_are_read_rightly() {
    let text = "\
# A page\n\n```sh\nbtfgen vmlinux\nls\n```\n\n`btfgen check foo.ko` and `btfgen -o OUT foo.ko`\n\n```console\n$ btfgen check x\nx: bad\n...\n\
        $ echo $?\n10\n```\n\n<!-- run by .ci/run -->\n```sh\nmake demo     # shows it\n```\n\n```nix\nbuild\n```\n";
    let page = page::parse(text).expect("it is right");
    assert_eq!(page.blocks.len(), 3);
    assert!(matches!(&page.blocks[0], Block::Shell { line: 3, commands } if commands == "btfgen vmlinux\nls"));
    let Block::Console { steps, .. } = &page.blocks[1] else { panic!("not a console block") };
    assert_eq!((steps.len(), steps[0].code, steps[0].output.len()), (1, 10, 2));
    assert!(matches!(&page.blocks[2], Block::Elsewhere { commands, .. } if commands == &["make demo"]));
    assert_eq!(page.inline.len(), 2);
    assert!(page::has_placeholder(&page.inline[1].1) && !page::has_placeholder(&page.inline[0].1));
    for wrong in ["    btfgen vmlinux\n", "```sh\nls\n", "```text\n$ btfgen x\n```\n", "```nix\nbtfgen x\n```\n"] {
        assert!(page::parse(wrong).is_err(), "{wrong}");
    }
    assert!(page::matches("a 1\nb\nc\n", &["a ...".into(), "...".into(), "c".into()]));
    assert!(!page::matches("a 1\nb\n", &["a 2".into(), "b".into()]));
    assert!(!page::matches("a\nb\n", &["a".into()]), "what the page leaves out it marks");
    assert!(page::matches("a b c d\n", &["a ... c...".into()]) && !page::matches("a b d\n", &["a ... c...".into()]));
}
