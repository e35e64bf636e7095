//! Level 1: an index over values, without documents. Row numbers go out, and the caller keeps what they mean.
//!
//! Rows are given out in order and never again before `compact`. Values that are added make a part of their own, or
//! are merged with the parts before them (`merge.rs`). A value is a dense vector, a sparse one, or several vectors: what
//! differs between them is in `content.rs` and behind it, and nothing else asks which it is.
//!
//! Readers take the present state and are never disturbed; a writer makes a new one beside it. So a search never waits,
//! whatever is being added. Nothing here asks which kind an index is of: the registry's entry says what it can do.

mod candidates;
mod content;
mod dense;
mod file;
mod handle;
mod merge;
mod multi;
mod parts;
mod recall;
mod recommend;
mod samples;
mod search;
mod sparse;
mod spec;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tercet_index::Work;
use tercet_store::Env;

use crate::offsets::Offsets;
use crate::recall::Curves;
use crate::wire::{Code, IndexNow, IndexPartInfo, IndexSizes, TercetError};

use content::Content;
pub(crate) use handle::{build, open};
use merge::{Fresh, FreshRows, Teaching};
use parts::IndexPart;
pub(crate) use recommend::recommend;
use samples::Samples;

/// An open index.
pub(crate) struct Index<C: Content> {
    env: Arc<dyn Env>,
    spec: C,
    state: RwLock<Arc<State<C>>>,
    writer: Mutex<()>,
    closed: AtomicBool,
}

/// What an index is at a moment.
pub(crate) struct State<C: Content> {
    /// In falling size.
    parts: Vec<IndexPart<C>>,
    /// Rows given out so far.
    rows: u32,
    /// What `tune` measured.
    curves: Arc<Curves>,
    /// What axes are taught by.
    samples: Samples,
    /// States before this one.
    number: u64,
    /// How often everything was trained anew.
    trained: u32,
}

impl<C: Content> Default for State<C> {
    fn default() -> Self {
        let (curves, samples) = (Arc::default(), Samples::default());
        State { parts: Vec::new(), rows: 0, curves, samples, number: 0, trained: 0 }
    }
}

impl<C: Content> Clone for State<C> {
    fn clone(&self) -> Self {
        State {
            parts: self.parts.clone(),
            curves: self.curves.clone(),
            samples: self.samples.clone(),
            ..*self
        }
    }
}

