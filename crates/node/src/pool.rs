//! The threads that do long calls: our own, bounded, one pool for the process and all its environments.
//!
//! Never libuv's: those four threads serve the host's files and name look-ups, and a merge would stall them.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// More threads than this gain little in one process and cost stacks.
const THREADS_MAX: usize = 8;

/// Runs `work` on a pool thread, or at once where the system gives no threads. `work` must not panic.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    match pool() {
        Some(pool) => pool.spawn_fifo(work),
        None => work(),
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
