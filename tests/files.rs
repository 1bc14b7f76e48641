//! What happens to files when something comes in between: each is the old one or the new one, whole, nothing else is left, and the
//! reason is one clear line. `make test-faults` does the same at random moments and for each system call.

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::folder::Folder;
use support::ids::{Module, SETS};
use support::{btfgen, btfgen_command, encode, must};

fn fifo(folder: &Folder, name: &str) {
    must(folder.path(), "mkfifo", [name]);
}

fn start(folder: &Folder, args: &[&str]) -> Child {
    let mut command = btfgen_command(folder.path(), args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("btfgen starts")
}

fn end(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().expect("it ends");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[track_caller]
fn wait_for(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `what` is done to a file after it was mapped and before it is parsed: `--patch_btfids` opens the file, then waits for the ids.
#[track_caller]
fn changed_while_it_is_read(what: impl Fn(&File), whole: bool) {
    let module = Module::new(SETS);
    let folder = &module.folder;
    let ids = support::section(&folder.file("m.ko"), ".BTF_ids").expect("it has ids");
    fifo(folder, "ids");
    let names = folder.names();
    let child = start(folder, &["resolve_btfids", "--patch_btfids", "ids", "m.ko"]);
    // Opens when the other side does.
    let mut pipe = OpenOptions::new().write(true).open(folder.file("ids")).expect("it opens");
    what(&OpenOptions::new().write(true).open(folder.file("m.ko")).expect("it opens"));
    let changed = folder.read("m.ko");
    pipe.write_all(&ids).expect("it is read");
    drop(pipe);
    let error = "FAILED: m.ko: it was changed while it was read: run again when nothing else writes it\n";
    assert_eq!(end(child), if whole { (Some(0), String::new()) } else { (Some(255), error.into()) });
    assert!(folder.read("m.ko") == changed);
    assert_eq!(folder.names(), names);
}

#[test]
fn a_file_that_is_cut_short_while_it_is_read() {
    changed_while_it_is_read(|_| (), true);
    changed_while_it_is_read(|file| file.set_len(0).expect("it can be cut"), false);
    changed_while_it_is_read(|file| file.set_len(64).expect("it can be cut"), false);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read() {
    // The number of sections, as far as headers can lie.
    changed_while_it_is_read(|file| file.write_all_at(&[0xff; 4], 60).expect("it is written"), false);
    changed_while_it_is_read(|file| file.write_all_at(b"x", file.metadata().unwrap().len()).unwrap(), false);
}

#[test]
fn a_copy_is_not_made_of_a_file_that_changed() {
    let folder = Folder::with_samples();
    fifo(&folder, "base.fifo");
    // The stamp reads the base first, as a file; then it comes slowly.
    let child = start(&folder, &["--btf_base", "base.fifo", "-o", "copy", "driver.ko"]);
    let mut pipe = OpenOptions::new().write(true).open(folder.file("base.fifo")).expect("it opens");
    pipe.write_all(&folder.read("base")).expect("it is read");
    drop(pipe);
    assert_eq!(end(child), (Some(0), String::new()));
    // Reading is over when the output is opened.
    fifo(&folder, "out.fifo");
    let child = start(&folder, &["--btf_base", "base", "-o", "out.fifo", "driver.ko"]);
    wait_for(|| is_waiting_in_open(&child));
    OpenOptions::new().write(true).open(folder.file("driver.ko")).unwrap().set_len(100).expect("it can be cut");
    let copied = Command::new("cat").arg(folder.file("out.fifo")).output().expect("cat runs").stdout;
    let error = "btfgen: error: driver.ko: it was changed while it was read: run again when nothing else writes it\n";
    assert_eq!(end(child), (Some(1), error.into()));
    assert!(copied.len() <= 100);
}

/// Whether a process waits for the other side of a pipe.
fn is_waiting_in_open(child: &Child) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
    let waits_in = |path: PathBuf| fs::read_to_string(path.join("wchan")).unwrap_or_default();
    tasks.map(|task| waits_in(task.path())).any(|name| name.contains("fifo_open") || name.contains("wait_for_partner"))
}

#[test]
fn signals_leave_no_temporary_file() {
    let folder = Folder::with_samples();
    fifo(&folder, "out");
    let before = folder.listing();
    for (signal, name) in [(1, "HUP"), (2, "INT"), (3, "QUIT"), (15, "TERM"), (24, "XCPU")] {
        // The base is there, and waits until the BTF is.
        let mut child =
            start(&folder, &["--btf_base", "base", "--distill_base", "--btf_encode_detached", "out", "driver.ko"]);
        wait_for(|| folder.names().iter().any(|name| name.starts_with(".btfgen-out.base.")));
        must(folder.path(), "kill", [&format!("-{name}"), &child.id().to_string()]);
        let status = child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(signal), "{name}");
        assert!(folder.listing() == before, "{name}: {:?}", folder.names());
    }
}

#[test]
fn what_the_parent_ignores_stays_ignored() {
    let folder = Folder::with_samples();
    let program = env!("CARGO_BIN_EXE_btfgen");
    fifo(&folder, "out");
    let script = format!("trap '' HUP; exec {program} --btf_encode_detached out sample.o");
    let child = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).spawn().expect("sh starts");
    wait_for(|| is_waiting_in_open(&child));
    must(folder.path(), "kill", ["-HUP", &child.id().to_string()]);
    let out = Command::new("cat").arg(folder.file("out")).output().expect("cat runs").stdout;
    assert!(out.starts_with(&[0x9f, 0xeb]));
    assert_eq!(end(child).0, Some(0));
}

#[test]
fn of_files_that_belong_together_all_are_new_or_none() {
    let folder = Folder::with_samples();
    let run = |args: &[&str]| btfgen(folder.path(), args);
    for names in [["out.base", "out"], ["ids", "out"]] {
        names.iter().for_each(|name| folder.write(name, b"old"));
    }
    // The last cannot be written: full, no file, no folder.
    fs::remove_file(folder.file("out")).expect("it is there");
    symlink("/dev/full", folder.file("out")).expect("it is made");
    let detached = ["--btf_base", "base", "--distill_base", "--btf_encode_detached", "out", "driver.ko"];
    let before = folder.listing();
    let result = run(&detached);
    let error = "btfgen: error: out: cannot write `out`: No space left on device (os error 28)\n";
    assert_eq!((result.code, result.err.as_str()), (1, error));
    assert!(folder.listing() == before, "{:?}", folder.names());
    fs::remove_file(folder.file("out")).expect("it is there");
    fs::create_dir(folder.file("out")).expect("it is made");
    let before = folder.listing();
    assert_eq!(run(&detached).code, 1);
    let module = Module::new(SETS);
    let file = module.folder.file("m.ko");
    let result = run(&["--btf_object", "out", "--btf_ids", "ids", file.to_str().expect("in UTF-8")]);
    assert_eq!(
        (result.code, &*result.err),
        (1, "btfgen: error: out: cannot open `out`: Is a directory (os error 21)\n")
    );
    assert!(folder.listing() == before, "{:?}", folder.names());
    // And when they can be.
    fs::remove_dir(folder.file("out")).expect("it is there");
    encode(folder.path(), detached);
    assert!(folder.read("out").starts_with(&[0x9f, 0xeb]) && folder.read("out.base").starts_with(&[0x9f, 0xeb]));
}

#[test]
fn side_files_of_resolve_btfids_are_all_new_or_none() {
    let module = Module::new(SETS);
    let folder = &module.folder;
    folder.write("m.ko.BTF.base", b"old");
    folder.write("m.ko.BTF_ids", b"old");
    symlink("/dev/full", folder.file("m.ko.BTF")).expect("it is made");
    let before = folder.listing();
    let args = ["--btf", "m.1", "-b", "vmlinux", "--distill_base", "m.ko"];
    let run = module.run(&args);
    let error = "FAILED: cannot write `m.ko.BTF`: No space left on device (os error 28)\n";
    assert_eq!(run.code, 255);
    assert!(run.err.ends_with(error), "{}", run.err);
    assert!(folder.listing() == before, "{:?}", folder.names());
    fs::remove_file(folder.file("m.ko.BTF")).expect("it is there");
    assert_eq!(module.run(&args).code, 0);
    assert!(["m.ko.BTF", "m.ko.BTF.base", "m.ko.BTF_ids"].iter().all(|name| folder.read(name) != b"old"));
}

#[test]
fn files_that_may_not_grow() {
    let folder = Folder::with_samples();
    let before = folder.listing();
    // Blocks of 512 bytes.
    for blocks in [0, 1, 4] {
        let program = env!("CARGO_BIN_EXE_btfgen");
        // `make coverage` must not write there, and complain, either.
        let script =
            format!("export LLVM_PROFILE_FILE=/dev/null; ulimit -f {blocks}; exec {program} --btf_base base driver.ko");
        let run = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh runs");
        let said = String::from_utf8_lossy(&run.stderr);
        let target = folder.path().canonicalize().unwrap().join("driver.ko");
        let error = format!("driver.ko: cannot write `{}`: File too large (os error 27)\n", target.display());
        assert_eq!((run.status.code(), &*said), (Some(1), &*format!("btfgen: error: {error}")));
        assert!(folder.listing() == before, "{:?}", folder.names());
    }
}

#[test]
fn nobody_who_listens() {
    let folder = Folder::with_samples();
    encode(folder.path(), ["--btf_base", "base", "driver.ko"]);
    let run = |script: &str| {
        let script = script.replace("BTFGEN", env!("CARGO_BIN_EXE_btfgen"));
        let run = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh runs");
        (run.status.code().unwrap_or(-1), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    // A message that cannot be printed changes nothing.
    assert_eq!(run("BTFGEN nothing.ko 2>/dev/full").0, 1);
    assert_eq!(run("BTFGEN -v --btf_base base driver.ko 2>/dev/full").0, 0);
    assert_eq!(run("BTFGEN nothing.ko 2>&-").0, 1);
    assert_eq!(run("{ BTFGEN -v --btf_base base driver.ko 2>&1; echo $? >code; } | true").0, 0);
    assert_eq!(folder.read("code"), b"0\n");
    // A result that cannot be printed is an error, if somebody wants it.
    let full = "standard output: No space left on device (os error 28)\n";
    for command in ["check --btf_base base driver.ko", "dump --btf_base base driver.ko"] {
        assert_eq!(run(&format!("BTFGEN {command} >/dev/full")), (1, format!("btfgen: error: {full}")));
        assert_eq!(run(&format!("{{ BTFGEN {command}; echo $? >code; }} | true")), (0, String::new()), "{command}");
        assert_eq!(folder.read("code"), b"0\n", "{command}");
    }
    for command in ["--version", "--numeric_version", "--supported_btf_features"] {
        assert_eq!(run(&format!("BTFGEN --pahole {command} >/dev/full")), (1, format!("btfgen: error: {full}")));
    }
}

#[test]
fn several_runs_on_one_file_at_once() {
    let folder = Folder::with_samples();
    let linked = folder.read("driver.ko");
    encode(folder.path(), ["--btf_base", "base", "driver.ko"]);
    let encoded = folder.read("driver.ko");
    let names = folder.names();
    for _ in 0..20 {
        folder.write("driver.ko", &linked);
        let children: Vec<_> = (0..4).map(|_| start(&folder, &["--btf_base", "base", "driver.ko"])).collect();
        let ends: Vec<_> = children.into_iter().map(end).collect();
        for (code, said) in &ends {
            let changed = *code == Some(1) && said.lines().count() == 1 && said.contains("changed while it was read");
            assert!(*code == Some(0) && said.is_empty() || changed, "{code:?}: {said}");
        }
        assert!(ends.iter().any(|(code, _)| *code == Some(0)), "{ends:?}");
        assert!(folder.read("driver.ko") == encoded);
        assert_eq!(folder.names(), names);
    }
}
