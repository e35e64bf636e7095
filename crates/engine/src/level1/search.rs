//! One search over the parts of an index. Nothing is allocated for a query but what the reader needs: collectors, words
//! of filters and results are kept by thread.

use std::cell::Cell;

use tercet_index::{Answered, Bitmap, Counters, Path, Scored, TopK, Work};

use super::content::{Content, Search};
use super::parts::IndexPart;
use super::{Index, State};
use crate::error::index_error;
use crate::search::{DEPTH_MAX, bounded, check_whole};
use crate::wire::{Code, IndexSearchReply, SearchPath, TercetError};

/// Up to so many rows to leave out are looked for among the results; more of them are taken out of the filter.
pub(super) const EXCLUDED_FEW: usize = 64;

/// What is searched for.
pub(super) enum Query<'q, 'a, C: Content> {
    /// A query, checked.
    Value(&'q C::Query<'a>),
    /// A stored row, which is not found itself.
    Row(u32),
}

/// The rows that may be found.
#[derive(Clone, Copy)]
pub(super) enum Allowed<'a> {
    All,
    /// A bitmap over the rows of the index, 32 a word.
    Words(&'a [u32]),
    /// A bitmap a part, ready for many queries.
    Ready(&'a [Bitmap]),
}

/// One search, but for the query.
#[derive(Clone)]
pub(super) struct Ask<'a, C: Content> {
    pub(super) k: usize,
    pub(super) way: C::Way,
    /// The least score of a result; negative infinity: any.
    pub(super) least: f32,
    pub(super) time_limit_ms: Option<u64>,
    pub(super) allowed: Allowed<'a>,
    pub(super) exclude: &'a [u32],
}

impl<C: Content> Ask<'_, C> {
    /// A search for the best `k` of all rows.
    pub(super) fn new(k: usize, way: C::Way) -> Self {
        Ask { k, way, least: f32::NEG_INFINITY, time_limit_ms: None, allowed: Allowed::All, exclude: &[] }
    }
}

/// How it was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) exact: bool,
    pub(super) complete: bool,
    pub(super) path: SearchPath,
    pub(super) counters: Counters,
}

impl Outcome {
    /// Nothing was searched yet.
    pub(super) const NONE: Outcome = Outcome {
        exact: true,
        complete: true,
        path: SearchPath::Scan,
        counters: Counters {
            vectors_scored: 0,
            hops: 0,
            postings_scored: 0,
            blocks_bounded: 0,
            blocks_scored: 0,
        },
    };

    /// Takes what a part says.
    fn take(&mut self, answered: Answered) {
        self.exact &= answered.exact;
        self.complete &= answered.complete;
        self.path = self.path.max(path(answered.path));
    }

    /// Takes what another search says beside this one.
    pub(super) fn join(&mut self, other: &Outcome) {
        self.exact &= other.exact;
        self.complete &= other.complete;
        self.path = self.path.max(other.path);
        self.counters += other.counters;
    }

    /// As it crosses to JavaScript.
    pub(super) fn reply(&self) -> IndexSearchReply {
        IndexSearchReply {
            exact: self.exact,
            complete: self.complete,
            path: self.path,
            distances: self.counters.vectors_scored,
            hops: self.counters.hops,
            postings: self.counters.postings_scored,
            blocks_bounded: self.counters.blocks_bounded,
            blocks_scored: self.counters.blocks_scored,
        }
    }
}

/// Memory that one search after the other uses.
pub(super) struct Scratch {
    part: TopK,
    all: TopK,
    words: Vec<u64>,
    /// The results of the last search, best first.
    pub(super) found: Vec<Scored>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Scratch {
    fn fresh() -> Box<Scratch> {
        let top = TopK::new(0);
        Box::new(Scratch { part: top.clone(), all: top, words: Vec::new(), found: Vec::new() })
    }

    /// Runs `work` with this thread's scratch.
    pub(super) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = SCRATCH.take().unwrap_or_else(Scratch::fresh);
        let done = work(&mut scratch);
        // What one huge search took is not kept for ever.
        if scratch.found.capacity() <= 1 << 16 {
            SCRATCH.set(Some(scratch));
        }
        done
    }
}

impl<C: Content> Index<C> {
    /// The best rows, best first, in `scratch.found`.
    pub(super) fn search(
        &self,
        state: &State<C>,
        query: Query<'_, '_, C>,
        ask: &Ask<'_, C>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, TercetError> {
        bounded("k", i64::try_from(ask.k).unwrap_or(i64::MAX), 1, DEPTH_MAX)?;
        match query {
            Query::Value(query) => self.search_but(state, query, None, ask, scratch),
            Query::Row(row) => {
                let (part, own) = state.find(row).ok_or_else(|| no_row(row))?;
                let stored = self.spec.probe_of(&part.stored.reader, own);
                let stored = stored.map_err(|e| index_error(e, part.stored.file.label()))?;
                let stored = stored.ok_or_else(|| no_row(row))?;
                let query = self.spec.probe(&stored, &ask.way)?;
                self.search_but(state, &query, Some(row), ask, scratch)
            }
        }
    }

