//! The threads that do long calls: our own, bounded, for the process and all its environments.
//!
//! Never libuv's: those four threads serve the host's files and name look-ups, and a merge would stall them. Calls that
//! compute share a pool as wide as the machine. Calls of unknown length, which mostly wait (a commit for its sync, and
//! for others to sync with), have a pool of their own, so that searches never queue behind a disk. Merges get a thread
//! each: calls may wait for them, so they must not wait for a call.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tercet_engine::api::Executor;

/// More threads than this gain little in one process and cost stacks.
const THREADS_MAX: usize = 8;
/// Commits that can share one sync.
const WAITING_MAX: usize = 16;

/// Runs `work` on a pool thread, or at once where the system gives no threads. `work` must not panic.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    match pool() {
        Some(pool) => pool.spawn_fifo(work),
        None => work(),
    }
}

/// Like [`spawn`], for work that mostly waits.
pub(crate) fn spawn_waiting(work: impl FnOnce() + Send + 'static) {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let named = |n| format!("tercet-io-{n}");
    match POOL
        .get_or_init(|| ThreadPoolBuilder::new().num_threads(WAITING_MAX).thread_name(named).build().ok())
    {
        Some(pool) => pool.spawn_fifo(work),
        None => work(),
    }
}

/// A thread for every piece of work in the background.
pub(crate) struct Threads;

impl Executor for Threads {
    fn spawn(&self, work: Box<dyn FnOnce() + Send>) {
        let shared = Arc::new(Mutex::new(Some(work)));
        let take = |work: &Mutex<Option<Box<dyn FnOnce() + Send>>>| {
            work.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let theirs = Arc::clone(&shared);
        let started = std::thread::Builder::new().name("tercet-merge".to_owned()).spawn(move || {
            if let Some(work) = take(&theirs) {
                work();
            }
        });
        // Where the system gives no thread, the caller does it.
        if started.is_err()
            && let Some(work) = take(&shared)
        {
            work();
        }
    }
}

fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    POOL.get_or_init(|| {
        let threads = available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX));
        ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("tercet-{n}")).build().ok()
    })
    .as_ref()
}
