//! Level 1: an index over vectors, without documents. Row numbers go out, and the caller keeps what they mean.
//!
//! Rows are given out in order and never again before `compact`. Vectors that are added make a part of their own, or
//! are merged with the parts before them (`merge.rs`).
//!
//! Readers take the present state and are never disturbed; a writer makes a new one beside it. So a search never waits,
//! whatever is being added. Nothing here asks which kind an index is of: the registry's entry says what it can do.

mod candidates;
mod file;
mod handle;
mod merge;
mod parts;
mod recall;
mod recommend;
mod samples;
mod search;
mod spec;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tercet_index::Work;
use tercet_store::Env;

use crate::api::View;
use crate::dense;
use crate::recall::Curves;
use crate::wire::{Code, IndexInfo, IndexPartInfo, TercetError};

pub(crate) use handle::IndexHandle;
use merge::{Fresh, FreshRows, Teaching};
use parts::IndexPart;
pub(crate) use recommend::recommend;
use samples::Samples;
pub(crate) use spec::Spec;

/// An open index.
pub(crate) struct VectorIndex {
    env: Arc<dyn Env>,
    spec: Spec,
    state: RwLock<Arc<State>>,
    writer: Mutex<()>,
    closed: AtomicBool,
}

/// What an index is at a moment.
#[derive(Clone, Default)]
struct State {
    /// In falling size.
    parts: Vec<IndexPart>,
    /// Rows given out so far.
    rows: u32,
    /// What `tune` measured.
    curves: Arc<Curves>,
    /// What axes are taught by.
    samples: Samples,
}

impl State {
    /// Rows that can be found.
    fn size(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.size)).sum()
    }

    /// The part where a row lives, and its own row there.
    fn find(&self, row: u32) -> Option<(&IndexPart, u32)> {
        self.parts.iter().find_map(|part| Some((part, part.own(row)?)))
    }

    /// Removes a row; false when it is not there.
    fn remove(&mut self, row: u32) -> bool {
        self.parts.iter_mut().any(|part| part.remove(row))
    }

    /// Drops parts of which nothing lives.
    fn swept(mut self) -> Self {
        self.parts.retain(|part| part.size > 0);
        self
    }
}

impl VectorIndex {
    /// Builds an index over row-major vectors, its axes taught by sample queries where there are some.
    pub(crate) fn build(
        env: Arc<dyn Env>,
        spec: Spec,
        vectors: Option<View<'_>>,
        queries: Option<View<'_>>,
        work: &Work<'_>,
    ) -> Result<Self, TercetError> {
        let vectors = spec.vectors("vectors", vectors)?;
        let queries = queries.map(|queries| spec.queries("queries", Some(queries))).transpose()?;
        let samples = Samples::new(&spec, queries)?;
        let rows = vectors.count;
        dense::check_trained(&spec.index, rows)?;
        let parts = match rows {
            0 => Vec::new(),
            _ => vec![IndexPart::build(&spec, (0, rows), vectors.values, &samples, work)?],
        };
        Ok(Self::over(env, spec, State { parts, rows, curves: Arc::default(), samples }))
    }

    fn over(env: Arc<dyn Env>, spec: Spec, state: State) -> Self {
        let state = RwLock::new(Arc::new(state));
        VectorIndex { env, spec, state, writer: Mutex::new(()), closed: AtomicBool::new(false) }
    }

