//! Recall that is measured: curves from effort to recall, the effort that a recall needs, and how sure a measurement is.
//!
//! The truth is an exact search. A hit counts when it scores as high as the last of the true `k`: what ties is equally
//! right. The interval is Wilson's (1927) for a share; the hits of one query depend on each other, so the number of
//! trials is the one that explains the spread between queries (Kish's design effect), at least the number of queries.

use serde::{Deserialize, Serialize};
use tercet_index::{Counters, Effort};

use crate::effort::EF_MAX;
use crate::wire::{Code, Curve, CurvePoint, TercetError};

/// The efforts that are measured, from `k` on.
const LADDER: [u32; 19] =
    [10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 4_096];
const FINE: [u32; 11] = [1, 2, 3, 4, 6, 8, 12, 16, 32, 128, 512];
/// Rungs without a better recall after which the ladder ends.
pub(crate) const FLAT_RUNGS: usize = 3;
/// A curve says nothing of more than so many times as many values as it was measured with: an effort finds a smaller
/// share of more. Of fewer it finds at least the same.
const GROWN_MAX: u64 = 2;
/// Quantiles of Student's distribution for a 95 % interval, by the queries beyond the first; two for many.
const STUDENT: [f64; 10] = [12.71, 4.31, 3.19, 2.78, 2.58, 2.45, 2.37, 2.31, 2.27, 2.23];
const STUDENT_FEW: (usize, f64) = (30, 2.21);
const STUDENT_MANY: f64 = 2.0;
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

    /// The effort for a recall at `k`: the least whose measured recall, less its uncertainty, reaches it, between two
    /// points on the line through them; a scan where none does. By the curve of `k`, else of the next larger `k`, else of the largest.
    /// `None` where nothing was measured. `size`: how many values there are now; ERR_ARGUMENT where they are many more than
    /// were measured.
    pub(crate) fn effort(
        &self,
        recall: f64,
        k: usize,
        size: impl FnOnce() -> Result<u64, TercetError>,
    ) -> Result<Option<Effort>, TercetError> {
        let Some(curve) = self.0.iter().find(|curve| curve.k as usize >= k).or(self.0.last()) else {
            return Ok(None);
        };
        let at = curve.points.iter().position(|point| point.low >= recall);
        // Exact at any size.
        let Some(at) = at else { return Ok(Some(Effort::Exact)) };
        check_grown(curve, size()?)?;
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
        Ok(Some(Effort::Ef(ef.ceil().clamp(1.0, f64::from(EF_MAX)) as u32)))
    }
}

fn check_grown(curve: &Curve, size: u64) -> Result<(), TercetError> {
    if size <= curve.size.saturating_mul(GROWN_MAX) {
        return Ok(());
    }
    let measured = curve.size;
    let message = format!(
        "recall was measured over {measured}, and there are {size} now: call tune() again, or search by effort"
    );
    Err(TercetError::new(Code::Argument, message).field("recall").expected(
        format!("at most {} times as many as were measured, {measured}", GROWN_MAX),
        size.to_string(),
    ))
}

/// ERR_LIMIT unless it is a recall.
pub(crate) fn check_recall(recall: f64) -> Result<(), TercetError> {
    if recall > 0.0 && recall <= 1.0 {
        return Ok(());
    }
    let message = format!("recall must be above 0 and at most 1, found {recall}");
    Err(TercetError::new(Code::Limit, message)
        .field("recall")
        .expected("above 0, at most 1", recall.to_string()))
}

/// What a search cost: distances computed, and postings added to scores.
pub(crate) fn cost(counters: &Counters) -> u64 {
    counters.vectors_scored + counters.postings_scored
}

/// The efforts to measure for `k` neighbours, rising.
pub(crate) fn ladder(k: usize) -> impl Iterator<Item = u32> {
    std::iter::once(k as u32).chain(LADDER.into_iter().filter(move |ef| *ef as usize > k))
}

/// The same for searches that look at more than one value a step, and may find enough with fewer steps than results.
pub(crate) fn fine_ladder(k: usize) -> impl Iterator<Item = u32> {
    FINE.into_iter().filter(move |step| (*step as usize) < k).chain(ladder(k))
}

/// A curve in the making.
#[derive(Default)]
pub(crate) struct Climb {
    points: Vec<CurvePoint>,
    flat: usize,
}