    /// The same, but for a row that is not to be found.
    pub(super) fn search_but(
        &self,
        state: &State<C>,
        query: &C::Query<'_>,
        itself: Option<u32>,
        ask: &Ask<'_, C>,
        scratch: &mut Scratch,
    ) -> Result<Outcome, TercetError> {
        scratch.found.clear();
        let few = ask.exclude.len() <= EXCLUDED_FEW;
        let dropped = if few { ask.exclude.len() } else { 0 } + usize::from(itself.is_some());
        // Rows that are dropped afterwards leave room for as many others.
        let k = ask.k + dropped;
        let deadline = ask.time_limit_ms.map(|limit| self.env.now_ms().saturating_add(limit));
        let late = || deadline.is_some_and(|deadline| self.env.now_ms() >= deadline);
        let mut outcome = Outcome::NONE;
        let Scratch { part: top, all, words, found } = scratch;
        let several = state.parts.len() > 1;
        if several {
            all.reset(k, ask.least);
        }
        for (at, part) in state.parts.iter().enumerate() {
            let mut made = match ask.allowed {
                Allowed::Words(filter) => Some(part.allowed(filter, std::mem::take(words))),
                _ => None,
            };
            let ready = match ask.allowed {
                Allowed::Ready(ready) => ready.get(at),
                _ => None,
            };
            if !few {
                let base = made.take().or_else(|| ready.cloned()).or_else(|| part.live.as_deref().cloned());
                made = Some(without(part, base, ask.exclude));
            }
            let allowed = made.as_ref().or(ready).or(part.live.as_deref());
            top.reset(k, ask.least);
            let search = Search { way: &ask.way, allowed, stop: deadline.is_some().then_some(&late as _) };
            let answered = self.spec.search(&part.stored.reader, query, &search, top, &mut outcome.counters);
            let answered = answered.map_err(|e| index_error(e, part.stored.file.label()))?;
            if let Some(made) = made {
                *words = made.into_words();
            }
            check_whole(top, k)?;
            outcome.take(answered);
            let first = part.first;
            if several {
                top.take_sorted(|hit| all.push(hit.score, first + hit.row));
            } else {
                top.take_sorted(|hit| found.push(Scored { row: first + hit.row, ..hit }));
            }
        }
        if several {
            check_whole(all, k)?;
            all.take_sorted(|hit| found.push(hit));
        }
        if dropped > 0 {
            found.retain(|hit| Some(hit.row) != itself && !(few && ask.exclude.contains(&hit.row)));
            found.truncate(ask.k);
        }
        Ok(outcome)
    }
}

impl<C: Content> Index<C> {
    /// The best rows of many queries of one thread, each handed out best first, with its place. No time limit.
    pub(super) fn search_many(
        &self,
        state: &State<C>,
        values: &C::Values<'_>,
        ask: &Ask<'_, C>,
        work: &Work<'_>,
        mut each: impl FnMut(usize, &[Scored]),
    ) -> Result<Outcome, TercetError> {
        let count = C::count(values);
        let queries = (0..count).map(|at| self.spec.query(values, at, &ask.way));
        let queries = queries.collect::<Result<Vec<_>, _>>()?;
        let k = ask.k + ask.exclude.len();
        let memory = |e| index_error(e, "(index)");
        let collectors = || {
            let mut tops = tercet_index::reserved(count as usize).map_err(memory)?;
            tops.resize_with(count as usize, || TopK::within(k, ask.least));
            Ok::<_, TercetError>(tops)
        };
        let mut outcome = Outcome::NONE;
        let mut all = collectors()?;
        let mut tops = if state.parts.len() > 1 { collectors()? } else { Vec::new() };
        for (at, part) in state.parts.iter().enumerate() {
            let ready = if let Allowed::Ready(ready) = ask.allowed { ready.get(at) } else { None };
            let allowed = ready.or(part.live.as_deref());
            let search = Search { way: &ask.way, allowed, stop: None };
            let into = if tops.is_empty() { &mut all } else { &mut tops };
            let (reader, given, counters) =
                (&part.stored.reader, (values, &queries[..]), &mut outcome.counters);
            let answered = self.spec.search_batch(reader, given, &search, into, counters, work);
            let answered = answered.map_err(|e| index_error(e, part.stored.file.label()))?;
            outcome.take(answered);
            into.iter().try_for_each(|top| check_whole(top, k))?;
            for (top, all) in tops.iter_mut().zip(&mut all) {
                top.take_sorted(|hit| all.push(hit.score, part.first + hit.row));
                top.reset(k, ask.least);
            }
        }
        let first = match state.parts.as_slice() {
            [one] => one.first,
            _ => 0,
        };
        let mut found = Vec::new();
        for (at, mut top) in all.into_iter().enumerate() {
            check_whole(&top, k)?;
            found.clear();
            top.take_sorted(|hit| found.push(Scored { row: first + hit.row, ..hit }));
            if !ask.exclude.is_empty() {
                found.retain(|hit| !ask.exclude.contains(&hit.row));
                found.truncate(ask.k);
            }
            each(at, &found);
        }
        Ok(outcome)
    }
}

/// The error of a row that is not there.
pub(super) fn no_row(row: u32) -> TercetError {
    TercetError::new(Code::Argument, format!("there is no row {row}"))
        .field("row")
        .expected("a row of the index", row.to_string())
}

/// A part's allowed rows (`None`: all) without some rows of the index.
fn without<C: Content>(part: &IndexPart<C>, allowed: Option<Bitmap>, exclude: &[u32]) -> Bitmap {
    let mut allowed = allowed.unwrap_or_else(|| Bitmap::full(part.span));
    for row in exclude.iter().filter_map(|row| row.checked_sub(part.first)) {
        allowed.clear(row);
    }
    allowed
}

fn path(path: Path) -> SearchPath {
    match path {
        Path::Scan => SearchPath::Scan,
        Path::Graph => SearchPath::Graph,
        Path::FilteredGraph => SearchPath::FilteredGraph,
        Path::Terms => SearchPath::Terms,
        Path::Blocks => SearchPath::Blocks,
        Path::Impacts => SearchPath::Impacts,
        Path::Lists => SearchPath::Lists,
    }
}
