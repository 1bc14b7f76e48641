//! Others that write to a file while it is read, cut it short, or end the run by a signal, at random moments; several runs at once.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::lab::{self, End, Lab, State};
use crate::{Random, Tally};

/// What is written to a file so short a time before the end of a run may have come after its last look at the file.
const AT_THE_END: Duration = Duration::from_millis(50);

pub fn run(tally: &mut Tally, real: Option<&(PathBuf, PathBuf)>, small: bool, seed: u64) {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let count = if small { 10 } else { 250 };
    let lab = match real {
        Some((module, base)) => {
            // A base that can be written to, too.
            let own = dir.path().join("base");
            fs::write(&own, crate::support::section(base, ".BTF").expect("the kernel has BTF")).expect("there is room");
            lab::large(&dir.path().join("real"), module, &own).map(|lab| (lab, own))
        }
        None => lab::scenarios(dir.path())
            .swap_remove(0)
            .map(|lab| (lab.folder.join("base"), lab))
            .map(|(base, lab)| (lab, base)),
    };
    let (lab, base) = match lab {
        Ok(found) => found,
        Err(text) => return tally.add("races", Err(text)),
    };
    let module = &lab.folder.join(lab.scenario.outputs[0]);
    let careless = lab::careless(&dir.path().join("careless"), "sleep 0.05; cat file >/dev/null; cp new file");
    tally.add_failing(
        "a file that is cut short",
        careless.and_then(|lab| writes(&lab, &lab.folder.join("file"), count, seed, &cut)),
    );
    tally.add(&format!("the module is cut short, {count} times"), writes(&lab, module, count, seed, &cut));
    tally.add(&format!("the module is written to, {count} times"), writes(&lab, module, count, seed, &scribble));
    tally.add(&format!("the base is cut short, {count} times"), writes(&lab, &base, count, seed, &cut));
    tally.add(&format!("the base is written to, {count} times"), writes(&lab, &base, count, seed, &scribble));
    tally.add(&format!("SIGTERM, {count} times"), signals(&lab, count, seed));
    tally.add(&format!("three runs at once, {} times", count / 5), at_once(&lab, count / 5));
}

fn cut(file: &File, random: &mut Random) {
    let size = file.metadata().expect("it is there").len();
    file.set_len((size as f64 * random.fraction()) as u64).expect("it can be cut");
}

fn scribble(file: &File, random: &mut Random) {
    let size = file.metadata().expect("it is there").len() as f64;
    for _ in 0..500 {
        let bytes = random.fraction().to_bits().to_le_bytes();
        file.write_all_at(&bytes[..4], (random.fraction() * (size - 8.0)) as u64).expect("it is written");
    }
}

fn duration(lab: &Lab) -> Duration {
    lab.reset();
    let start = Instant::now();
    lab.run();
    start.elapsed()
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("it is there").ino()
}

fn wait_with(child: Child) -> End {
    child.wait_with_output().expect("it ends").into()
}

/// What `write` does to a file at a random moment of a run must not end in a result made of it.
fn writes(
    lab: &Lab,
    path: &Path,
    count: usize,
    seed: u64,
    write: &dyn Fn(&File, &mut Random),
) -> Result<String, String> {
    let mut random = Random(seed);
    let whole = duration(lab);
    let original = fs::read(path).map_err(|e| e.to_string())?;
    let is_output = lab.scenario.outputs.iter().any(|output| lab.folder.join(output) == path);
    let (mut too_late, mut told) = (0, 0);
    for number in 0..count {
        lab.reset();
        if !is_output {
            fs::write(path, &original).expect("there is room");
        }
        let old = inode(path);
        let child = lab.command(&[]).spawn().expect("it starts");
        std::thread::sleep(whole.mul_f64(random.fraction()));
        // The old file, or the new one if that has taken its place.
        let file = OpenOptions::new().write(true).open(path).expect("it opens");
        let late = file.metadata().expect("it is there").ino() != old;
        let start = Instant::now();
        write(&file, &mut random);
        let written = fs::read(path).expect("it is there");
        let end = wait_with(child);
        let lasted = start.elapsed();
        let after = fs::read(path).expect("it is there");
        let what = |text: &str| {
            Err(format!("{}, number {number} of seed {seed}: {text}: {:?} {}", path.display(), end.code, end.said))
        };
        if !lab.temporaries().is_empty() {
            return what("a temporary file was left");
        }
        match end.code {
            Some(0) if late => too_late += 1,
            // After the last look at it, which for the file itself comes just before the rename.
            Some(0) if lab.state(false) == Ok(State::New) && (!is_output || lasted < AT_THE_END) => too_late += 1,
            Some(0) => return what("a result was made of it"),
            Some(1..=10) if after != written => return what("the file of the other was written over"),
            Some(1..=10) if end.said.lines().count() == 1 && end.said.starts_with("btfgen: error: ") => {
                told += usize::from(end.said.contains("was changed while it was read"));
            }
            _ => return what("no clear end"),
        }
    }
    if !is_output {
        fs::write(path, original).expect("there is room");
    }
    lab.reset();
    let found = format!(
        "{told} times it was told, {too_late} times the run was over, {} times it had not begun",
        count - told - too_late
    );
    if told == 0 { Err(found) } else { Ok(found) }
}

fn signals(lab: &Lab, count: usize, seed: u64) -> Result<String, String> {
    let mut random = Random(seed);
    let whole = duration(lab);
    let mut ended = 0;
    for number in 0..count {
        lab.reset();
        let child = lab.command(&[]).spawn().expect("it starts");
        std::thread::sleep(whole.mul_f64(random.fraction()));
        let process = rustix::process::Pid::from_child(&child);
        // Unless it is over.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let end = wait_with(child);
        let state = lab.state(false).map_err(|text| format!("number {number} of seed {seed}: {text}"))?;
        match end.code {
            None => ended += 1,
            Some(0) if state == State::New => {}
            code => return Err(format!("number {number} of seed {seed}: ended with {code:?}: {}", end.said)),
        }
    }
    let found = format!("{ended} runs ended by it");
    if ended == 0 { Err(found) } else { Ok(found) }
}

fn at_once(lab: &Lab, count: usize) -> Result<String, String> {
    let mut refused = 0;
    for number in 0..count {
        lab.reset();
        let children: Vec<_> = (0..3).map(|_| lab.command(&[]).spawn().expect("it starts")).collect();
        let ends: Vec<End> = children.into_iter().map(wait_with).collect();
        if lab.state(false)? != State::New {
            return Err(format!("number {number}: the file is old: {ends:?}"));
        }
        for end in ends {
            match end.code {
                Some(0) => {}
                Some(1) if end.said.lines().count() == 1 && end.said.contains("was changed while it was read") => {
                    refused += 1
                }
                _ => return Err(format!("number {number}: ended with {:?}: {}", end.code, end.said)),
            }
        }
    }
    Ok(format!("the file was new each time; {refused} of {} runs found that another had changed it", 3 * count))
}
