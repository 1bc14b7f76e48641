//! Signals that end the process: before they do, what it holds of others is given back, and what it left lying about goes.
//!
//! A thread waits for them, so that this may take locks. Until the first action is registered signals do what they always do, since
//! nothing is held yet.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What is done before the process ends, and whether somebody waits for signals.
struct Actions {
    list: Vec<Box<dyn FnOnce() + Send>>,
    watched: bool,
}

static ACTIONS: Mutex<Actions> = Mutex::new(Actions { list: Vec::new(), watched: false });

/// From now on, `action` is called before a signal ends the process. Locks that it takes it may keep, so that the other
/// threads take no further step.
pub fn before_end(action: impl FnOnce() + Send + 'static) {
    let mut actions = ACTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    actions.list.push(Box::new(action));
    if !actions.watched {
        actions.watched = true;
        // Without it, signals end the process at once: no reason to stop.
        _ = watch();
    }
}

fn watch() -> io::Result<()> {
    // A file that grows past what `ulimit -f` allows: caught, it is an error of that write.
    _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let ending = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU];
    // What the parent ignores (nohup, background jobs) stays ignored.
    let mut signals = Signals::new(ending.into_iter().filter(|&s| !is_ignored(s)))?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in &mut signals {
            let mut actions = ACTIONS.lock().unwrap_or_else(PoisonError::into_inner);
            actions.list.drain(..).for_each(|action| action());
            // Kept locked: nothing is registered any more.
            _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: A null pointer for the new action only asks for the present one, which is written to a local of its type.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
