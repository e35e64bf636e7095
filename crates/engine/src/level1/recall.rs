//! Recall of an index: `tune` measures a curve and keeps it, `verify` says what a search reaches. Queries are given, or
//! probes made of stored rows at even distances (`probe.rs`); the truth is an exact search.

use std::sync::{Mutex, PoisonError};

use tercet_index::{Effort, Values, Work};

use super::search::{Ask, Query, Scratch, stored};
use super::spec::Vectors;
use super::{State, VectorIndex};
use crate::effort::Steps;
use crate::error::index_error;
use crate::probe::{self, Probe};
use crate::recall::{self, Climb};
use crate::wire::{Code, Curve, IndexEffort, MeasureReply, MetricName, TercetError};

impl VectorIndex {
    /// What the caller asked for as an effort.
    #[inline]
    pub(super) fn effort(&self, state: &State, asked: &IndexEffort, k: usize) -> Result<Effort, TercetError> {
        match *asked {
            IndexEffort { exact: true, .. } => Ok(Effort::Exact),
            IndexEffort { recall: Some(recall), .. } => self.effort_for(state, recall, k),
            IndexEffort { ef, nprobe, candidates, .. } => {
                let steps = Steps { ef, nprobe, candidates, oversample: None };
                Ok(steps.effort(k)?.unwrap_or_default())
            }
        }
    }

    fn effort_for(&self, state: &State, recall: f64, k: usize) -> Result<Effort, TercetError> {
        if !(recall > 0.0 && recall <= 1.0) {
            let message = format!("recall must be above 0 and at most 1, found {recall}");
            return Err(TercetError::new(Code::Limit, message)
                .field("recall")
                .expected("above 0 and at most 1", recall.to_string()));
        }
        if self.spec.kind.capabilities.exact {
            return Ok(Effort::Usual);
        }
        state.curves.effort(recall, k).ok_or_else(|| {
            let message = "nothing was measured yet to search by `recall`: call tune() once; save() keeps what it finds";
            TercetError::new(Code::Argument, message).field("recall").expected("tune() before it", "no curve")
        })
    }

    /// Measures a ladder of efforts and keeps the curve.
    pub(super) fn tune(
        &self,
        k: usize,
        target: f64,
        given: Option<Vectors<'_>>,
        sample: usize,
        work: &Work<'_>,
    ) -> Result<Curve, TercetError> {
        let state = self.state()?;
        // The ladder may end early: its whole length is the most there is to do.
        let steps = recall::ladder(k).count() as u64 + 2;
        let queries = self.queries(&state, given, k, sample, work, (0, steps))?;
        let mut climb = Climb::default();
        if !self.spec.kind.capabilities.exact && queries.len() > 0 {
            let truth = self.measure(&state, &queries, k, Effort::Exact, work, (1, steps))?;
            for (rung, ef) in (2..).zip(recall::ladder(k)) {
                let found = self.measure(&state, &queries, k, Effort::Ef(ef), work, (rung, steps))?;
                if climb.push(ef, &shares(&truth, &found), distances(&found), target) {
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
        let (_writer, mut state) = self.write()?;
        state.curves = state.curves.with(curve.clone()).into();
        self.publish(state)?;
        Ok(curve)
    }

    /// Measures the recall of an effort.
    pub(super) fn verify(
        &self,
        k: usize,
        effort: &IndexEffort,
        given: Option<Vectors<'_>>,
        sample: usize,
        work: &Work<'_>,
    ) -> Result<MeasureReply, TercetError> {
        let state = self.state()?;
        let effort = self.effort(&state, effort, k)?;
        let queries = self.queries(&state, given, k, sample, work, (0, 3))?;
        let truth = self.measure(&state, &queries, k, Effort::Exact, work, (1, 3))?;
        let found = self.measure(&state, &queries, k, effort, work, (2, 3))?;
        let shares = shares(&truth, &found);
        let (low, high) = recall::interval(&shares, k);
        let recall = recall::mean(&shares);
        Ok(MeasureReply { recall, low, high, queries: queries.len() as u32, distances: distances(&found) })
    }

    /// The queries that were given, or probes.
    fn queries<'a>(
        &self,
        state: &'a State,
        given: Option<Vectors<'a>>,
        k: usize,
        sample: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Queries<'a>, TercetError> {
        if let Some(given) = given {
            return Ok(Queries::Given(given));
        }
        let rows = evenly(state, sample);
        let ask = Ask::new(k, Effort::Usual);
        let cosine = self.spec.metric == MetricName::Cosine;
        let away = side_by_side(rows.len(), work, step, &|at| {
            let row = rows[at];
            Scratch::with(|scratch| {
                self.search(state, Query::Row(row), &ask, scratch)?;
                let last = scratch.found.last().map(|hit| stored(state, hit.row)).transpose()?.flatten();
                let itself = stored(state, row)?;
                Ok(itself
                    .zip(last)
                    .map_or(0.0, |(itself, last)| probe::distance(itself.values(), last.values(), cosine)))
            })
        })?;
        Ok(Queries::Rows(state, rows.into_iter().zip(away).collect()))
    }

    /// Searches for every query, side by side. `step` says which of how many such rounds this is.
    pub(super) fn measure(
        &self,
        state: &State,
        queries: &Queries<'_>,
        k: usize,
        effort: Effort,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<Found>, TercetError> {
        let ask = Ask::new(k, effort);
        side_by_side(queries.len(), work, step, &|at| {
            let probe = queries.probe(at)?;
            let query = probe.as_ref().map(Probe::values).or_else(|| queries.given(at));
            let Some(query) = query else { return Ok(Found::default()) };
            Scratch::with(|scratch| {
                let outcome = self.search(state, Query::Vector(query), &ask, scratch)?;
                Ok(Found {
                    scores: scratch.found.iter().map(|hit| hit.score).collect(),
                    distances: outcome.counters.vectors_scored,
                })
            })
        })
    }
}

/// `count` results in order, made side by side. `step` says which of how many such rounds this is.
fn side_by_side<T: Default + Send>(
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
    distances: u64,
}

/// What is searched for: queries that were given, or probes of stored rows, each with how far its k-th neighbour lies.
pub(super) enum Queries<'a> {
    Given(Vectors<'a>),
    Rows(&'a State, Vec<(u32, f64)>),
}

impl Queries<'_> {
    fn len(&self) -> usize {
        match self {
            Queries::Given(vectors) => vectors.count as usize,
            Queries::Rows(_, rows) => rows.len(),
        }
    }

    fn given(&self, at: usize) -> Option<Values<'_>> {
        match self {
            Queries::Given(vectors) => vectors.at(at as u32),
            Queries::Rows(..) => None,
        }
    }

    fn probe(&self, at: usize) -> Result<Option<Probe>, TercetError> {
        let Queries::Rows(state, rows) = self else { return Ok(None) };
        let (row, away) = rows[at];
        Ok(stored(state, row)?.map(|vector| Probe::new(vector.values(), away, row.into())))
    }
}

/// Rows at even distances.
fn evenly(state: &State, sample: usize) -> Vec<u32> {
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

fn distances(found: &[Found]) -> f64 {
    let all: u64 = found.iter().map(|found| found.distances).sum();
    all as f64 / found.len().max(1) as f64
}
