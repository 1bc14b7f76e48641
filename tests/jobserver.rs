//! Threads by the tokens of make's job server: as many as there are tokens, and all tokens are back however btfgen ends.

mod support;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use support::folder::Folder;
use support::{Run, btfgen_command, compile, must, skipped};

/// A job server of the test's own.
struct Server {
    read: File,
    _write: File,
    makeflags: String,
}

impl Server {
    fn pipe(option: &str, tokens: usize) -> Server {
        // Inherited by whatever is started from now on, as make does it for recipes with a `+`.
        let (read, write) = rustix::pipe::pipe().expect("pipe is made");
        let makeflags = format!(" -j {option}={},{}", read.as_raw_fd(), write.as_raw_fd());
        Server { read: read.into(), _write: File::from(write), makeflags }.with(tokens)
    }

    fn fifo(folder: &Folder, tokens: usize) -> Server {
        let path = folder.file("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("fifo is made");
        let open = || File::options().read(true).write(true).open(&path).expect("fifo opens");
        let makeflags = format!(" -j --jobserver-auth=fifo:{}", path.display());
        Server { read: open(), _write: open(), makeflags }.with(tokens)
    }

    fn with(self, tokens: usize) -> Server {
        assert_eq!(rustix::io::write(&self._write, &vec![b'+'; tokens]), Ok(tokens));
        self
    }

    fn tokens(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.read).expect("pipe can be asked")
    }

    fn command(&self, folder: &Folder, args: &[&str]) -> Command {
        let mut command = btfgen_command(folder.path(), args);
        command.env("MAKEFLAGS", &self.makeflags);
        command
    }

    fn run(&self, folder: &Folder, args: &[&str]) -> Run {
        self.command(folder, args).output().expect("btfgen starts").into()
    }
}

/// `big.o` has ten units of half a megabyte; `1.o` to `4.o` are small.
fn folder() -> Folder {
    let folder = Folder::with_samples();
    let members: String = (0..45_000).map(|i| format!("int m{i};")).collect();
    compile(folder.path(), "unit", &format!("struct big {{ {members} }};"), &["-fno-eliminate-unused-debug-types"]);
    let units = ["unit.o"; 10];
    must(folder.path(), "ld", ["-r", "-o", "big.o"].iter().chain(&units));
    (1..=4).for_each(|n| folder.write(&format!("{n}.o"), &folder.read("sample.o")));
    std::fs::create_dir(folder.file("out")).expect("folder is made");
    folder
}

#[track_caller]
fn allows(run: &Run, threads: usize) {
    let text = format!("btfgen: threads that make's job server allows: {threads}\n");
    assert!(run.err.contains(&text), "not {threads}: {}", run.err);
}

#[test]
fn as_many_threads_as_tokens() {
    let folder = folder();
    let alone: Run =
        btfgen_command(folder.path(), ["-j1", "--detached", "1.btf", "big.o"]).output().expect("runs").into();
    assert_eq!((alone.code, alone.err.as_str()), (0, ""));
    let big = ["-v", "--detached", "out.btf", "big.o"];
    for (tokens, threads) in [(0, 1), (1, 2), (2, 3), (9, 4)] {
        let servers = [
            Server::pipe("--jobserver-auth", tokens),
            Server::pipe("--jobserver-fds", tokens),
            Server::fifo(&folder, tokens),
        ];
        for server in servers {
            let run = server.run(&folder, &[&["-j4"], &big[..]].concat());
            assert_eq!((run.code, server.tokens()), (0, tokens as u64), "{}: {}", server.makeflags, run.err);
            allows(&run, threads);
            assert_eq!(folder.read("out.btf"), folder.read("1.btf"));
        }
        std::fs::remove_file(folder.file("fifo")).expect("it was made");
    }
    // Without a number: at most one per core.
    let server = Server::fifo(&folder, 3);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for flags in [&big[..], &[&["-j"], &big[..]].concat()] {
        allows(&server.run(&folder, flags), cores.min(4));
    }
    // A small file is not worth a second thread, each of several files is.
    allows(&server.run(&folder, &["-vj8", "--detached", "out.btf", "1.o"]), 1);
    allows(&server.run(&folder, &["-vj8", "--detached-dir", "out", "1.o", "2.o", "3.o"]), 3);
    assert_eq!(server.tokens(), 3);
}

#[test]
fn tokens_are_back_after_errors() {
    let folder = folder();
    let server = Server::fifo(&folder, 3);
    folder.write("text.o", b"no ELF");
    let mut damaged = folder.read("big.o");
    let elf = dwarf::elf::ElfFile::parse(&damaged).expect("it is ELF");
    let info = elf.section(b".debug_info").expect("it has DWARF");
    // No abbreviations have such numbers.
    let end = (info.offset + info.size) as usize;
    damaged[end - 1000..end].fill(0xff);
    folder.write("damaged.o", &damaged);
    for (code, threads, args) in [
        (3, 4, &["-vj4", "--detached", "out.btf", "damaged.o"][..]),
        (3, 4, &["-vj4", "--detached-dir", "out", "1.o", "text.o", "2.o", "3.o"]),
        (1, 3, &["-vj4", "--detached-dir", "out", "1.o", "missing.o", "2.o"]),
        (1, 4, &["-vj4", "--detached", "missing/out.btf", "big.o"]),
    ] {
        let run = server.run(&folder, args);
        assert_eq!((run.code, server.tokens()), (code, 3), "{args:?}: {}", run.err);
        allows(&run, threads);
    }
    assert_eq!(server.run(&folder, &["-j4"]).code, 2);
    assert_eq!(server.tokens(), 3);
}

