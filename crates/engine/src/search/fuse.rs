//! Reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009): the sum over rankings of weight / (k + rank).

use std::collections::HashMap;

use super::rank::Ranking;
use super::{Candidate, Place, by_rank};

/// The fused ranking's best `most`. Sums are in f64 and in the order of the rankings, so equal evidence ties exactly.
pub(super) fn reciprocal_rank(parts: &[Ranking], weights: &[f32], k: f32, most: usize) -> Vec<Candidate> {
    let mut scores: HashMap<Place, f64> = HashMap::new();
    for (part, weight) in parts.iter().zip(weights) {
        for (at, candidate) in part.candidates.iter().enumerate() {
            *scores.entry(candidate.place).or_default() +=
                f64::from(*weight) / (f64::from(k) + (at + 1) as f64);
        }
    }
    let mut fused: Vec<Candidate> =
        scores.into_iter().map(|(place, score)| Candidate { place, score: score as f32 }).collect();
    fused.sort_unstable_by(by_rank);
    fused.truncate(most);
    fused
}
