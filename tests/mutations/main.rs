//! Damaged files by the ten thousand, in process: modules and a slice of a real kernel with structured damage (`tests/mutate`), run
//! through everything that btfgen does to a file. A run must end in an error or in BTF that a kernel takes, without a panic, in less
//! than ten times the time and four times the memory of the undamaged file.
//!
//!     cargo bench --bench mutations -- [RUNS] [from SEED] [only PART OF A NAME]
//!     cargo bench --bench mutations -- one SEED only NAME         one run, to look into it; writes the file to ./mutated
//!
//! The last line counts runs: `N passed, N failed`. `make mutations` runs it as it is released, `make mutations CHECKED=1` with checks
//! of overflows and debug assertions.

mod inputs;
mod memory;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use btf::view::BtfView;
use mutate::pipeline::{self, Outcome};
use rustix::time::{ClockId, clock_gettime};

use inputs::{Inputs, Subject};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Most that a run may take, as a multiple of the undamaged file's time, and memory.
const TIME: f64 = 10.0;
const MEMORY: f64 = 4.0;
/// Less than this is not worth comparing.
const LEAST_TIME: Duration = Duration::from_millis(2);
const LEAST_MEMORY: usize = 1 << 20;
/// A slow run is tried again so often, since another process may have taken the cache.
const TRIES: usize = 5;
/// Runs of the undamaged file.
const CLEAN_RUNS: usize = 5;
/// A run that takes longer than this will not end.
const HANG: Duration = Duration::from_secs(60);
/// Failures that are printed.
const SHOWN: usize = 40;

thread_local! {
    /// What a panic during a run said.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static IS_RUN: Cell<bool> = const { Cell::new(false) };
}

struct Args {
    runs: u64,
    first: u64,
    only: String,
    one: bool,
}

fn args() -> Result<Args, String> {
    let mut args = Args { runs: 10_000, first: 0, only: String::new(), one: false };
    let mut words = std::env::args().skip(1).filter(|a| a != "--bench");
    while let Some(word) = words.next() {
        let mut number = |what: &str| {
            let word = if what == "RUNS" { Some(word.clone()) } else { words.next() };
            word.and_then(|word| word.parse().ok()).ok_or_else(|| format!("{what} is a number"))
        };
        match word.as_str() {
            "from" => args.first = number("SEED")?,
            "one" => (args.one, args.first, args.runs) = (true, number("SEED")?, 1),
            "only" => args.only = words.next().ok_or("only what?")?,
            _ => args.runs = number("RUNS")?,
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(text) => {
            eprintln!("mutations: {text}");
            return ExitCode::from(2);
        }
    };
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let inputs = Inputs::new(folder.path());
    let views = inputs.views();
    let subjects: Vec<&Subject> = inputs.subjects.iter().filter(|s| s.name.contains(&args.only)).collect();
    if subjects.is_empty() {
        eprintln!("mutations: there is no {}", args.only);
        return ExitCode::from(2);
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(
        move |info| if IS_RUN.get() { PANIC.set(Some(info.to_string())) } else { hook(info) },
    ));
    let base = |subject: &Subject| subject.base.map(|base| &views[base]);
    let measure = || subjects.iter().map(|s| Clean::of(s, base(s))).collect();
    let clean: Vec<Clean> = thread::scope(|scope| scope.spawn(|| in_pool(measure)).join()).expect("clean files run");
    if args.one {
        let file = subjects[0].original.mutated(args.first);
        std::fs::write("mutated", &file).expect("the folder is writable");
        let run = in_pool(|| Run::of(&file, base(subjects[0]), args.first));
        println!("{}, seed {}: {run:?}, clean: {:?}", subjects[0].name, args.first, clean[0]);
        return ExitCode::from(u8::from(run.failure(&clean[0]).is_some()));
    }
    let totals: Vec<Mutex<Total>> = subjects.iter().map(|_| Mutex::default()).collect();
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let running: Vec<Mutex<Option<(usize, u64, Duration)>>> = (0..threads).map(|_| Mutex::default()).collect();
    let began = now(ClockId::Monotonic);
    let share = Shares::of(&subjects, &inputs.bases);
    thread::scope(|scope| {
        let workers: Vec<_> = running
            .iter()
            .map(|slot| {
                let worker = || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= args.runs {
                            return;
                        }
                        let (seed, which) = (args.first + number, share.subject(args.first + number));
                        *lock(slot) = Some((which, seed, now(ClockId::Monotonic)));
                        let subject = subjects[which];
                        let file = subject.original.mutated(seed);
                        let mut run = Run::of(&file, base(subject), seed);
                        for _ in 1..TRIES {
                            if run.is_slow(&clean[which]) {
                                run.time = run.time.min(Run::of(&file, base(subject), seed).time);
                            }
                        }
                        *lock(slot) = None;
                        lock(&totals[which]).add(seed, run, &clean[which]);
                    }
                };
                scope.spawn(move || in_pool(worker))
            })
            .collect();
        while !workers.iter().all(|worker| worker.is_finished()) {
            thread::sleep(Duration::from_millis(100));
            for (which, seed, start) in running.iter().filter_map(|slot| *lock(slot)) {
                if now(ClockId::Monotonic).saturating_sub(start) > HANG * TRIES as u32 {
                    println!("{}, seed {seed}: does not end", subjects[which].name);
                    println!("0 passed, 1 failed");
                    std::process::exit(1);
                }
            }
        }
    });
    report(&subjects, &clean, &totals, now(ClockId::Monotonic) - began)
}

/// In a pool of the calling thread alone, whose time and memory count.
fn in_pool<T>(run: impl FnOnce() -> T) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    let _pool = pool.expect("a pool without threads of its own can be made");
    run()
}

fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of a file, and what that cost.
#[derive(Debug)]
struct Run {
    outcome: Result<Outcome, String>,
    time: Duration,
    memory: usize,
}

impl Run {
    fn of(file: &[u8], base: Option<&BtfView<'_>>, seed: u64) -> Run {
        let start = now(ClockId::ThreadCPUTime);
        let run = || catch_unwind(AssertUnwindSafe(|| pipeline::run(file, base, seed)));
        IS_RUN.set(true);
        let (outcome, memory) = memory::most_during(run);
        IS_RUN.set(false);
        let time = now(ClockId::ThreadCPUTime) - start;
        let outcome = outcome.unwrap_or_else(|_| Err(format!("panic: {}", PANIC.take().unwrap_or_default())));
        Run { outcome, time, memory }
    }

    fn is_slow(&self, clean: &Clean) -> bool {
        self.time.as_secs_f64() > TIME * clean.time.max(LEAST_TIME).as_secs_f64()
    }

    /// What is wrong, in a line.
    fn failure(&self, clean: &Clean) -> Option<String> {
        match &self.outcome {
            Err(text) => Some(text.clone()),
            Ok(_) if self.is_slow(clean) => Some(format!("takes {:?}, the clean file {:?}", self.time, clean.time)),
            Ok(_) if self.memory as f64 > MEMORY * clean.memory.max(LEAST_MEMORY) as f64 => {
                Some(format!("has {} bytes of memory, the clean file {}", self.memory, clean.memory))
            }
            Ok(_) => None,
        }
    }
}

/// What the undamaged file costs: with each of the options the least time of several runs, and of these the most.
#[derive(Debug)]
struct Clean {
    time: Duration,
    memory: usize,
}

impl Clean {
    fn of(subject: &Subject, base: Option<&BtfView<'_>>) -> Clean {
        let mut clean = Clean { time: Duration::ZERO, memory: 0 };
        for options in 0..8 {
            let runs: Vec<Run> = (0..CLEAN_RUNS).map(|_| Run::of(subject.original.bytes(), base, options)).collect();
            let least = runs.iter().map(|run| run.time).min().unwrap_or_default();
            clean.time = clean.time.max(least);
            clean.memory = clean.memory.max(runs.iter().map(|run| run.memory).max().unwrap_or(0));
            // Distilling may refuse ambiguous types, if told to.
            let is_fine = matches!(&runs[0].outcome, Ok(outcome) if outcome.is_encoded() || options % 4 == 1);
            assert!(is_fine, "{}, undamaged, options {options}: {:?}", subject.name, runs[0].outcome);
        }
        clean
    }
}

/// Small files come more often: each gets about the same time. Looking through a base is quicker than encoding as many bytes.
struct Shares(Vec<u64>);

impl Shares {
    fn of(subjects: &[&Subject], bases: &[Vec<u8>]) -> Shares {
        let mut end = 0;
        let ends = subjects.iter().map(|subject| {
            let base = subject.base.map_or(0, |base| bases[base].len());
            end += (1 << 40) / (subject.original.bytes().len() + base / 3).max(1 << 16) as u64;
            end
        });
        Shares(ends.collect())
    }

    fn subject(&self, seed: u64) -> usize {
        let all = self.0.last().copied().unwrap_or(1);
        // Another generator than that of the damage.
        let number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) % all;
        self.0.partition_point(|&end| end <= number)
    }
}

/// What became of a file's runs.
#[derive(Default)]
struct Total {
    runs: u64,
    encoded: u64,
    slowest: f64,
    largest: f64,
    failures: Vec<(u64, String)>,
}

impl Total {
    fn add(&mut self, seed: u64, run: Run, clean: &Clean) {
        self.runs += 1;
        self.encoded += u64::from(matches!(&run.outcome, Ok(outcome) if outcome.is_encoded()));
        self.slowest = self.slowest.max(run.time.as_secs_f64() / clean.time.max(LEAST_TIME).as_secs_f64());
        self.largest = self.largest.max(run.memory as f64 / clean.memory.max(LEAST_MEMORY) as f64);
        self.failures.extend(run.failure(clean).map(|text| (seed, text)));
    }
}

fn report(subjects: &[&Subject], clean: &[Clean], totals: &[Mutex<Total>], time: Duration) -> ExitCode {
    println!(
        "{:45} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "input", "KB", "ms", "MB", "runs", "encoded", "time x", "memory x"
    );
    let (mut runs, mut failed) = (0, 0);
    for ((subject, clean), total) in subjects.iter().zip(clean).zip(totals) {
        let total = lock(total);
        println!(
            "{:45} {:>7} {:>8.2} {:>8.2} {:>8} {:>7.0}% {:>8.2} {:>8.2}",
            subject.name,
            subject.original.bytes().len() / 1024,
            clean.time.as_secs_f64() * 1e3,
            clean.memory as f64 / 1e6,
            total.runs,
            100.0 * total.encoded as f64 / total.runs.max(1) as f64,
            total.slowest,
            total.largest
        );
        runs += total.runs;
        failed += total.failures.len() as u64;
    }
    let all = subjects.iter().zip(totals).flat_map(|(subject, total)| {
        let failures = lock(total).failures.clone();
        failures.into_iter().map(move |(seed, text)| (subject, seed, text))
    });
    for (subject, seed, text) in all.take(SHOWN) {
        println!("FAILED: {}, seed {seed}: {text}", subject.name);
    }
    let checks = if cfg!(debug_assertions) { "on" } else { "off" };
    println!("{:.0} s; checks of overflows and debug assertions {checks}", time.as_secs_f64());
    println!("{} passed, {failed} failed", runs - failed);
    ExitCode::from(u8::from(failed > 0))
}
