//! Recall of an index: `tune` measures a curve and keeps it, `verify` says what a search reaches. Queries are given, or
//! probes made of stored rows at even distances; the truth is an exact search.

use std::sync::{Mutex, PoisonError};

use tercet_index::{Effort, Work};

use super::content::{Asked, Content};
use super::search::{Ask, Outcome, Scratch};
use super::{Index, State};
use crate::error::index_error;
use crate::recall::{self, Climb, check_recall};
use crate::wire::{Code, Curve, MeasureReply, TercetError};

impl<C: Content> Index<C> {
    /// What the caller asked for as a way to search.
    #[inline]
    pub(super) fn way(&self, state: &State<C>, asked: &Asked, k: usize) -> Result<C::Way, TercetError> {
        let way = self.spec.way(asked, k)?;
        match asked.effort.recall.filter(|_| !asked.effort.exact) {
            None => Ok(way),
            Some(recall) => self.by_recall(state, way, recall, k),
        }
    }

    fn by_recall(&self, state: &State<C>, way: C::Way, recall: f64, k: usize) -> Result<C::Way, TercetError> {
        check_recall(recall)?;
        if self.spec.is_exact() {
            return Ok(way);
        }
        let effort = state.curves.effort(recall, k, || Ok(state.size()))?.ok_or_else(|| {
            let message = "nothing was measured yet to search by `recall`: call tune() once; save() keeps what it finds";
            TercetError::new(Code::Argument, message).field("recall").expected("tune() before it", "no curve")
        })?;
        Ok(self.spec.by_effort(way, effort))
    }

    /// Measures a ladder of efforts and keeps the curve.
    pub(super) fn tune(
        &self,
        k: usize,
        target: f64,
        given: Option<C::Values<'_>>,
        sample: usize,
        work: &Work<'_>,
    ) -> Result<Curve, TercetError> {
        let state = self.state()?;
        let rungs = self.spec.rungs(k);
        // The ladder may end early: its whole length is the most there is to do.
        let steps = rungs.len() as u64 + 2;
        let queries = self.queries(&state, given, k, sample, work, (0, steps))?;
        let way = |effort| self.spec.by_effort(C::Way::default(), effort);
        let mut climb = Climb::default();
        if !self.spec.is_exact() && queries.len() > 0 {
            let truth = self.measure(&state, &queries, k, &way(Effort::Exact), work, (1, steps))?;
            for (at, rung) in (2..).zip(rungs) {
                let found = self.measure(&state, &queries, k, &way(Effort::Ef(rung)), work, (at, steps))?;
                if climb.push(rung, k, &shares(&truth, &found), cost(&found), target) {
                    break;
                }
            }
        }
        let curve = Curve {
            k: k as u32,
            queries: queries.len() as u32,
            probes: given.is_none(),
            size: state.size(),
            points: climb.points(),
        };
        let (_writer, mut present) = self.write()?;
        if present.trained != state.trained {
            let message = "the index was trained anew while it was measured: call tune() again";
            return Err(TercetError::new(Code::Aborted, message));
        }
        present.curves = present.curves.with(curve.clone()).into();
        self.publish(present)?;
        Ok(curve)
    }

    /// Measures the recall of a way to search.
    pub(super) fn verify(
        &self,
        k: usize,
        asked: &Asked,
        given: Option<C::Values<'_>>,
        sample: usize,
        work: &Work<'_>,
    ) -> Result<MeasureReply, TercetError> {
        let state = self.state()?;
        let way = self.way(&state, asked, k)?;
        let queries = self.queries(&state, given, k, sample, work, (0, 3))?;
        let exact = self.spec.by_effort(way.clone(), Effort::Exact);
        let truth = self.measure(&state, &queries, k, &exact, work, (1, 3))?;
        let found = self.measure(&state, &queries, k, &way, work, (2, 3))?;
        let shares = shares(&truth, &found);
        let (low, high) = recall::interval(&shares, k);
        let recall = recall::mean(&shares);
        Ok(MeasureReply { recall, low, high, queries: queries.len() as u32, distances: cost(&found) })
    }

