//! How many threads a step gets: what the user allows, what the input is worth and, under `make -jN`, what the job server grants.

use std::num::NonZero;
use std::sync::Once;

use crate::args::EncodeArgs;
use crate::tokens::{self, JobServer};

/// Most threads that `-j` starts: more would only cost memory.
const MAX_THREADS: usize = 256;

/// The threads that this process may start.
pub struct Threads {
    limit: usize,
    server: JobServer,
    verbose: bool,
    /// What was lent first is said under `-v`: the units' share.
    said: Once,
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
        Threads { limit, server, verbose: args.verbose, said: Once::new() }
    }
}

impl encoder::threads::Threads for Threads {
    fn lend(&self, useful: usize) -> Box<dyn encoder::threads::Lent + '_> {
        let more = self.limit.min(useful).saturating_sub(1);
        let tokens = match &self.server {
            JobServer::Reachable(tokens) => Some(tokens.take(more)),
            _ => None,
        };
        let more = tokens.as_ref().map_or(more, |t| t.count);
        if tokens.is_some() && self.verbose {
            self.said.call_once(|| eprintln!("btfgen: threads that make's job server allows: {}", more + 1));
        }
        // If threads cannot be started, the one that is there does the work.
        let build = || rayon::ThreadPoolBuilder::new().num_threads(more + 1).build().ok();
        Box::new(Lent { pool: (more > 0).then(build).flatten(), _tokens: tokens })
    }
}

/// Threads, and the tokens that they cost: those go back last.
struct Lent<'t> {
    pool: Option<rayon::ThreadPool>,
    _tokens: Option<tokens::Lent<'t>>,
}

impl encoder::threads::Lent for Lent<'_> {
    fn run(&self, step: &mut (dyn FnMut() + Send)) {
        match &self.pool {
            Some(pool) => pool.install(step),
            None => step(),
        }
    }
}
