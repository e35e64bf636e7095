//! The threads that do long calls: our own, bounded, for the process and all its environments.
//!
//! Never libuv's: those four threads serve the host's files and name look-ups, and a merge would stall them. Calls that
//! compute share a pool as wide as the machine. Calls of unknown length, which mostly wait (a commit for its sync, and
//! for others to sync with), have a pool of their own, so that searches never queue behind a disk. Merges get a thread
//! each: calls may wait for them, so they must not wait for a call.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
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

type Work = Box<dyn FnOnce() + Send>;

/// Threads that wait for work without looking for it: a pool for computing keeps its threads awake for a while, which
/// would cost more than the work does where each piece is a short wait for a disk.
struct Waiting {
    queue: VecDeque<Work>,
    idle: usize,
    threads: usize,
}

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { queue: VecDeque::new(), idle: 0, threads: 0 });
static MORE: Condvar = Condvar::new();

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Like [`spawn`], for work that mostly waits.
pub(crate) fn spawn_waiting(work: impl FnOnce() + Send + 'static) {
    let mut waiting = waiting();
    waiting.queue.push_back(Box::new(work));
    if waiting.idle >= waiting.queue.len() {
        drop(waiting);
        MORE.notify_one();
        return;
    }
    if waiting.threads < WAITING_MAX {
        let name = format!("tercet-io-{}", waiting.threads);
        if std::thread::Builder::new().name(name).spawn(serve).is_ok() {
            waiting.threads += 1;
        }
    }
    // Without any thread the caller does it.
    if waiting.threads == 0
        && let Some(work) = waiting.queue.pop_back()
    {
        drop(waiting);
        work();
    }
}

fn serve() {
    let mut state = waiting();
    loop {
        while let Some(work) = state.queue.pop_front() {
            drop(state);
            work();
            state = waiting();
        }
        state.idle += 1;
        state = MORE.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
    }
}

/// A thread for every piece of work in the background; and threads that compute pieces of one call. These are a pool of
/// their own: its threads run pieces and never calls, so that a call which waits for its pieces cannot be handed another
/// call that waits for the first.
pub(crate) struct Threads;

impl Executor for Threads {
    fn spawn(&self, work: Work) {
        let shared = Arc::new(Mutex::new(Some(work)));
        let take = |work: &Mutex<Option<Work>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
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

    fn threads(&self) -> usize {
        width()
    }

    fn run(&self, threads: usize, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let claim = || {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    break;
                }
                body(task);
            }
        };
        let helpers = threads.min(tasks).saturating_sub(1);
        match pieces() {
            Some(pool) if helpers > 0 => pool.in_place_scope(|scope| {
                for _ in 0..helpers {
                    scope.spawn(|_| claim());
                }
                claim();
            }),
            _ => claim(),
        }
    }
}

fn width() -> usize {
    available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX))
}

/// The threads that compute pieces of calls.
fn pieces() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let named = |n| format!("tercet-piece-{n}");
    POOL.get_or_init(|| ThreadPoolBuilder::new().num_threads(width()).thread_name(named).build().ok())
        .as_ref()
}

fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    POOL.get_or_init(|| {
        ThreadPoolBuilder::new().num_threads(width()).thread_name(|n| format!("tercet-{n}")).build().ok()
    })
    .as_ref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::channel;
    use std::sync::{Arc, Barrier};

    #[test]
    fn pieces_of_a_call_all_run_once_also_from_calls_side_by_side() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        use tercet_engine::api::Executor as _;
        let (sender, done) = channel();
        for call in 0..20 {
            let sender = sender.clone();
            super::spawn(move || {
                let ran: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
                super::Threads.run(1 + call % 4, ran.len(), &|at| {
                    ran[at].fetch_add(1, Ordering::Relaxed);
                });
                sender.send(ran.iter().all(|ran| ran.load(Ordering::Relaxed) == 1)).unwrap();
            });
        }
        assert!(done.iter().take(20).all(|good| good));
    }

    #[test]
    fn pieces_that_wait_for_each_other_all_run() {
        let (sender, done) = channel();
        for _ in 0..20 {
            // As many as may run at once, all waiting for the last.
            let together = Arc::new(Barrier::new(super::WAITING_MAX));
            for _ in 0..super::WAITING_MAX {
                let (sender, together) = (sender.clone(), Arc::clone(&together));
                super::spawn_waiting(move || {
                    together.wait();
                    sender.send(()).unwrap();
                });
            }
        }
        assert_eq!(done.iter().take(20 * super::WAITING_MAX).count(), 20 * super::WAITING_MAX);
    }
}
