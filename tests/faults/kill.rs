//! kill -9 at random moments.

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::lab::{self, Lab, State};
use crate::{Random, Tally};

pub fn run(tally: &mut Tally, real: Option<&(PathBuf, PathBuf)>, small: bool, seed: u64) {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    // A chunk at a time, in the file itself.
    let script = "exec 3<new; for i in 1 2 3 4 5 6; do head -c 50000 <&3; sleep 0.01; done >file";
    let careless = lab::careless(&dir.path().join("careless"), script);
    tally.add_failing("kill -9", careless.and_then(|lab| kills(&lab, 50, seed)));
    let count = if small { 50 } else { 1000 };
    if let Some((module, base)) = real {
        let lab = lab::large(&dir.path().join("real"), module, base);
        let name = format!("kill -9, the large module, {count} times");
        tally.add(&name, lab.and_then(|lab| kills(&lab, count, seed)));
    }
    // Without it, the small ones have to do.
    // Of runs of a few milliseconds many are over before the signal: fewer say nothing.
    let count = if real.is_some() { (count / 10).max(50) } else { count };
    for lab in lab::scenarios(dir.path()).into_iter().take(3) {
        match lab {
            Ok(lab) => tally.add(&format!("kill -9, {}, {count} times", lab.scenario.name), kills(&lab, count, seed)),
            Err(text) => tally.add("kill -9", Err(text)),
        }
    }
}

/// Kills as many runs: each second one at a moment of the whole run, the others while there is a temporary file.
fn kills(lab: &Lab, count: usize, seed: u64) -> Result<String, String> {
    let mut random = Random(seed);
    let (whole, writing) = times(lab);
    let (mut killed, mut old, mut new, mut between, mut left) = (0, 0, 0, 0, 0);
    for number in 0..count {
        lab.reset();
        let start = Instant::now();
        let mut child = lab.command(&[]).spawn().expect("it starts");
        // A little longer than it takes, so that the last moment is among them.
        let wait = if number % 2 == 0 {
            whole.mul_f64(1.1 * random.fraction())
        } else {
            wait_for_temporary(lab, &mut child);
            start.elapsed() + writing.mul_f64(1.1 * random.fraction())
        };
        std::thread::sleep(wait.saturating_sub(start.elapsed()));
        child.kill().expect("it is ours");
        let output = child.wait_with_output().expect("it ends");
        killed += usize::from(output.status.code().is_none());
        let what = |text: String| format!("kill {number} of seed {seed}, after {wait:?}: {text}");
        let (state, to_tidy) = lab.judge_killed().map_err(what)?;
        if output.status.code() == Some(0) && state != State::New {
            return Err(what("it was done, but the file is old".into()));
        }
        left += usize::from(to_tidy);
        match state {
            State::Old => old += 1,
            State::New => new += 1,
            State::Between => between += 1,
        }
    }
    let found = format!(
        "{killed} killed before the end (whole run {whole:.0?}, writing {writing:.1?}); {old} old, {new} new, {between} between two renames; \
         {left} temporary files left, and removed by the next run"
    );
    // Otherwise nothing was tried.
    if killed < count / 10 || old == 0 { Err(found) } else { Ok(found) }
}

/// How long a run takes, and how long there is a temporary file in it.
fn times(lab: &Lab) -> (Duration, Duration) {
    lab.reset();
    let start = Instant::now();
    let mut child = lab.command(&[]).spawn().expect("it starts");
    wait_for_temporary(lab, &mut child);
    let until_there = start.elapsed();
    child.wait().expect("it ends");
    (start.elapsed(), start.elapsed() - until_there)
}

/// Returns when there is a temporary file, or the process has ended.
fn wait_for_temporary(lab: &Lab, child: &mut Child) {
    while lab.temporaries().is_empty() && child.try_wait().expect("it is ours").is_none() {
        std::thread::sleep(Duration::from_micros(50));
    }
}