    /// The queries that were given, or probes.
    fn queries<'a>(
        &self,
        state: &State<C>,
        given: Option<C::Values<'a>>,
        k: usize,
        sample: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Queries<'a, C>, TercetError> {
        match given {
            Some(given) => Ok(Queries::Given(given)),
            None => Ok(Queries::Probes(C::probes(self, state, &evenly(state, sample), k, work, step)?)),
        }
    }

    /// Searches for every query, side by side. `step` says which of how many such rounds this is.
    pub(super) fn measure(
        &self,
        state: &State<C>,
        queries: &Queries<'_, C>,
        k: usize,
        way: &C::Way,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<Found>, TercetError> {
        let ask = Ask::new(k, way.clone());
        side_by_side(queries.len(), work, step, &|at| {
            Scratch::with(|scratch| {
                let outcome = match queries {
                    Queries::Given(given) => {
                        let query = self.spec.query(given, at as u32, way)?;
                        self.search_but(state, &query, None, &ask, scratch)?
                    }
                    Queries::Probes(probes) => {
                        let (probe, itself) = &probes[at];
                        self.search_but(state, &self.spec.probe(probe, way)?, *itself, &ask, scratch)?
                    }
                };
                Ok(Found::new(outcome, scratch))
            })
        })
    }
}

/// `count` results in order, made side by side. `step` says which of how many such rounds this is.
pub(super) fn side_by_side<T: Default + Send>(
    count: usize,
    work: &Work<'_>,
    step: (u64, u64),
    make: &(dyn Fn(usize) -> Result<T, TercetError> + Sync),
) -> Result<Vec<T>, TercetError> {
    let results: Vec<Mutex<Result<T, TercetError>>> =
        (0..count).map(|_| Mutex::new(Ok(T::default()))).collect();
    let each = count as u64;
    work.parallel.run(count, &|at| {
        let progress = work.step(step.0 * each + at as u64, step.1 * each);
        let made = progress.map_err(|e| index_error(e, "(index)")).and_then(|()| make(at));
        *results[at].lock().unwrap_or_else(PoisonError::into_inner) = made;
    });
    results.into_iter().map(|made| made.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// What one search of a measurement found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) scores: Vec<f32>,
    cost: u64,
}

impl Found {
    fn new(outcome: Outcome, scratch: &Scratch) -> Self {
        let scores = scratch.found.iter().map(|hit| hit.score).collect();
        Found { scores, cost: recall::cost(&outcome.counters) }
    }
}

/// What is searched for: queries that were given, or probes of stored rows, each with the row that it must not find.
pub(super) enum Queries<'a, C: Content> {
    Given(C::Values<'a>),
    Probes(Vec<(C::Probe, Option<u32>)>),
}

impl<C: Content> Queries<'_, C> {
    fn len(&self) -> usize {
        match self {
            Queries::Given(values) => C::count(values) as usize,
            Queries::Probes(probes) => probes.len(),
        }
    }
}

/// Rows at even distances.
fn evenly<C: Content>(state: &State<C>, sample: usize) -> Vec<u32> {
    let size = state.size();
    let wanted = size.min(sample as u64);
    let mut rows = Vec::with_capacity(wanted as usize);
    for (at, row) in (0u64..).zip(state.parts.iter().flat_map(|part| part.rows())) {
        if at * wanted / size.max(1) >= rows.len() as u64 && (rows.len() as u64) < wanted {
            rows.push(row);
        }
    }
    rows
}

/// Of each query's true nearest, the share that was found; queries without any are left out.
pub(super) fn shares(truth: &[Found], found: &[Found]) -> Vec<f64> {
    let pairs = truth.iter().zip(found);
    pairs.filter_map(|(truth, found)| recall::share(&truth.scores, found.scores.iter().copied())).collect()
}

fn cost(found: &[Found]) -> f64 {
    let all: u64 = found.iter().map(|found| found.cost).sum();
    all as f64 / found.len().max(1) as f64
}
