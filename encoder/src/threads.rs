//! Threads are lent by the caller, who knows what else runs on the machine.

/// Runs steps that can use several threads.
pub trait Threads: Sync {
    /// Calls `step` once, in a rayon pool of as many threads as there are to be had, at most `useful`.
    fn run(&self, useful: usize, step: &mut (dyn FnMut() + Send));
}

/// Those of the pool that the caller runs in.
pub struct Here;

impl Threads for Here {
    fn run(&self, _useful: usize, step: &mut (dyn FnMut() + Send)) {
        step();
    }
}
