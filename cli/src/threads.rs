//! How many threads a step gets: what the user allows, what the input is worth and, under `make -jN`, what the job server grants.

use std::num::NonZero;

use crate::args::EncodeArgs;
use crate::tokens::JobServer;

/// Most threads that `-j` starts: more would only cost memory.
const MAX_THREADS: usize = 256;

/// The threads that this process may start.
pub struct Threads {
    limit: usize,
    server: JobServer,
    verbose: bool,
}

impl Threads {
    /// By `-j` and the job server.
    pub fn new(args: &EncodeArgs, server: JobServer) -> Threads {
        let limit = match (args.jobs, &server) {
            (Some(jobs @ 1..), _) => jobs.min(MAX_THREADS),
            // make's own way: others run beside this process, and how many more would be welcome cannot be asked.
            (_, JobServer::Unreachable(_)) => 1,
            _ => std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS),
        };
        if let (JobServer::Unreachable(why), true) = (&server, args.verbose) {
            eprintln!(
                "btfgen: make's job server cannot be reached ({why}): a `+` before the command in the Makefile helps"
            );
        }
        // Rayon's own pool, which would have as many threads as there are cores, gets none but this thread.
        _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
        Threads { limit, server, verbose: args.verbose }
    }
}

impl encoder::threads::Threads for Threads {
    fn run(&self, useful: usize, step: &mut (dyn FnMut() + Send)) {
        let more = self.limit.min(useful).saturating_sub(1);
        // Tokens are held for as long as the threads are there.
        let tokens = match &self.server {
            JobServer::Reachable(tokens) => Some(tokens.take(more)),
            _ => None,
        };
        let more = tokens.as_ref().map_or(more, |t| t.count);
        if tokens.is_some() && self.verbose {
            eprintln!("btfgen: threads that make's job server allows: {}", more + 1);
        }
        if more == 0 {
            return step();
        }
        // If threads cannot be started, this one does the work.
        match rayon::ThreadPoolBuilder::new().num_threads(more + 1).build() {
            Ok(pool) => pool.install(step),
            Err(_) => step(),
        }
    }
}
