//! A fault in each system call that btfgen makes from the opening of its first file to its end, one after the other, by strace: an
//! error, a signal, or kill -9.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Tally;
use crate::lab::{self, End, Lab, State};

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// It fails.
    Error(&'static str),
    /// The process gets a signal.
    Signal(&'static str),
}

const FAULTS: [Fault; 6] = [
    Fault::Error("EIO"),
    Fault::Error("ENOSPC"),
    Fault::Error("EACCES"),
    Fault::Error("EINTR"),
    Fault::Signal("KILL"),
    Fault::Signal("TERM"),
];

/// Calls that only an error of the kernel, or no memory at all, can let fail, or whose failure nobody can do anything about.
const LEFT_OUT: [&str; 24] = [
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "futex",
    "exit_group",
    "exit",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "sched_getaffinity",
    "sched_yield",
    "clone3",
    "clone",
    "rseq",
    "set_robust_list",
    "gettid",
    "getrandom",
    "poll",
    "prlimit64",
    "arch_prctl",
];

/// Calls that no signal interrupts: they do not wait.
const NEVER_INTERRUPTED: [&str; 3] = ["lseek", "fcntl", "getcwd"];

/// Where the trace goes; not in the folder that is looked at.
const TRACE: &str = "../trace";

pub fn run(tally: &mut Tally, small: bool) {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let careless = lab::careless(&dir.path().join("careless"), "exec cp new file");
    tally.add_failing("a fault in a system call", careless.and_then(|lab| all_calls(&lab, &FAULTS)));
    for (number, lab) in lab::scenarios(dir.path()).into_iter().enumerate() {
        // Of the ones that write like others, only what is their own.
        let faults = if small && number >= 2 { &FAULTS[..1] } else { &FAULTS[..] };
        match lab {
            Ok(lab) => tally.add(&format!("faults in system calls, {}", lab.scenario.name), all_calls(&lab, faults)),
            Err(text) => tally.add("faults in system calls", Err(text)),
        }
    }
}

fn all_calls(lab: &Lab, faults: &[Fault]) -> Result<String, String> {
    let calls = calls(lab)?;
    let (mut runs, mut survived, mut damage) = (0, 0, Vec::new());
    for (call, (before, all)) in &calls {
        let possible = |fault: &&Fault| **fault != Fault::Error("EINTR") || !NEVER_INTERRUPTED.contains(&call.as_str());
        for &fault in faults.iter().filter(possible) {
            // One more than there were: then nothing happens, and the run must succeed.
            for number in before + 1..=all + 1 {
                lab.reset();
                let (end, happened) = traced(lab, call, fault, number)?;
                runs += usize::from(happened);
                match judge(lab, call, fault, &end, happened) {
                    Ok(state) => survived += usize::from(happened && state == State::New),
                    Err(text) => damage.push(format!("{fault:?} in {call} number {number}: {text}")),
                }
            }
        }
    }
    lab.reset();
    let names: Vec<_> = calls.keys().map(String::as_str).collect();
    match damage.is_empty() {
        // Otherwise nothing was tried.
        true if runs < 10 * faults.len() => Err(format!("only {runs} faults")),
        true => Ok(format!("{runs} faults, {survived} survived; {} calls: {}", names.len(), names.join(" "))),
        false => Err(format!("{} of {runs} faults did damage:\n        {}", damage.len(), damage.join("\n        "))),
    }
}

fn judge(lab: &Lab, call: &str, fault: Fault, end: &End, happened: bool) -> Result<State, String> {
    let renaming = call.starts_with("rename");
    match fault {
        _ if !happened => match lab.judge(end, false)? {
            State::New => Ok(State::New),
            state => Err(format!("nothing was to happen, but files are {state:?}: {}", end.said)),
        },
        Fault::Signal("KILL") => lab.judge_killed().map(|(state, _)| state),
        // It ends by it, or was at its end already. Nothing is left in both cases.
        Fault::Signal(_) => match end.code {
            None => lab.state(false),
            Some(0) if lab.state(false)? == State::New => Ok(State::New),
            code => Err(format!("ended with {code:?}: {}", end.said)),
        },
        Fault::Error("EINTR") => match lab.judge(end, false)? {
            State::New => Ok(State::New),
            _ => Err(format!("not survived: {}", end.said)),
        },
        Fault::Error(error) => {
            let state = lab.judge(end, renaming);
            // Attributes that may not be read are not carried over.
            let attributes = error == "EACCES" && call.ends_with("xattr") && end.code == Some(0);
            if attributes { Ok(State::New) } else { state }
        }
    }
}

/// How often each call is made before the first file of the folder is opened, and in all, by the first thread.
fn calls(lab: &Lab) -> Result<BTreeMap<String, (usize, usize)>, String> {
    lab.reset();
    let words = ["strace", "-f", "-o", TRACE].map(str::to_owned);
    let end: End = lab.command(&words).output().map_err(|e| format!("strace: {e}"))?.into();
    if end.code != Some(0) {
        return Err(format!("strace ends with {:?}: {}", end.code, end.said));
    }
    let trace = trace(&lab.folder)?;
    let first = trace.split_whitespace().next().unwrap_or_default();
    let mut calls: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut opened = false;
    for line in trace.lines().filter_map(|line| line.strip_prefix(first)) {
        let Some((call, rest)) = line.trim_start().split_once('(') else { continue };
        // The end of a call, after one of another thread.
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        // By its name alone: that of a file of the folder.
        opened |=
            call == "openat" && rest.starts_with("AT_FDCWD, \"") && !rest["AT_FDCWD, \"".len()..].starts_with('/');
        let count = calls.entry(call.to_owned()).or_default();
        count.1 += 1;
        if !opened {
            count.0 += 1;
        }
    }
    calls.retain(|call, (before, all)| before < all && !LEFT_OUT.contains(&call.as_str()));
    if calls.is_empty() { Err(format!("no calls in the trace:\n{trace}")) } else { Ok(calls) }
}

fn trace(folder: &Path) -> Result<String, String> {
    std::fs::read_to_string(folder.join(TRACE)).map_err(|e| format!("{TRACE}: {e}"))
}

/// Runs with a fault in the call of this number; returns whether it came to it.
fn traced(lab: &Lab, call: &str, fault: Fault, number: usize) -> Result<(End, bool), String> {
    let what = match fault {
        Fault::Error(error) => format!("error={error}"),
        Fault::Signal(signal) => format!("signal=SIG{signal}"),
    };
    let inject = format!("inject={call}:{what}:when={number}");
    let words = ["strace", "-f", "-o", TRACE, "-e", &format!("trace={call}"), "-e", &inject].map(str::to_owned);
    let end: End = lab.command(&words).output().map_err(|e| format!("strace: {e}"))?.into();
    let trace = trace(&lab.folder)?;
    Ok((end, trace.contains("(INJECTED)") || trace.contains("+++ killed by") || trace.contains("--- SIGTERM")))
}
