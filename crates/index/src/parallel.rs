//! Pieces of one result made side by side, without a lock that is ever waited for.

pub(crate) use crate::batch::in_parallel;
use crate::dense::Parallel;
use std::sync::{Mutex, PoisonError};

/// Calls `body` once with each part and its place, side by side.
pub(crate) fn each_part<'t, T: Send + 't>(
    parallel: &dyn Parallel,
    parts: impl Iterator<Item = &'t mut [T]>,
    body: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let parts: Vec<Mutex<&mut [T]>> = parts.map(Mutex::new).collect();
    parallel.run(parts.len(), &|at| {
        if let Some(part) = parts.get(at) {
            body(at, &mut part.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}

/// Threads for tests.
#[cfg(test)]
pub(crate) struct Threads(pub usize);

#[cfg(test)]
impl Parallel for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    loop {
                        let task = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if task >= tasks {
                            break;
                        }
                        body(task);
                    }
                });
            }
        });
    }
}
