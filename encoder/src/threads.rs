//! Threads are lent by the caller, who knows what else runs on the machine.

/// Lends threads to steps that can use several.
pub trait Threads: Sync {
    /// As many as there are to be had, at most `useful`. One is always there.
    fn lend(&self, useful: usize) -> Box<dyn Lent + '_>;
}

/// Threads that go back when this is dropped.
pub trait Lent {
    /// Calls `step` once, in a rayon pool of these threads.
    fn run(&self, step: &mut (dyn FnMut() + Send));
}

/// Runs a step that has a result.
pub fn run<T: Send>(lent: &dyn Lent, step: impl FnOnce() -> T + Send) -> T {
    let (mut step, mut result) = (Some(step), None);
    lent.run(&mut || result = step.take().map(|step| step()));
    result.expect("the step was run")
}

/// Those of the pool that the caller runs in.
pub struct Here;

impl Threads for Here {
    fn lend(&self, _useful: usize) -> Box<dyn Lent + '_> {
        Box::new(Here)
    }
}

impl Lent for Here {
    fn run(&self, step: &mut (dyn FnMut() + Send)) {
        step();
    }
}