impl<C: Content> State<C> {
    /// Rows that can be found.
    fn size(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.size)).sum()
    }

    fn now(&self) -> IndexNow {
        IndexNow { size: self.size(), state: self.number }
    }

    /// The part where a row lives, and its own row there.
    fn find(&self, row: u32) -> Option<(&IndexPart<C>, u32)> {
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

impl<C: Content> Index<C> {
    /// Builds an index over values, its axes taught by sample queries where there are some.
    pub(crate) fn build(
        env: Arc<dyn Env>,
        spec: C,
        values: C::Values<'_>,
        queries: Option<C::Values<'_>>,
        work: &Work<'_>,
    ) -> Result<Self, TercetError> {
        let samples = spec.samples(queries)?;
        let rows = C::count(&values);
        spec.check_build(rows)?;
        let parts = match rows {
            0 => Vec::new(),
            _ => vec![IndexPart::build(&spec, 0, &values, &samples, work)?],
        };
        Ok(Self::over(env, spec, State { parts, rows, samples, ..State::default() }))
    }

    fn over(env: Arc<dyn Env>, spec: C, state: State<C>) -> Self {
        let state = RwLock::new(Arc::new(state));
        Index { env, spec, state, writer: Mutex::new(()), closed: AtomicBool::new(false) }
    }

    fn check_open(&self) -> Result<(), TercetError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TercetError::new(Code::Closed, "the index is closed"));
        }
        Ok(())
    }

    /// What is there now. Taken before the look at `closed`, so that what close() leaves is never taken for an answer.
    fn state(&self) -> Result<Arc<State<C>>, TercetError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.check_open()?;
        Ok(state)
    }

    /// What is there now, and the right to publish what follows.
    fn write(&self) -> Result<(MutexGuard<'_, ()>, State<C>), TercetError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((writer, State::clone(&*self.state()?)))
    }

    /// Only by who holds the right to. What is there from now on.
    fn publish(&self, mut state: State<C>) -> Result<IndexNow, TercetError> {
        let mut present = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        state.number = present.number + 1;
        let now = state.now();
        *present = Arc::new(state);
        Ok(now)
    }

    /// What it is; with `parts` also what it is made of.
    fn info(&self, parts: bool) -> Result<C::Info, TercetError> {
        let state = self.state()?;
        let described =
            if parts { state.parts.iter().map(described).collect::<Result<_, _>>()? } else { Vec::new() };
        Ok(self.spec.info(IndexSizes {
            now: state.now(),
            rows: state.rows.into(),
            bytes: state.parts.iter().map(IndexPart::bytes).sum(),
            curves: state.curves.all().to_vec(),
            parts: described,
        }))
    }

    /// Adds values; returns the first new row and how many there are.
    fn add(&self, values: C::Values<'_>, work: &Work<'_>) -> Result<(u32, u32, IndexNow), TercetError> {
        let (_writer, mut state) = self.write()?;
        let (first, count) = (state.rows, C::count(&values));
        if count == 0 {
            return Ok((first, 0, state.now()));
        }
        let end = first.checked_add(count).filter(|end| *end < u32::MAX).ok_or_else(too_many_rows)?;
        let fresh = Fresh { values, rows: FreshRows::From(first) };
        state = state.swept();
        state.parts = merge::settle(&self.spec, &state.parts, &fresh, &state.samples, work)?;
        state.rows = end;
        Ok((first, count, self.publish(state)?))
    }

    /// Gives rows new values; returns how many got one and which were not there.
    fn update(
        &self,
        rows: &[u32],
        values: C::Values<'_>,
        work: &Work<'_>,
    ) -> Result<(u32, Vec<u32>, IndexNow), TercetError> {
        let count = C::count(&values);
        if count as usize != rows.len() {
            let (expected, found) = (format!("{} vectors", rows.len()), count.to_string());
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
        if updated == 0 {
            return Ok((0, missing, state.now()));
        }
        let fresh = Fresh { values, rows: FreshRows::Listed(listed) };
        state = state.swept();
        state.parts = merge::settle(&self.spec, &state.parts, &fresh, &state.samples, work)?;
        Ok((updated, missing, self.publish(state)?))
    }

    /// Removes rows; returns how many went and which were not there.
    fn remove(&self, rows: &[u32]) -> Result<(u32, Vec<u32>, IndexNow), TercetError> {
        let (_writer, mut state) = self.write()?;
        let mut missing = Vec::new();
        for row in rows {
            if !state.remove(*row) {
                missing.push(*row);
            }
        }
        let now = self.publish(state.swept())?;
        Ok(((rows.len() - missing.len()) as u32, missing, now))
    }

    /// Renumbers without gaps, in one part; returns old row to new row, `u32::MAX` where it was removed.
    fn compact(&self, work: &Work<'_>) -> Result<(Vec<u32>, IndexNow), TercetError> {
        let (_writer, mut state) = self.write()?;
        let (map, count) = merge::renumbering(&state.parts, state.rows)?;
        let whole = match state.parts.as_slice() {
            [] => true,
            [one] => one.first == 0 && one.size == one.span && one.removed() == 0,
            _ => false,
        };
        if !whole {
            let parts: Vec<&IndexPart<C>> = state.parts.iter().collect();
            let teaching = Teaching::as_before(&state.samples);
            let merged = merge::merge(&self.spec, &parts, None, Some(&map), teaching, work)?;
            state.parts = merged.into_iter().collect();
        }
        if whole && count == state.rows {
            return Ok((map, state.now()));
        }
        state.rows = count;
        Ok((map, self.publish(state)?))
    }

    /// Trains everything anew on what is there now, with other sample queries where some are given: centroids, codebooks,
    /// axes and graphs. Rows keep their numbers; what `tune` measured is gone.
    fn retrain(&self, queries: Option<C::Values<'_>>, work: &Work<'_>) -> Result<IndexNow, TercetError> {
        let taught = queries.map(|queries| self.spec.samples(Some(queries))).transpose()?;
        let (_writer, mut state) = self.write()?;
        state.samples = taught.unwrap_or(state.samples);
        let parts: Vec<&IndexPart<C>> = state.parts.iter().collect();
        let teaching = Teaching::anew(&state.samples);
        state.parts = merge::merge(&self.spec, &parts, None, None, teaching, work)?.into_iter().collect();
        state.curves = Arc::default();
        state.trained += 1;
        self.publish(state)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }
}

fn described<C: Content>(part: &IndexPart<C>) -> Result<IndexPartInfo, TercetError> {
    let file = &part.stored.file;
    let sections = file.names().map(|name| Ok((name.to_owned(), file.section_len(name)?)));
    let facts = C::facts(&part.stored.reader);
    Ok(IndexPartInfo {
        first: part.first,
        vectors: part.stored.values,
        removed: part.removed(),
        sections: sections.collect::<Result<_, TercetError>>()?,
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    })
}

/// Where the rows of an index, or of queries, begin.
fn offsets_of<'a>(
    what: &str,
    offsets: &'a [u32],
    elements: usize,
    of: &str,
) -> Result<Offsets<'a>, TercetError> {
    if offsets.len() > u32::MAX as usize {
        return Err(too_many_rows());
    }
    Offsets::checked(what, offsets, elements, of)
}

fn too_many_rows() -> TercetError {
    TercetError::new(Code::Limit, "an index holds at most 4,294,967,294 rows")
        .field("vectors")
        .expected("at most 4,294,967,294 rows", "more")
}
