//! What a run of btfgen costs: processor time and memory.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// What a run cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Processor time.
    pub time: Duration,
    /// Largest resident set, in bytes, with the mapped file.
    pub memory: u64,
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard error.
    pub said: String,
}

/// Encodes a file with one thread.
pub fn encode(file: &Path, base: Option<&Path>, out: &Path) -> Cost {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
    let said = tempfile::NamedTempFile::new().expect("there is room for temporary files");
    base.iter().for_each(|b| _ = command.arg("--btf_base").arg(b));
    command.arg("-vj1").arg("--btf_encode_detached").arg(out).arg(file);
    command.stdin(Stdio::null()).stderr(said.reopen().expect("it opens"));
    #[expect(clippy::zombie_processes, reason = "wait4 waits for it")]
    let child = command.spawn().expect("btfgen starts");
    let mut status = 0;
    // SAFETY: Both pointers are to locals of the types that wait4 writes; an rusage of zeros is a valid one.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as i32, &mut status, 0, &mut usage), usage)
    };
    assert_eq!(waited, child.id() as i32, "btfgen was not waited for");
    let time = |t: libc::timeval| Duration::from_micros(t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64);
    Cost {
        time: time(usage.ru_utime) + time(usage.ru_stime),
        memory: usage.ru_maxrss as u64 * 1024,
        code: ExitStatus::from_raw(status).code().unwrap_or(-1),
        said: std::fs::read_to_string(said.path()).expect("it says UTF-8"),
    }
}

impl Cost {
    /// Types, functions and variables, by the summary.
    pub fn counts(&self) -> Option<(usize, usize, usize)> {
        let line = self.said.lines().find(|l| l.contains(" types, ") && l.contains(" variables from "))?;
        let before = |word: &str| {
            let (head, _) = line.split_once(word)?;
            head.rsplit([' ', ',']).next()?.parse().ok()
        };
        Some((before(" types, ")?, before(" functions, ")?, before(" variables from")?))
    }
}
