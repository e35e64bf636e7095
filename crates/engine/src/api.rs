//! The one door through which both bindings reach the engine.
//!
//! A binding converts arrays and text, picks a thread and maps the reply; it knows no verb. Handles are reference
//! counted, so that a call in flight keeps alive what another call closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tercet_store::Env;

use crate::wire::{Code, TercetError};

/// Bulk numbers beside the JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Vectors and scores.
    F32(Vec<f32>),
    /// Row numbers and bitmaps.
    U32(Vec<u32>),
    /// Raw bytes.
    U8(Vec<u8>),
}

/// Components of vectors in the arrays, for estimates.
pub(crate) fn components(arrays: &[Array]) -> u64 {
    arrays.iter().map(|array| if let Array::F32(values) = array { values.len() as u64 } else { 0 }).sum()
}

/// What a call answers.
#[derive(Default)]
pub struct Reply {
    /// The wire type of the verb's answer.
    pub json: String,
    /// Bulk numbers that the JSON refers to by position.
    pub arrays: Vec<Array>,
    /// A new handle, for verbs that open or begin something.
    pub handle: Option<Arc<dyn Handle>>,
}

/// Cancels a running call and tells how far it is. Shared between the caller and the thread that works.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// A fresh one: nothing done, not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the call to stop at its next look.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked it to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Takes a cancellation back, for the next piece of work.
    pub(crate) fn renew(&self) {
        self.cancelled.store(false, Ordering::Relaxed);
    }

    /// Work done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Work in all; 0 while unknown.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Says how much work there is.
    pub(crate) fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Counts work done, and fails when the call was cancelled.
    pub(crate) fn step(&self, work: u64) -> Result<(), TercetError> {
        self.done.fetch_add(work, Ordering::Relaxed);
        if self.is_cancelled() {
            return Err(TercetError::new(Code::Aborted, "the call was cancelled; nothing was changed"));
        }
        Ok(())
    }
}

/// Something open in the engine.
pub trait Handle: Send + Sync {
    /// Runs one verb. The request and the reply are wire types; an error has changed nothing.
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError>;

    /// The planner's estimate of a call, in microseconds: below 200 a binding runs it on the calling thread.
    fn estimate_us(&self, verb: &str, json: &str, arrays: &[Array]) -> u64;

    /// Level-1 search into the caller's arrays, both at least `k` long; returns how many results were written.
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        rows: &mut [u32],
        scores: &mut [f32],
    ) -> Result<usize, TercetError> {
        let _ = (query, k, rows, scores);
        Err(TercetError::new(Code::Unsupported, "only a level-1 index can be searched into arrays"))
    }

    /// Frees it; later calls answer ERR_CLOSED. May be called twice.
    fn close(&self);
}

/// Runs work beside the calls. Every piece needs a thread that no call occupies: calls may wait for it.
pub trait Executor: Send + Sync {
    /// Starts a piece of work and returns at once.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>);
}

/// The handle that opens others: verbs `info`, `open`, `import`, `repair`, `index.build`, `index.open`, `evaluate`.
/// Merges run at the end of the calls that make them due.
pub fn root(env: Arc<dyn Env>) -> Arc<dyn Handle> {
    crate::root::root(env, None)
}

/// Like [`root`], with merges in the background.
pub fn root_with(env: Arc<dyn Env>, executor: Arc<dyn Executor>) -> Arc<dyn Handle> {
    crate::root::root(env, Some(executor))
}
