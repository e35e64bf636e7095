//! The one door through which both bindings reach the engine.
//!
//! A binding converts arrays and text, picks a thread and maps the reply; it knows no verb. Handles are reference
//! counted, so that a call in flight keeps alive what another call closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tercet_index::Parallel;
use tercet_store::Env;

use crate::wire::{Code, TercetError};

/// Bulk numbers beside the JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Vectors and scores.
    F32(Vec<f32>),
    /// Row numbers and bitmaps.
    U32(Vec<u32>),
    /// Raw bytes, unsigned components, bits.
    U8(Vec<u8>),
    /// 16-bit floats, as their bits.
    U16(Vec<u16>),
    /// Signed components.
    I8(Vec<i8>),
}

impl Array {
    /// A view of it.
    pub fn view(&self) -> View<'_> {
        match self {
            Array::F32(values) => View::F32(values),
            Array::U32(values) => View::U32(values),
            Array::U8(values) => View::U8(values),
            Array::U16(values) => View::U16(values),
            Array::I8(values) => View::I8(values),
        }
    }
}

/// Bulk numbers that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View<'a> {
    /// Vectors and scores.
    F32(&'a [f32]),
    /// Row numbers and bitmaps.
    U32(&'a [u32]),
    /// Unsigned components, bits.
    U8(&'a [u8]),
    /// 16-bit floats, as their bits.
    U16(&'a [u16]),
    /// Signed components.
    I8(&'a [i8]),
}

/// Components of vectors in the arrays, for estimates.
pub(crate) fn components(arrays: &[Array]) -> u64 {
    let components = |array: &Array| if let Array::F32(values) = array { values.len() as u64 } else { 0 };
    arrays.iter().map(components).sum()
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

    /// Says how much is done of how much; false when the call was cancelled.
    pub(crate) fn at(&self, done: u64, total: u64) -> bool {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        !self.is_cancelled()
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

    /// Level-1 search into the caller's arrays; returns how many results were written.
    fn search_into(&self, search: SearchInto<'_>) -> Result<usize, TercetError> {
        let _ = search;
        Err(TercetError::new(Code::Unsupported, "only a level-1 index can be searched into arrays"))
    }

    /// Frees it; later calls answer ERR_CLOSED. May be called twice.
    fn close(&self);
}

/// A level-1 search into the caller's arrays.
pub struct SearchInto<'a> {
    /// The query, in the type of the index or as f32; of sparse vectors its values and then the bits of its indices, of token
    /// vectors one token after the other. Not looked at when the settings name a row.
    pub query: View<'a>,
    /// How many neighbours.
    pub k: usize,
    /// At least `k` long; rows are written here.
    pub rows: &'a mut [u32],
    /// At least `k` long; scores are written here.
    pub scores: &'a mut [f32],
    /// How to search, and then how it was answered: see [`setting`]. Empty: the usual search, and nothing is said.
    pub settings: &'a mut [f64],
    /// A bitmap of the rows that may be found, 32 a word.
    pub filter: Option<&'a [u32]>,
    /// Rows that may not be found.
    pub exclude: &'a [u32],
}

/// Places in [`SearchInto::settings`]. The TypeScript beside them is `packages/tercet/src/settings.ts`.
pub mod setting {
    /// Candidates kept while a graph is walked; 0: the usual number; below 0: an exact scan.
    pub const EF: usize = 0;
    /// The recall wanted, by the measured curve; 0: by `EF`.
    pub const RECALL: usize = 1;
    /// The least score of a result; NaN: any.
    pub const LEAST_SCORE: usize = 2;
    /// Stops after so many nodes without a better result; 0: never.
    pub const PATIENCE: usize = 3;
    /// Stops after so many milliseconds; 0: never.
    pub const TIME_LIMIT_MS: usize = 4;
    /// Searches by this stored row, which is not found; below 0: by the query.
    pub const ROW: usize = 5;
    /// Lists that are scanned; 0: the usual number.
    pub const NPROBE: usize = 6;
    /// Candidates that are ranked again; 0: the usual number.
    pub const CANDIDATES: usize = 7;
    /// Of sparse vectors: what bounds are multiplied by; 0: 1.
    pub const ALPHA: usize = 8;
    /// Of sparse vectors: the share of the query's terms that bounds leave out.
    pub const BETA: usize = 9;
    /// Of sparse vectors: the most cells that are scored; 0: any number.
    pub const CELLS: usize = 10;
    /// Of token vectors: 1 for the mean over the query's tokens and not the sum.
    pub const MEAN: usize = 11;
    /// Of token vectors: query tokens of at least this inner product are one; NaN: none are.
    pub const CARVE: usize = 12;
    /// Of token vectors: 1 to rank by the best unit.
    pub const UNITS: usize = 13;
    /// Of token vectors: 1 when the weights of the query's tokens stand behind them.
    pub const WEIGHTED: usize = 14;
    /// Answer: 1 when the true best were found.
    pub const EXACT: usize = 15;
    /// Answer: 1 when the search was not stopped.
    pub const COMPLETE: usize = 16;
    /// Answer: which way it took: 0 scan, 1 graph, 2 filtered graph, 3 lists, 4 term at a time, 5 blocks by bounds.
    pub const PATH: usize = 17;
    /// Answer: distances computed.
    pub const DISTANCES: usize = 18;
    /// Answer: nodes whose links were followed.
    pub const HOPS: usize = 19;
    /// Answer: postings added to scores.
    pub const POSTINGS: usize = 20;
    /// Answer: blocks whose bounds were summed.
    pub const BLOCKS_BOUNDED: usize = 21;
    /// Answer: cells scored because of their bounds.
    pub const BLOCKS_SCORED: usize = 22;
    /// How many settings there are.
    pub const COUNT: usize = 23;
}

/// Runs work beside the calls. Every piece needs a thread that no call occupies: calls may wait for it.
pub trait Executor: Send + Sync {
    /// Starts a piece of work and returns at once.
    fn spawn(&self, work: Box<dyn FnOnce() + Send>);

    /// How many pieces of one call may be computed at once, at least 1.
    fn threads(&self) -> usize {
        1
    }

    /// Runs `body(0)` to `body(tasks - 1)` in any order on at most `threads` threads, the caller's among them, and
    /// returns when all are done. A piece never waits for a call.
    fn run(&self, threads: usize, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        let _ = threads;
        (0..tasks).for_each(body);
    }
}

/// Some threads of an executor, for one call; without one, the thread of the call.
pub(crate) struct Threads<'a> {
    executor: Option<&'a dyn Executor>,
    threads: usize,
}

impl<'a> Threads<'a> {
    /// At most `wanted` threads; `None`: all there are.
    pub(crate) fn new(executor: Option<&'a dyn Executor>, wanted: Option<u32>) -> Self {
        let there = executor.map_or(1, Executor::threads).max(1);
        let threads = wanted.map_or(there, |wanted| (wanted as usize).clamp(1, there));
        Threads { executor: executor.filter(|_| threads > 1), threads }
    }
}

impl Parallel for Threads<'_> {
    fn threads(&self) -> usize {
        self.threads
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        match self.executor {
            Some(executor) if tasks > 1 => executor.run(self.threads, tasks, body),
            _ => (0..tasks).for_each(body),
        }
    }
}

/// The handle that opens others: verbs `info`, `open`, `import`, `repair`, `index.build`, `index.open`, `recommend`,
/// `evaluate`.
/// Merges run at the end of the calls that make them due.
pub fn root(env: Arc<dyn Env>) -> Arc<dyn Handle> {
    crate::root::root(env, None)
}

/// Like [`root`], with merges in the background.
pub fn root_with(env: Arc<dyn Env>, executor: Arc<dyn Executor>) -> Arc<dyn Handle> {
    crate::root::root(env, Some(executor))
}
