//! A bar for work that takes seconds. On a terminal only, and never with `--quiet`.

use indicatif::{ProgressBar, ProgressStyle};

use crate::messages;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Files that are done.
    Files,
    /// Bytes of debug information that were read.
    Bytes,
}

/// A bar on standard error.
pub struct Progress {
    bar: ProgressBar,
    unit: Unit,
}

impl Progress {
    /// A bar that is full after so many units; see [`Progress::expect`] if that is not known yet.
    pub fn new(unit: Unit, length: u64) -> Progress {
        let bar = if messages::is_quiet() { ProgressBar::hidden() } else { ProgressBar::new(length) };
        let template = match unit {
            Unit::Files => "{bar:30} {pos}/{len} files {eta}",
            Unit::Bytes => "{bar:30} {bytes}/{total_bytes} {eta}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar, unit }
    }

    /// The bar is full after so many units.
    pub fn expect(&self, unit: Unit, length: u64) {
        if self.unit == unit {
            self.bar.set_length(length);
        }
    }

    /// So many units more are done; those of another kind are not counted.
    pub fn done(&self, unit: Unit, count: u64) {
        if self.unit == unit {
            self.bar.inc(count);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