impl Climb {
    /// Takes in a rung, the shares that were found with an effort for `k`; true when no further one is worth its time.
    pub(crate) fn push(&mut self, ef: u32, k: usize, shares: &[f64], distances: f64, target: f64) -> bool {
        let recall = mean(shares);
        let point = CurvePoint { ef, recall, low: (recall - uncertainty(shares, k)).max(0.0), distances };
        let better = self.points.last().is_none_or(|last| point.recall > last.recall + 1e-4);
        // What is raised to `k` finds the same below it.
        self.flat = if better || ef as usize <= k { 0 } else { self.flat + 1 };
        self.points.push(point);
        // Where everything was found, more effort finds no more.
        point.low >= target || recall >= 1.0 || self.flat == FLAT_RUNGS
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

/// How far below the mean share of `k` the true one may lie: two standard errors (of few queries Student's quantile), and at
/// least what two more misses would have taken away, for a count of none may be one of some. Of a single query nothing is
/// known about the spread.
fn uncertainty(shares: &[f64], k: usize) -> f64 {
    let beyond = match shares.len() {
        0 | 1 => return 1.0,
        queries => queries - 1,
    };
    let (few, of_few) = STUDENT_FEW;
    let quantile =
        STUDENT.get(beyond - 1).copied().unwrap_or(if beyond <= few { of_few } else { STUDENT_MANY });
    let error = (variance(shares, mean(shares)) / shares.len() as f64).sqrt();
    (quantile * error).max(2.0 / (shares.len() * k.max(1)) as f64)
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
        let ef = |recall, k| curves.effort(recall, k, || Ok(2_000)).unwrap().unwrap();
        assert_eq!(ef(0.5, 10), Effort::Ef(10));
        assert_eq!(ef(0.85, 10), Effort::Ef(15));
        assert_eq!(ef(0.9, 10), Effort::Ef(20));
        assert_eq!(ef(0.94, 5), Effort::Ef(30));
        assert_eq!(ef(0.99, 10), Effort::Exact, "what no effort reached is scanned for");
        assert_eq!(ef(0.8, 11), Effort::Ef(100));
        assert_eq!(ef(0.8, 200), Effort::Ef(200));
        assert_eq!(Curves::default().effort(0.9, 10, || Ok(1)).unwrap(), None);
        let again = curves.with(curve(10, &[(10, 0.99)]));
        let effort = again.effort(0.99, 10, || Ok(3)).unwrap();
        assert_eq!((again.all().len(), effort), (2, Some(Effort::Ef(10))));
    }

    #[test]
    fn a_curve_says_nothing_of_many_more() {
        let curves = Curves::default().with(curve(10, &[(10, 0.9)]));
        let error = curves.effort(0.9, 10, || Ok(2_001)).unwrap_err();
        assert_eq!((error.code(), error.0.field.as_deref()), (Code::Argument, Some("recall")));
        // What is scanned for is found at any size.
        assert_eq!(curves.effort(0.95, 10, || Ok(1 << 40)).unwrap(), Some(Effort::Exact));
    }

    #[test]
    fn few_queries_say_little() {
        assert_eq!(uncertainty(&[1.0], 10), 1.0);
        assert_eq!(uncertainty(&[], 10), 1.0);
        assert!((uncertainty(&[1.0; 200], 10) - 0.001).abs() < 1e-12);
        assert!((uncertainty(&[1.0; 2], 1) - 1.0).abs() < 1e-12);
        let spread = |count: usize| {
            let shares: Vec<f64> = (0..count).map(|at| 0.8 + 0.2 * (at % 2) as f64).collect();
            uncertainty(&shares, 10)
        };
        assert!(spread(2) > spread(4) && spread(4) > spread(100));
        // As two standard errors, where there are many.
        assert!((spread(400) - 2.0 * 0.1 / 20.0).abs() < 1e-3);
    }

    #[test]
    fn a_climb_ends_at_its_target_or_where_nothing_is_gained() {
        let mut climb = Climb::default();
        assert!(!climb.push(10, 10, &[0.8; 40], 1.0, 0.9));
        assert!(climb.push(20, 10, &[0.91; 40], 1.0, 0.9));
        let mut climb = Climb::default();
        let even: Vec<f64> = (0..100).map(|at| 0.8 + 0.2 * f64::from(at % 2)).collect();
        assert!(!climb.push(10, 10, &even, 1.0, 0.9), "the mean may be there by chance");
        assert!((climb.points()[0].low - 0.88).abs() < 1e-3);
        let mut climb = Climb::default();
        let ends = [0.7, 0.6, 0.6, 0.6].map(|recall| climb.push(11, 10, &[recall; 100], 1.0, 0.99));
        assert_eq!(ends, [false, false, false, true]);
        assert!(
            climb
                .points()
                .iter()
                .all(|point| (point.recall - 0.7).abs() < 1e-9 && (point.low - 0.698).abs() < 1e-9)
        );
        let mut climb = Climb::default();
        assert!(climb.push(1, 10, &[1.0], 1.0, 0.99), "nothing is left to find");
        assert!(
            fine_ladder(11).take(7).eq([1, 2, 3, 4, 6, 8, 11])
                && ladder(11).eq([11, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768]
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
