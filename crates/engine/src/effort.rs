//! How hard a search of vectors tries, from the numbers that were asked for.
//!
//! There is one way to ask at a time: `ef`, one number that every kind understands; or `nprobe` lists, `candidates` that
//! are ranked again, or both. What a kind does not have it reads as the nearest thing that it has.

use tercet_index::Effort;

use crate::wire::{Code, TercetError};

/// The largest `ef`, and the most lists and candidates.
pub(crate) const EF_MAX: u32 = 100_000;
/// The most candidates a result.
const OVERSAMPLE_MAX: f64 = 10_000.0;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Steps {
    pub(crate) ef: Option<f64>,
    pub(crate) nprobe: Option<f64>,
    pub(crate) candidates: Option<f64>,
    /// Candidates a result.
    pub(crate) oversample: Option<f64>,
}

impl Steps {
    /// The effort of a search for `k`; `None` where none was asked for.
    #[inline]
    pub(crate) fn effort(&self, k: usize) -> Result<Option<Effort>, TercetError> {
        match *self {
            Steps { ef: None, nprobe: None, candidates: None, oversample: None } => Ok(None),
            Steps { ef: Some(ef), nprobe: None, candidates: None, oversample: None } => {
                Ok(Some(Effort::Ef(whole("ef", ef)?)))
            }
            Steps { ef: Some(_), .. } => Err(twice("ef", "nprobe and candidates")),
            Steps { candidates: Some(_), oversample: Some(_), .. } => Err(twice("candidates", "oversample")),
            Steps { nprobe, candidates, oversample, .. } => {
                let candidates = match (candidates, oversample) {
                    (Some(candidates), _) => whole("candidates", candidates)?,
                    (None, Some(times)) => of_each(times, k)?,
                    (None, None) => 0,
                };
                Ok(Some(match nprobe {
                    Some(lists) => Effort::Probes { lists: whole("nprobe", lists)?, candidates },
                    None => Effort::Ef(candidates),
                }))
            }
        }
    }
}

fn of_each(times: f64, k: usize) -> Result<u32, TercetError> {
    if !(1.0..=OVERSAMPLE_MAX).contains(&times) {
        return Err(outside("oversample", &format!("a number from 1 to {OVERSAMPLE_MAX}"), times));
    }
    Ok((times * k as f64).ceil().min(f64::from(EF_MAX)) as u32)
}

fn whole(what: &str, found: f64) -> Result<u32, TercetError> {
    if !(1.0..=f64::from(EF_MAX)).contains(&found) || found.fract() != 0.0 {
        return Err(outside(what, &format!("a whole number from 1 to {EF_MAX}"), found));
    }
    Ok(found as u32)
}

fn outside(what: &str, expected: &str, found: f64) -> TercetError {
    TercetError::new(Code::Limit, format!("{what} must be {expected}, found {found}"))
        .field(what)
        .expected(expected, found.to_string())
}

fn twice(one: &str, other: &str) -> TercetError {
    TercetError::new(Code::Argument, format!("`{one}` and `{other}` say the same thing in two ways"))
        .field(one)
        .expected(format!("one of {one} and {other}"), "both")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_become_an_effort() {
        let none = Steps::default();
        assert_eq!(none.effort(10), Ok(None));
        let effort = |steps: Steps| steps.effort(10).unwrap().unwrap();
        assert_eq!(effort(Steps { ef: Some(64.0), ..none }), Effort::Ef(64));
        let probes = |lists, candidates| Effort::Probes { lists, candidates };
        assert_eq!(effort(Steps { nprobe: Some(8.0), ..none }), probes(8, 0));
        let both = Steps { nprobe: Some(8.0), candidates: Some(200.0), ..none };
        assert_eq!(effort(both), probes(8, 200));
        assert_eq!(effort(Steps { candidates: Some(200.0), ..none }), Effort::Ef(200));
        let more = Steps { oversample: Some(2.55), ..none };
        assert_eq!(effort(more), Effort::Ef(26));
        assert_eq!(effort(Steps { nprobe: Some(1.0), ..more }), probes(1, 26));
    }

    #[test]
    fn numbers_out_of_range_and_two_ways_at_once_are_named() {
        let none = Steps::default();
        let fail = |steps: Steps| {
            let error = steps.effort(10).unwrap_err();
            (error.code(), error.0.field.clone().unwrap())
        };
        for bad in [0.0, -1.0, 0.5, 100_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(fail(Steps { ef: Some(bad), ..none }), (Code::Limit, "ef".into()));
            assert_eq!(fail(Steps { nprobe: Some(bad), ..none }), (Code::Limit, "nprobe".into()));
            assert_eq!(fail(Steps { candidates: Some(bad), ..none }), (Code::Limit, "candidates".into()));
        }
        for bad in [0.9, f64::NAN, 1e9] {
            assert_eq!(fail(Steps { oversample: Some(bad), ..none }), (Code::Limit, "oversample".into()));
        }
        let two = Steps { ef: Some(8.0), nprobe: Some(8.0), ..none };
        assert_eq!(fail(two), (Code::Argument, "ef".into()));
        let two = Steps { candidates: Some(8.0), oversample: Some(8.0), ..none };
        assert_eq!(fail(two), (Code::Argument, "candidates".into()));
    }
}
