//! How a merge is done: with which threads, told to stop by whom, and how thoroughly.

use std::sync::atomic::{AtomicU64, Ordering};

use tercet_index::{IndexError, Inline, Parallel, Work};

use crate::api::Control;
use crate::wire::TercetError;

/// Steps that one part of a merge counts for.
const STEPS: u64 = 1_000;

/// A merge to be done.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    /// Cancels it and counts its steps.
    pub(crate) control: &'a Control,
    /// Threads.
    pub(crate) parallel: &'a dyn Parallel,
    /// What only makes searches faster is left to a later merge.
    pub(crate) plain: bool,
    /// Documents are merged beside the fields, where there are threads, and what is made is held until both are there.
    pub(crate) side_by_side: bool,
    /// Another reason to end early.
    pub(crate) give_up: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> Job<'a> {
    /// On this thread, with all that belongs to it.
    pub(crate) fn whole(control: &'a Control) -> Self {
        Job { control, parallel: &Inline, plain: false, side_by_side: false, give_up: None }
    }

    /// What must be written soon.
    pub(crate) fn plain(control: &'a Control) -> Self {
        Job { plain: true, ..Job::whole(control) }
    }

    /// Says of how many parts it is.
    pub(super) fn begin(&self, parts: u64) {
        self.control.begin(parts * STEPS);
    }

    /// A part is done, of which so many steps were counted before.
    pub(super) fn end(&self, counted: u64) -> Result<(), TercetError> {
        self.control.step(STEPS - counted.min(STEPS))
    }

    /// Does one part with this job's threads. What it reports is counted as its share of the steps, which are returned.
    pub(super) fn run(
        &self,
        part: impl FnOnce(&Work<'_>) -> Result<(), IndexError>,
    ) -> Result<u64, IndexError> {
        let counted = AtomicU64::new(0);
        let progress = |done: u64, total: u64| {
            let share = if total == 0 {
                0
            } else {
                u128::from(done.min(total)) * u128::from(STEPS - 1) / u128::from(total)
            };
            let before = counted.fetch_max(share as u64, Ordering::Relaxed);
            let on = self.control.step((share as u64).saturating_sub(before)).is_ok();
            on && !self.give_up.is_some_and(|give_up| give_up())
        };
        part(&Work { parallel: self.parallel, progress: &progress })?;
        Ok(counted.into_inner())
    }
}
