//! Recall that is measured: curves from effort to recall, the effort that a recall needs, and how sure a measurement is.
//!
//! The truth is an exact search. A hit counts when it scores as high as the last of the true `k`: what ties is equally
//! right. The interval is Wilson's (1927) for a share; the hits of one query depend on each other, so the number of
//! trials is the one that explains the spread between queries (Kish's design effect), at least the number of queries.

use serde::{Deserialize, Serialize};
use tercet_index::Effort;

use crate::effort::EF_MAX;
use crate::wire::{Curve, CurvePoint};

/// The efforts that are measured, from `k` on.
const LADDER: [u32; 19] =
    [10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 4_096];
/// Rungs without a better recall after which the ladder ends.
pub(crate) const FLAT_RUNGS: usize = 3;
/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// The measured curves of an index, one a `k`, by rising `k`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Curves(Vec<Curve>);

impl Curves {
    /// All of them.
    pub(crate) fn all(&self) -> &[Curve] {
        &self.0
    }

    /// With one more, in the place of an older one of the same `k`.
    pub(crate) fn with(&self, curve: Curve) -> Self {
        let mut curves: Vec<Curve> = self.0.iter().filter(|old| old.k != curve.k).cloned().collect();
        let at = curves.partition_point(|old| old.k < curve.k);
        curves.insert(at, curve);
        Curves(curves)
    }

    /// The effort for a recall at `k`: the least whose measured recall, less two standard errors, reaches it, between two
    /// points on the line through them; a scan where none does. By the curve of `k`, else of the next larger `k`, else of the largest.
    /// `None` where nothing was measured.
    pub(crate) fn effort(&self, recall: f64, k: usize) -> Option<Effort> {
        let curve = self.0.iter().find(|curve| curve.k as usize >= k).or(self.0.last())?;
        let at = curve.points.iter().position(|point| point.low >= recall);
        let Some(at) = at else { return Some(Effort::Exact) };
        let above = curve.points[at];
        let below = at.checked_sub(1).map(|before| curve.points[before]);
        let ef = match below {
            Some(below) if above.low > below.low => {
                let share = (recall - below.low) / (above.low - below.low);
                f64::from(below.ef) + share * (f64::from(above.ef) - f64::from(below.ef))
            }
            _ => f64::from(above.ef),
        };
        // A curve of fewer neighbours says what share of the effort each of them needs.
        let ef = if k > curve.k as usize { ef * k as f64 / f64::from(curve.k) } else { ef };
        Some(Effort::Ef(ef.ceil().clamp(1.0, f64::from(EF_MAX)) as u32))
    }
}

/// The efforts to measure for `k` neighbours, rising.
pub(crate) fn ladder(k: usize) -> impl Iterator<Item = u32> {
    std::iter::once(k as u32).chain(LADDER.into_iter().filter(move |ef| *ef as usize > k))
}

/// A curve in the making.
#[derive(Default)]
pub(crate) struct Climb {
    points: Vec<CurvePoint>,
    flat: usize,
}

impl Climb {
    /// Takes in a rung, the shares that were found with an effort; true when no further one is worth its time.
    pub(crate) fn push(&mut self, ef: u32, shares: &[f64], distances: f64, target: f64) -> bool {
        let recall = mean(shares);
        let point = CurvePoint { ef, recall, low: recall - 2.0 * standard_error(shares), distances };
        let better = self.points.last().is_none_or(|last| point.recall > last.recall + 1e-4);
        self.flat = if better { 0 } else { self.flat + 1 };
        self.points.push(point);
        point.low >= target || self.flat == FLAT_RUNGS
    }

    /// The points. A curve does not fall: where a sample says that more effort finds less, less is as good.
    pub(crate) fn points(mut self) -> Vec<CurvePoint> {
        let (mut recall, mut low) = (0.0f64, 0.0f64);
        for point in &mut self.points {
            (recall, low) = (recall.max(point.recall), low.max(point.low));
            (point.recall, point.low) = (recall, low);
        }
        self.points
    }
}

/// Of the true scores, best first, the share that was found; `None` where there are none.
pub(crate) fn share(truth: &[f32], found: impl Iterator<Item = f32>) -> Option<f64> {
    let last = truth.last()?;
    let right = found.filter(|score| score >= last).count().min(truth.len());
    Some(right as f64 / truth.len() as f64)
}