    fn check_open(&self) -> Result<(), TercetError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TercetError::new(Code::Closed, "the index is closed"));
        }
        Ok(())
    }

    /// What is there now. Taken before the look at `closed`, so that what close() leaves is never taken for an answer.
    fn state(&self) -> Result<Arc<State>, TercetError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.check_open()?;
        Ok(state)
    }

    /// What is there now, and the right to publish what follows.
    fn write(&self) -> Result<(MutexGuard<'_, ()>, State), TercetError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((writer, State::clone(&*self.state()?)))
    }

    fn publish(&self, state: State) -> Result<(), TercetError> {
        let mut present = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        *present = Arc::new(state);
        Ok(())
    }

    /// What it is; with `parts` also what it is made of.
    fn info(&self, parts: bool) -> Result<IndexInfo, TercetError> {
        let state = self.state()?;
        let described =
            if parts { state.parts.iter().map(described).collect::<Result<_, _>>()? } else { Vec::new() };
        Ok(IndexInfo {
            dims: self.spec.dims,
            metric: self.spec.metric,
            dtype: self.spec.dtype,
            index: self.spec.index.clone(),
            size: state.size(),
            rows: state.rows.into(),
            bytes: state.parts.iter().map(IndexPart::bytes).sum(),
            curves: state.curves.all().to_vec(),
            parts: described,
        })
    }

    /// Adds row-major vectors; returns the first new row and how many there are.
    fn add(&self, vectors: Option<View<'_>>, work: &Work<'_>) -> Result<(u32, u32), TercetError> {
        let vectors = self.spec.vectors("vectors", vectors)?;
        let (_writer, mut state) = self.write()?;
        let (first, count) = (state.rows, vectors.count);
        if count > 0 {
            let end = first.checked_add(count).filter(|end| *end < u32::MAX).ok_or_else(too_many_rows)?;
            let fresh = Fresh { vectors, rows: FreshRows::From(first) };
            state = state.swept();
            state.parts = merge::settle(&self.spec, &state.parts, &fresh, &state.samples, work)?;
            state.rows = end;
            self.publish(state)?;
        }
        Ok((first, count))
    }

    /// Gives rows new vectors; returns how many got one and which were not there.
    fn update(
        &self,
        rows: &[u32],
        vectors: Option<View<'_>>,
        work: &Work<'_>,
    ) -> Result<(u32, Vec<u32>), TercetError> {
        let vectors = self.spec.vectors("vectors", vectors)?;
        if vectors.count as usize != rows.len() {
            let (expected, found) = (format!("{} vectors", rows.len()), format!("{}", vectors.count));
            let message = format!("{} rows need as many vectors, found {found}", rows.len());
            return Err(TercetError::new(Code::Dimension, message)
                .field("vectors")
                .expected(expected, found));
        }
        let mut listed: Vec<(u32, u32)> = rows.iter().copied().zip(0..).collect();
        listed.sort_unstable();
        if let Some(twice) = listed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let message = format!("row {} stands twice in one update", twice[0].0);
            return Err(TercetError::new(Code::Argument, message)
                .field("rows")
                .position(twice[1].1.into())
                .expected("every row once", "a row twice"));
        }
        let (_writer, mut state) = self.write()?;
        let mut missing = Vec::new();
        listed.retain(|(row, _)| {
            let there = state.remove(*row);
            if !there {
                missing.push(*row);
            }
            there
        });
        let updated = listed.len() as u32;
        if updated > 0 {
            let fresh = Fresh { vectors, rows: FreshRows::Listed(listed) };
            state = state.swept();
            state.parts = merge::settle(&self.spec, &state.parts, &fresh, &state.samples, work)?;
            self.publish(state)?;
        }
        Ok((updated, missing))
    }

    /// Removes rows; returns how many went and which were not there.
    fn remove(&self, rows: &[u32]) -> Result<(u32, Vec<u32>), TercetError> {
        let (_writer, mut state) = self.write()?;
        let mut missing = Vec::new();
        for row in rows {
            if !state.remove(*row) {
                missing.push(*row);
            }
        }
        self.publish(state.swept())?;
        Ok(((rows.len() - missing.len()) as u32, missing))
    }

    /// Renumbers without gaps, in one part; returns old row to new row, `u32::MAX` where it was removed.
    fn compact(&self, work: &Work<'_>) -> Result<Vec<u32>, TercetError> {
        let (_writer, mut state) = self.write()?;
        let (map, count) = merge::renumbering(&state.parts, state.rows)?;
        let whole = match state.parts.as_slice() {
            [] => true,
            [one] => one.first == 0 && one.size == one.span && one.removed() == 0,
            _ => false,
        };
        if !whole {
            let parts: Vec<&IndexPart> = state.parts.iter().collect();
            let teaching = Teaching::as_before(&state.samples);
            let merged = merge::merge(&self.spec, &parts, None, Some(&map), teaching, work)?;
            state.parts = merged.into_iter().collect();
        }
        if !whole || count != state.rows {
            state.rows = count;
            self.publish(state)?;
        }
        Ok(map)
    }

    /// Trains everything anew on what is there now, with other sample queries where some are given: centroids, codebooks,
    /// axes and graphs. Rows keep their numbers; what `tune` measured is gone.
    fn retrain(&self, queries: Option<View<'_>>, work: &Work<'_>) -> Result<(), TercetError> {
        let queries = queries.map(|queries| self.spec.queries("queries", Some(queries))).transpose()?;
        let taught = queries.map(|queries| Samples::new(&self.spec, Some(queries))).transpose()?;
        let (_writer, mut state) = self.write()?;
        state.samples = taught.unwrap_or(state.samples);
        let parts: Vec<&IndexPart> = state.parts.iter().collect();
        let teaching = Teaching::anew(&state.samples);
        state.parts = merge::merge(&self.spec, &parts, None, None, teaching, work)?.into_iter().collect();
        state.curves = Arc::default();
        self.publish(state)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }
}

fn described(part: &IndexPart) -> Result<IndexPartInfo, TercetError> {
    let file = &part.stored.file;
    let sections = file.names().map(|name| Ok((name.to_owned(), file.section_len(name)?)));
    let facts = part.stored.reader.facts();
    Ok(IndexPartInfo {
        first: part.first,
        vectors: part.stored.reader.len() as u64,
        removed: part.removed(),
        sections: sections.collect::<Result<_, TercetError>>()?,
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    })
}

fn too_many_rows() -> TercetError {
    TercetError::new(Code::Limit, "an index holds at most 4,294,967,294 rows")
        .field("vectors")
        .expected("at most 4,294,967,294 rows", "more")
}
