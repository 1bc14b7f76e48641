//! How the cost grows with the input: twice the input costs about twice the time, whatever there is twice of.
//!
//!     cargo bench --bench growth -- [small] [PART OF A NAME...]
//!
//! Times are processor time of one thread, the least of several runs. `small` is a tenth of the sizes and no kernel.

mod corners;
mod dwarf;
mod kernel;
mod measure;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use corners::{CORNERS, Corner, Expected};
use measure::Cost;

/// Most that twice the input may cost, as a multiple: time, and memory.
const LIMIT: f64 = 2.6;
/// Shorter times are noise.
const WORTH_COMPARING: Duration = Duration::from_millis(100);
/// How often a time is taken again when the ratio is beyond the limit.
pub const TRIES: usize = 4;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [make, number, n, path, is_module] = &args[..] {
        if make == "make" {
            make_here(number, n, path, is_module == "module");
            return ExitCode::SUCCESS;
        }
    }
    let small = args.iter().any(|a| a == "small");
    let wanted = |name: &str| args.iter().all(|a| a == "small") || args.iter().any(|a| name.contains(a.as_str()));
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let mut failed = 0;
    println!("{:45} {:>10} {:>8} {:>6} {:>8} {:>9} {:>9}", "input", "n", "time", "ratio", "MB", "memory", "ratio");
    for corner in CORNERS.iter().filter(|c| wanted(c.name)) {
        failed += usize::from(!passes(corner, if small { corner.size / 10 } else { corner.size }, folder.path()));
    }
    if !small && wanted("kernel") {
        failed += usize::from(!kernel::passes(folder.path()));
    }
    println!("{failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// Runs a corner at half its size and at all of it.
fn passes(corner: &Corner, size: usize, folder: &Path) -> bool {
    let (half, all) = (folder.join("half"), folder.join("all"));
    let mut ok = true;
    for (path, n) in [(&half, size / 2), (&all, size)] {
        ok &= make(corner, path, n, folder);
    }
    let run = |path: &Path| {
        let base = path.with_extension("base");
        measure::encode(path, corner.module.map(|_| base.as_path()), &folder.join("out"))
    };
    let mut costs = [run(&half), run(&all)];
    for _ in 1..TRIES {
        if costs[1].time < WORTH_COMPARING || ratio(&costs[0], &costs[1]) <= LIMIT {
            break;
        }
        for (cost, path) in costs.iter_mut().zip([&half, &all]) {
            cost.time = cost.time.min(run(path).time);
        }
    }
    for (cost, (path, n)) in costs.iter().zip([(&half, size / 2), (&all, size)]) {
        let found = match cost.counts() {
            Some((types, functions, variables)) if cost.code == 0 => Expected::Counts(types, functions, variables),
            _ => Expected::Exit(cost.code),
        };
        let expected = (corner.expected)(n);
        if found != expected {
            println!("{}, {n}: {found:?}, not {expected:?}: {}", corner.name, cost.said.lines().next().unwrap_or(""));
            ok = false;
        }
        let last = n == size;
        let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
        print(
            corner.name,
            n,
            cost,
            bytes,
            last.then(|| ratio(&costs[0], &costs[1])),
            last.then(|| costs[1].memory as f64 / costs[0].memory as f64),
        );
    }
    if costs[1].memory as f64 > LIMIT * costs[0].memory as f64 {
        println!("{}: more than {LIMIT} times the memory for twice the input", corner.name);
        ok = false;
    }
    if costs[1].time >= WORTH_COMPARING && ratio(&costs[0], &costs[1]) > LIMIT {
        println!("{}: more than {LIMIT} times the time for twice the input", corner.name);
        ok = false;
    }
    ok
}

/// Makes the input of a size, and its base if it has one.
fn make(corner: &Corner, path: &Path, n: usize, folder: &Path) -> bool {
    if corner.module.is_none() {
        make_elsewhere(corner, path, n, "");
        return true;
    }
    let base = folder.join("kernel");
    make_elsewhere(corner, &base, n, "");
    make_elsewhere(corner, path, n, "module");
    let cost = measure::encode(&base, None, &path.with_extension("base"));
    if cost.code != 0 {
        println!("{}, {n}: the base failed: {}", corner.name, cost.said);
    }
    cost.code == 0
}

/// In a process of its own: what btfgen inherits of this one's memory counts as its own.
fn make_elsewhere(corner: &Corner, path: &Path, n: usize, which: &str) {
    let number = CORNERS.iter().position(|c| c.name == corner.name).expect("it is one of them");
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.args(["make", &number.to_string(), &n.to_string()]).arg(path).arg(which);
    assert!(command.status().expect("it starts").success(), "{}: the input cannot be made", corner.name);
}

fn make_here(number: &str, n: &str, path: &str, is_module: bool) {
    let corner = &CORNERS[number.parse::<usize>().expect("a number")];
    let mut elf = dwarf::Elf::new();
    let make = corner.module.filter(|_| is_module).unwrap_or(corner.make);
    make(&mut elf, n.parse().expect("a number"));
    std::fs::write(path, elf.bytes()).expect("there is room for temporary files");
}

/// How many times the first one's time the second one took.
pub fn ratio(first: &Cost, second: &Cost) -> f64 {
    second.time.as_secs_f64() / first.time.as_secs_f64().max(1e-3)
}

/// A line of the table; `bytes` is the size of the input.
pub fn print(name: &str, n: usize, cost: &Cost, bytes: u64, time: Option<f64>, memory: Option<f64>) {
    let ratio = |r: Option<f64>| r.map_or(String::new(), |r| format!("{r:.2}"));
    println!(
        "{name:45} {n:>10} {:>7.2}s {:>6} {:>8.1} {:>8.1}M {:>9}",
        cost.time.as_secs_f64(),
        ratio(time),
        bytes as f64 / 1e6,
        cost.memory as f64 / 1e6,
        ratio(memory)
    );
}
