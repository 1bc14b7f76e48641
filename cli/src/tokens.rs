//! The tokens of GNU make's job server: under `make -jN` there are N - 1 for all processes together, one for each thread beyond a
//! process's first. Whoever takes one and dies without giving it back slows down the rest of the build.

use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use jobserver::{Acquired, Client, FromEnvErrorKind};

use crate::signals;

/// What the environment says about a job server.
pub enum JobServer {
    /// No word of one.
    None,
    /// There is one, but not for this process: make keeps it from recipes without a leading `+`.
    Unreachable(String),
    /// There is one.
    Reachable(Tokens),
}

/// A connection to the job server.
pub struct Tokens {
    client: Client,
    held: Held,
    signals: Once,
}

type Held = Arc<Mutex<Vec<Acquired>>>;

/// Tokens that go back when this is dropped.
pub struct Lent<'a> {
    held: &'a Held,
    /// How many there are.
    pub count: usize,
}

impl JobServer {
    /// Looks into MAKEFLAGS. To be called before the process opens any file.
    pub fn from_env() -> JobServer {
        // SAFETY: The numbers in MAKEFLAGS are those of descriptors that make opened or of closed ones, since this process has
        // opened none yet; what is not a pipe is refused.
        let found = unsafe { Client::from_env_ext(true) };
        match found.client {
            Ok(client) => JobServer::Reachable(Tokens { client, held: Held::default(), signals: Once::new() }),
            Err(e) if matches!(e.kind(), FromEnvErrorKind::NoEnvVar | FromEnvErrorKind::NoJobserver) => JobServer::None,
            Err(e) => JobServer::Unreachable(e.to_string()),
        }
    }
}

impl Tokens {
    /// Takes tokens, at most so many, and only those that are there: it never waits.
    pub fn take(&self, most: usize) -> Lent<'_> {
        let mut count = 0;
        if most > 0 {
            self.signals.call_once(|| give_back_on_signals(&self.held));
            // Locked all the while, so that a signal now has to wait until what was read from the pipe is in the list.
            let mut held = lock(&self.held);
            while count < most {
                // An error is no reason to stop: one thread can do all the work.
                let Ok(Some(token)) = self.client.try_acquire() else { break };
                held.push(token);
                count += 1;
            }
        }
        Lent { held: &self.held, count }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut held = lock(self.held);
        let rest = held.len().saturating_sub(self.count);
        held.truncate(rest);
    }
}

fn lock(held: &Held) -> MutexGuard<'_, Vec<Acquired>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, what would end the process gives back the tokens first.
fn give_back_on_signals(held: &Held) {
    let held = held.clone();
    signals::before_end(move || {
        let mut held = lock(&held);
        held.clear();
        // Kept locked until the end: no more are taken.
        std::mem::forget(held);
    });
}