/// btfgen with three tokens, waiting for someone to read what it writes.
fn waiting(folder: &Folder, server: &Server, mut command: Command) -> Child {
    let out = folder.file("out/1.o.btf");
    if !out.exists() {
        mknodat(CWD, out, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("fifo is made");
    }
    let child = command.stderr(Stdio::null()).spawn().expect("btfgen starts");
    until("tokens are taken", || server.tokens() == 0);
    child
}

#[track_caller]
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}

fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is readable");
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).expect("it has a set of signals");
    u64::from_str_radix(ignored.trim(), 16).expect("it is hexadecimal") >> (signal.as_raw() - 1) & 1 == 1
}

const WAITING: [&str; 6] = ["--detached-dir", "out", "1.o", "2.o", "3.o", "4.o"];

#[test]
fn tokens_are_back_after_signals() {
    let folder = folder();
    for (server, signal) in [
        (Server::pipe("--jobserver-auth", 3), Signal::TERM),
        (Server::fifo(&folder, 3), Signal::INT),
        (Server::pipe("--jobserver-fds", 3), Signal::HUP),
    ] {
        // So it is for what a script started in the background, and then for btfgen, too.
        if is_ignored(signal) {
            skipped(&format!("{signal:?} is ignored here"));
            continue;
        }
        let command = server.command(&folder, &[&["-j4"], &WAITING[..]].concat());
        let mut child = waiting(&folder, &server, command);
        kill_process(Pid::from_child(&child), signal).expect("it is there");
        let status = child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
        assert_eq!(server.tokens(), 3);
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let folder = folder();
    let server = Server::fifo(&folder, 3);
    let script = format!("trap '' HUP; exec '{}' -j4 {}", env!("CARGO_BIN_EXE_btfgen"), WAITING.join(" "));
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args(["-c", &script]).env("MAKEFLAGS", &server.makeflags);
    let mut child = waiting(&folder, &server, command);
    kill_process(Pid::from_child(&child), Signal::HUP).expect("it is there");
    // It goes on once its output is read.
    let read = std::fs::read(folder.file("out/1.o.btf")).expect("fifo is readable");
    assert!(!read.is_empty());
    assert!(child.wait().expect("it ends").success());
    assert_eq!(server.tokens(), 3);
}

#[test]
fn what_is_no_job_server() {
    let folder = folder();
    let closed =
        ["--jobserver-auth=198,199", "--jobserver-auth=-2,-2", "--jobserver-auth=fifo:/nowhere", "--jobserver-auth=x"];
    for flags in closed {
        let run = |args: &[&str]| -> Run {
            let mut command = btfgen_command(folder.path(), args);
            command.env("MAKEFLAGS", format!("k -j4 {flags}")).output().expect("btfgen starts").into()
        };
        let quiet = run(&["--detached", "out.btf", "big.o"]);
        assert_eq!((quiet.code, quiet.err.as_str()), (0, ""), "{flags}");
        let said = run(&["-v", "--detached", "out.btf", "big.o"]).err;
        assert!(said.starts_with("btfgen: make's job server cannot be reached ("), "{flags}: {said}");
    }
    for flags in ["", "k", " -j"] {
        let mut command = btfgen_command(folder.path(), ["-v", "--detached", "out.btf", "big.o"]);
        let run: Run = command.env("MAKEFLAGS", flags).output().expect("btfgen starts").into();
        assert!(run.code == 0 && !run.err.contains("server"), "{flags}: {}", run.err);
    }
}

/// By the real make, which counts its tokens at the end.
#[test]
fn make() {
    let folder = folder();
    let btfgen = env!("CARGO_BIN_EXE_btfgen");
    let rule = |plus: &str| format!("all:\n\t{plus}'{btfgen}' -vj8 --detached out.btf big.o\n");
    let failing = format!("all: a b c\na b c:\n\t+'{btfgen}' -vj8 --detached-dir out 1.o $@.o 2.o\n");
    folder.write("plus.mk", rule("+").as_bytes());
    folder.write("plain.mk", rule("").as_bytes());
    folder.write("failing.mk", failing.as_bytes());
    let make = |file: &str| -> Run {
        let mut command = Command::new("make");
        command.current_dir(folder.path()).args(["-k", "-j3", "-f", file]).env("LC_ALL", "C");
        ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS"].iter().for_each(|name| _ = command.env_remove(name));
        let run: Run = command.output().expect("make starts").into();
        assert!(!run.err.contains("INTERNAL") && !run.err.contains("token"), "{}", run.err);
        run
    };
    let run = make("plus.mk");
    assert_eq!(run.code, 0, "{}", run.err);
    allows(&run, 3);
    let run = make("plain.mk");
    assert_eq!(run.code, 0, "{}", run.err);
    // From make 4.4 on, all recipes reach it.
    let reached = run.err.contains("job server allows: 3");
    assert!(reached || run.err.contains("job server cannot be reached"), "{}", run.err);
    assert_eq!(make("failing.mk").code, 2);
}
