//! A disk that is full after so many bytes of output: a small tmpfs, or, where nothing can be mounted, a limit on the size of files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Tally;
use crate::lab::{self, Lab, State};

/// Bytes from one size of the disk to the next.
const STEP: u64 = 64 << 10;

/// The same for small files: a page.
const PAGE: u64 = 4096;

/// What limits the bytes.
enum Limit {
    Disk(Mounted),
    FileSize,
}

/// A tmpfs, as long as it lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: &Path) -> Option<Mounted> {
        std::fs::create_dir(path).expect("there is room for temporary files");
        run("mount", &["-t", "tmpfs", "-o", "size=1G", "none"], path).then(|| Mounted(path.to_owned()))
    }

    fn resize(&self, bytes: u64) {
        assert!(run("mount", &["-o", &format!("remount,size={bytes}")], &self.0), "the disk can be resized");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(args).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

pub fn run_part(tally: &mut Tally, real: Option<&(PathBuf, PathBuf)>, small: bool) {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let disk = dir.path().join("disk");
    let limit = Mounted::new(&disk).map_or(Limit::FileSize, Limit::Disk);
    let how = match limit {
        Limit::Disk(_) => "full disk",
        Limit::FileSize => "limited file size (nothing can be mounted here)",
    };
    let careless =
        lab::careless(&disk.join("careless"), "cp new file 2>/dev/null || { echo 'btfgen: error: full' >&2; exit 1; }");
    // It first makes room, so that only a limit on the size finds it at work on a file that is whole.
    tally.add_failing(how, careless.and_then(|lab| fills(&lab, &Limit::FileSize, STEP)));
    std::fs::remove_dir_all(disk.join("careless")).expect("it is there");
    for lab in lab::scenarios(&disk) {
        match lab {
            Ok(lab) => tally.add(&format!("{how}, {}", lab.scenario.name), fills(&lab, &limit, PAGE)),
            Err(text) => tally.add(how, Err(text)),
        }
    }
    if let Some((module, base)) = real {
        let step = if small { 64 * STEP } else { STEP };
        let lab = lab::large(&disk.join("real"), module, base);
        let name = format!("{how}, the large module, every {} KB", step >> 10);
        tally.add(&name, lab.and_then(|lab| fills(&lab, &limit, step)));
    }
}

/// Runs with room for no bytes of output, a step, two steps, ... until it succeeds.
fn fills(lab: &Lab, limit: &Limit, step: u64) -> Result<String, String> {
    let mut failures = 0;
    loop {
        lab.reset();
        let room = failures * step;
        let end: lab::End = match limit {
            Limit::Disk(disk) => {
                disk.resize(used(&disk.0) + room);
                let end = lab.run();
                disk.resize(1 << 30);
                end
            }
            Limit::FileSize => {
                let words = ["prlimit", &format!("--fsize={room}")].map(str::to_owned);
                lab.command(&words).output().expect("prlimit (util-linux) is there").into()
            }
        };
        match lab.judge(&end, false).map_err(|text| format!("room for {room} bytes: {text}"))? {
            State::New if failures == 0 => return Err("it succeeds with no room at all".into()),
            State::New => return Ok(format!("{failures} sizes too small, then {room} bytes were enough")),
            _ if !end.said.contains("No space left") && !end.said.contains("File too large") => {
                return Err(format!("room for {room} bytes: says {}", end.said));
            }
            _ => failures += 1,
        }
    }
}

/// Bytes that are taken of a disk.
fn used(disk: &Path) -> u64 {
    let stat = rustix::fs::statvfs(disk).expect("it is mounted");
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}
