//! What faults do to files: nothing. Each is the old one or the new one, whole; nothing else stays; each failure is one line and a
//! documented exit code.
//!
//!     cargo bench --bench faults -- [small] [PART...]
//!
//! Parts: `kill` (at random moments), `inject` (a fault in each system call), `full` (a disk that is full after so many bytes), `races`
//! (others write to what is read). Before them, what finds the damage is shown programs that do some. All random choices follow from the
//! seed, which is printed (`FAULTS_SEED`).

mod full;
mod inject;
mod kill;
mod lab;
mod races;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Results of checks, printed as they come.
#[derive(Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Adds a check: what it found, or what is wrong.
    pub fn add(&mut self, name: &str, result: Result<String, String>) {
        match result {
            Ok(text) => {
                self.passed += 1;
                println!("ok      {name}: {text}");
            }
            Err(text) => {
                self.failed += 1;
                println!("FAILED  {name}: {text}");
            }
        }
    }

    /// Adds a check that must not succeed: of the checks themselves.
    pub fn add_failing(&mut self, name: &str, result: Result<String, String>) {
        self.add(
            &format!("damage is noticed: {name}"),
            match result {
                Ok(text) => Err(format!("not noticed: {text}")),
                Err(text) => Ok(text.lines().next().unwrap_or_default().to_owned()),
            },
        );
    }
}

/// Numbers that look random and follow from a seed (SplitMix64; Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    /// A number below 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A large module and its base, if `make test-kernel` has fetched a kernel.
fn real_module() -> Option<(PathBuf, PathBuf)> {
    let cache = std::env::var_os("BTFGEN_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/btfgen")))?;
    let kernel = cache.join("kernels").join(std::env::var("KERNEL").unwrap_or("7.3".into()));
    let (module, base) = (kernel.join("modules/fs/xfs/xfs.ko"), kernel.join("vmlinux"));
    (module.exists() && base.exists()).then_some((module, base))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let small = args.iter().any(|a| a == "small");
    let parts = ["kill", "inject", "full", "races"];
    if let Some(other) = args.iter().find(|a| *a != "small" && !parts.contains(&a.as_str())) {
        println!("no part is called {other}: {}", parts.join(", "));
        return ExitCode::from(2);
    }
    let wanted = |part: &str| args.iter().all(|a| a == "small") || args.iter().any(|a| a == part);
    let seed = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let real = real_module();
    println!(
        "seed {seed}; {}",
        match &real {
            Some((module, _)) => format!("the large module is {}", module.display()),
            None => "no kernel in the cache, so there is no large module: make test-kernel fetches one".into(),
        }
    );
    let mut tally = Tally::default();
    type Step<'s> = (&'s str, &'s dyn Fn(&mut Tally));
    let steps: [Step<'_>; 4] = [
        ("kill", &|tally| kill::run(tally, real.as_ref(), small, seed)),
        ("inject", &|tally| inject::run(tally, small)),
        ("full", &|tally| full::run_part(tally, real.as_ref(), small)),
        ("races", &|tally| races::run(tally, real.as_ref(), small, seed)),
    ];
    for (name, step) in steps.iter().filter(|(name, _)| wanted(name)) {
        let start = Instant::now();
        step(&mut tally);
        println!("{name}: {:.0} s", start.elapsed().as_secs_f64());
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    ExitCode::from(u8::from(tally.failed > 0))
}
