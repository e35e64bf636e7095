//! Recall of an index: `tune` measures a curve and keeps it, `verify` says what a search reaches. Queries are given, or
//! stored rows at even distances, each searched for with itself left out; the truth is an exact search.

use std::sync::{Mutex, PoisonError};

use tercet_index::{Effort, Work};

use super::search::{Ask, Query, Scratch};
use super::spec::Vectors;
use super::{State, VectorIndex};
use crate::error::index_error;
use crate::recall::{self, Climb, EF_MAX};
use crate::wire::{Code, Curve, CurvePoint, IndexEffort, MeasureReply, TercetError};

impl VectorIndex {
    /// What the caller asked for as an effort.
    #[inline]
    pub(super) fn effort(&self, state: &State, asked: &IndexEffort, k: usize) -> Result<Effort, TercetError> {
        match *asked {
            IndexEffort { exact: true, .. } => Ok(Effort::Exact),
            IndexEffort { recall: Some(recall), .. } => self.effort_for(state, recall, k),
            IndexEffort { ef: Some(ef), .. } => {
                if !(1.0..=f64::from(EF_MAX)).contains(&ef) || ef.fract() != 0.0 {
                    let expected = format!("a whole number from 1 to {EF_MAX}");
                    return Err(TercetError::new(Code::Limit, format!("ef must be {expected}, found {ef}"))
                        .field("ef")
                        .expected(expected, ef.to_string()));
                }
                Ok(Effort::Ef(ef as u32))
            }
            _ => Ok(Effort::Usual),
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
        let queries = Queries::new(&state, given, sample);
        let mut climb = Climb::default();
        if !self.spec.kind.capabilities.exact && queries.len() > 0 {
            // The ladder may end early: its whole length is the most there is to do.
            let steps = recall::ladder(k).count() as u64 + 1;
            let truth = self.measure(&state, &queries, k, Effort::Exact, work, (0, steps))?;
            for (rung, ef) in (1..).zip(recall::ladder(k)) {
                let found = self.measure(&state, &queries, k, Effort::Ef(ef), work, (rung, steps))?;
                let recall = recall::mean(&shares(&truth, &found));
                if climb.push(CurvePoint { ef, recall, distances: distances(&found) }, target) {
                    break;
                }
            }
        }
        let curve = Curve {
            k: k as u32,
            queries: queries.len() as u32,
            held_out: given.is_none(),
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
        let queries = Queries::new(&state, given, sample);
        let truth = self.measure(&state, &queries, k, Effort::Exact, work, (0, 2))?;
        let found = self.measure(&state, &queries, k, effort, work, (1, 2))?;
        let shares = shares(&truth, &found);
        let (low, high) = recall::interval(&shares, k);
        let recall = recall::mean(&shares);
        Ok(MeasureReply { recall, low, high, queries: queries.len() as u32, distances: distances(&found) })
    }

    /// Searches for every query, side by side. `step` says which of how many such rounds this is.
    fn measure(
        &self,
        state: &State,
        queries: &Queries<'_>,
        k: usize,
        effort: Effort,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<Found>, TercetError> {
        let results: Vec<Mutex<Result<Found, TercetError>>> =
            (0..queries.len()).map(|_| Mutex::new(Ok(Found::default()))).collect();
        let ask = Ask::new(k, effort);
        let count = queries.len() as u64;
        work.parallel.run(queries.len(), &|at| {
            let progress = work.step(step.0 * count + at as u64, step.1 * count);
            let found = progress.map_err(|e| index_error(e, "(index)")).and_then(|()| {
                Scratch::with(|scratch| {
                    let outcome = self.search(state, queries.at(at), &ask, scratch)?;
                    Ok(Found {
                        scores: scratch.found.iter().map(|hit| hit.score).collect(),
                        distances: outcome.counters.vectors_scored,
                    })
                })
            });
            *results[at].lock().unwrap_or_else(PoisonError::into_inner) = found;
        });
        results.into_iter().map(|found| found.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// What one search of a measurement found.
#[derive(Default)]
struct Found {
    scores: Vec<f32>,
    distances: u64,
}

/// What is searched for: queries that were given, or stored rows.
enum Queries<'a> {
    Given(Vectors<'a>),
    Rows(Vec<u32>),
}

impl<'a> Queries<'a> {
    /// Stored rows are taken at even distances.
    fn new(state: &State, given: Option<Vectors<'a>>, sample: usize) -> Self {
        if let Some(given) = given {
            return Queries::Given(given);
        }
        let size = state.size();
        let wanted = size.min(sample as u64);
        let mut rows = Vec::with_capacity(wanted as usize);
        for (at, row) in (0u64..).zip(state.parts.iter().flat_map(|part| part.rows())) {
            if at * wanted / size.max(1) >= rows.len() as u64 && (rows.len() as u64) < wanted {
                rows.push(row);
            }
        }
        Queries::Rows(rows)
    }

    fn len(&self) -> usize {
        match self {
            Queries::Given(vectors) => vectors.count as usize,
            Queries::Rows(rows) => rows.len(),
        }
    }

    fn at(&self, at: usize) -> Query<'_> {
        match self {
            // Vectors has `count` of them.
            Queries::Given(vectors) => Query::Vector(vectors.at(at as u32).unwrap_or(vectors.values)),
            Queries::Rows(rows) => Query::Row(rows[at]),
        }
    }
}

/// Of each query's true nearest, the share that was found; queries without any are left out.
fn shares(truth: &[Found], found: &[Found]) -> Vec<f64> {
    let pairs = truth.iter().zip(found);
    pairs.filter_map(|(truth, found)| recall::share(&truth.scores, found.scores.iter().copied())).collect()
}

fn distances(found: &[Found]) -> f64 {
    let all: u64 = found.iter().map(|found| found.distances).sum();
    all as f64 / found.len().max(1) as f64
}