/// The mean share; 1 where nothing was to be found.
pub(crate) fn mean(shares: &[f64]) -> f64 {
    if shares.is_empty() { 1.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}

/// The standard error of the mean share.
fn standard_error(shares: &[f64]) -> f64 {
    (variance(shares, mean(shares)) / (shares.len() as f64).max(1.0)).sqrt()
}

fn variance(shares: &[f64], mean: f64) -> f64 {
    let spread = shares.iter().map(|share| (share - mean) * (share - mean)).sum::<f64>();
    spread / (shares.len() as f64 - 1.0).max(1.0)
}

/// The 95 % interval of a mean share.
pub(crate) fn interval(shares: &[f64], k: usize) -> (f64, f64) {
    let mean = mean(shares);
    wilson(mean, trials(shares, mean, k))
}

/// Independent trials that would spread as the queries do.
fn trials(shares: &[f64], mean: f64, k: usize) -> f64 {
    let queries = shares.len() as f64;
    let variance = variance(shares, mean);
    if variance <= 0.0 {
        return queries;
    }
    (mean * (1.0 - mean) * queries / variance).clamp(queries, queries * k.max(1) as f64)
}

/// Wilson's 95 % interval of a share over so many trials.
fn wilson(share: f64, trials: f64) -> (f64, f64) {
    if trials <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = Z * Z / trials;
    let centre = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (share * (1.0 - share) / trials + z2 / (4.0 * trials)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn curve(k: u32, points: &[(u32, f64)]) -> Curve {
        let points =
            points.iter().map(|&(ef, recall)| CurvePoint { ef, recall: 1.0, low: recall, distances: 0.0 });
        Curve { k, queries: 100, probes: true, size: 1_000, points: points.collect() }
    }

    #[test]
    fn an_effort_lies_between_the_points_that_enclose_the_recall() {
        let curves = Curves::default()
            .with(curve(100, &[(100, 0.8)]))
            .with(curve(10, &[(10, 0.8), (20, 0.9), (40, 0.98)]));
        let ef = |recall, k| curves.effort(recall, k).unwrap();
        assert_eq!(ef(0.5, 10), Effort::Ef(10));
        assert_eq!(ef(0.85, 10), Effort::Ef(15));
        assert_eq!(ef(0.9, 10), Effort::Ef(20));
        assert_eq!(ef(0.94, 5), Effort::Ef(30));
        assert_eq!(ef(0.99, 10), Effort::Exact, "what no effort reached is scanned for");
        assert_eq!(ef(0.8, 11), Effort::Ef(100));
        assert_eq!(ef(0.8, 200), Effort::Ef(200));
        assert_eq!(Curves::default().effort(0.9, 10), None);
        let again = curves.with(curve(10, &[(10, 0.99)]));
        assert_eq!((again.all().len(), again.effort(0.99, 10).unwrap()), (2, Effort::Ef(10)));
    }

    #[test]
    fn a_climb_ends_at_its_target_or_where_nothing_is_gained() {
        let mut climb = Climb::default();
        assert!(!climb.push(10, &[0.8; 4], 1.0, 0.9));
        assert!(climb.push(20, &[0.9; 4], 1.0, 0.9));
        let mut climb = Climb::default();
        assert!(!climb.push(10, &[0.8, 1.0], 1.0, 0.9), "the mean may be there by chance");
        assert!((climb.points()[0].low - 0.7).abs() < 1e-9);
        let mut climb = Climb::default();
        let ends = [0.7, 0.6, 0.6, 0.6].map(|recall| climb.push(1, &[recall], 1.0, 0.99));
        assert_eq!(ends, [false, false, false, true]);
        assert!(climb.points().iter().all(|point| (point.recall, point.low) == (0.7, 0.7)));
        assert!(
            ladder(11).eq([11, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768]
                .into_iter()
                .chain([1_024, 1_536, 2_048, 4_096]))
        );
    }

    #[test]
    fn shares_count_what_ties() {
        assert_eq!(share(&[3.0, 2.0, 2.0], [3.0, 2.0, 2.0].into_iter()), Some(1.0));
        assert_eq!(share(&[3.0, 2.0], [3.0, 1.0].into_iter()), Some(0.5));
        assert_eq!(share(&[3.0], [3.0, 3.0].into_iter()), Some(1.0));
        assert_eq!(share(&[], [1.0].into_iter()), None);
    }

    #[test]
    fn intervals_are_wilsons_over_the_trials_that_the_spread_allows() {
        // Wilson's interval of 95 of 100, from the formula by hand.
        let (low, high) = wilson(0.95, 100.0);
        assert!((low - 0.8882).abs() < 1e-3 && (high - 0.9785).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0.5, 0.0), (0.0, 1.0));
        assert_eq!(trials(&[1.0; 50], 1.0, 10), 50.0);
        let all_or_nothing: Vec<f64> = (0..100).map(|at| f64::from(at % 2)).collect();
        assert!(trials(&all_or_nothing, 0.5, 10) <= 101.0);
        let even: Vec<f64> = (0..100).map(|at| 0.5 + f64::from(at % 2) * 0.1 - 0.05).collect();
        assert_eq!(trials(&even, 0.5, 10), 1_000.0);
        let (low, high) = interval(&[1.0; 200], 10);
        assert!(low > 0.98 && low < 0.982 && (high - 1.0).abs() < 1e-12);
    }
}
