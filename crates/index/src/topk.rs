//! The best k of a stream of scored rows.
//!
//! A bounded heap of 64-bit keys whose integer order is the order of results: the score mapped to an unsigned
//! integer of the same order in the high half, the complement of the row in the low half (of two equal scores
//! the lower row is the better). The root is the worst kept result, so that most candidates cost one
//! comparison. The heap grows as results come: a huge k costs what is found, not what was asked for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A row and its score. Higher is better; of equal scores the lower row comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The score.
    pub score: f32,
    /// The row.
    pub row: u32,
}

/// Keeps the best `k` rows pushed into it.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// No lower score enters.
    radius: f32,
    heap: BinaryHeap<Reverse<u64>>,
    truncated: bool,
}

/// Maps a score to an integer of the same order: negative floats have all bits flipped, others the sign bit.
/// Adding zero first makes -0.0 and 0.0 the same score.
fn key(score: f32, row: u32) -> u64 {
    let bits = (score + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!row)
}

fn scored(key: u64) -> Scored {
    let ordered = (key >> 32) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    Scored { score: f32::from_bits(bits), row: !(key as u32) }
}

impl TopK {
    /// An empty collector of at most `k` results. Allocates nothing yet, whatever `k` is.
    pub fn new(k: usize) -> Self {
        Self::within(k, f32::NEG_INFINITY)
    }

    /// An empty collector of at most `k` results that score `radius` or more.
    pub fn within(k: usize, radius: f32) -> Self {
        TopK { k, radius, heap: BinaryHeap::new(), truncated: false }
    }

    /// Forgets what it holds and keeps the room, for the next search.
    pub fn reset(&mut self, k: usize, radius: f32) {
        (self.k, self.radius, self.truncated) = (k, radius, false);
        self.heap.clear();
    }

    /// The score that every result must reach; `None` when any will do.
    pub fn radius(&self) -> Option<f32> {
        (self.radius > f32::NEG_INFINITY).then_some(self.radius)
    }

    /// The number of results asked for.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The number of results held.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Offers a row. NaN scores never enter.
    #[inline]
    pub fn push(&mut self, score: f32, row: u32) {
        if score.is_nan() || score < self.radius {
            return;
        }
        let key = key(score, row);
        if self.heap.len() < self.k {
            self.grow(key);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && key > worst.0
        {
            worst.0 = key;
        }
    }

    /// The score that a row must reach to enter, once `k` results are held. A row that ties with it may still
    /// enter when it is lower than the worst one held.
    #[inline]
    pub fn threshold(&self) -> Option<f32> {
        if self.heap.len() < self.k {
            return None;
        }
        Some(self.heap.peek().map_or(f32::INFINITY, |worst| scored(worst.0).score))
    }

    /// [`threshold`](Self::threshold) for inner loops: the radius, or negative infinity, while there is room.
    #[inline]
    pub(crate) fn floor(&self) -> f32 {
        self.threshold().unwrap_or(self.radius)
    }

    /// Whether memory ran out before `k` results were held: what is held is then the best of what fitted.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The results, best first.
    pub fn into_sorted(self) -> Vec<Scored> {
        let mut keys = self.heap.into_vec();
        keys.sort_unstable();
        keys.into_iter().map(|key| scored(key.0)).collect()
    }

    /// Takes the results out, best first; the room stays.
    pub fn take_sorted(&mut self, mut each: impl FnMut(Scored)) {
        let mut keys = std::mem::take(&mut self.heap).into_vec();
        keys.sort_unstable();
        keys.iter().for_each(|key| each(scored(key.0)));
        keys.clear();
        self.heap = keys.into();
    }

    #[cold]
    fn grow(&mut self, key: u64) {
        if self.heap.len() == self.heap.capacity() {
            let more = self.heap.len().max(16).min(self.k - self.heap.len());
            if self.heap.try_reserve_exact(more).is_err() {
                // From here on the heap behaves as one of the size that it has.
                self.truncated = true;
                self.k = self.heap.len();
                return;
            }
        }
        self.heap.push(Reverse(key));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn best(k: usize, rows: &[Scored]) -> Vec<Scored> {
        let mut sorted: Vec<Scored> = rows.iter().copied().filter(|hit| !hit.score.is_nan()).collect();
        sorted.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
        sorted.truncate(k);
        sorted
    }

    fn score() -> impl Strategy<Value = f32> {
        prop_oneof![
            (-5i32..5).prop_map(|level| level as f32 / 2.0),
            any::<f32>(),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
            Just(-0.0),
            Just(0.0),
            Just(f32::NAN),
        ]
    }

    proptest! {
        #[test]
        fn is_the_head_of_the_sorted_list(scores in prop::collection::vec(score(), 0..300), k in 0usize..40, seed in any::<u32>()) {
            // An odd multiplier permutes the rows, so that they do not come ascending.
            let rows: Vec<Scored> = scores.iter().enumerate()
                .map(|(index, &score)| Scored { score, row: (index as u32).wrapping_mul(seed | 1) }).collect();
            let mut top = TopK::new(k);
            for hit in &rows {
                let (full, floor) = (top.len() == k, top.floor());
                prop_assert_eq!(top.threshold().is_some(), full);
                let before = top.clone().into_sorted();
                top.push(hit.score, hit.row);
                if hit.score < floor {
                    prop_assert_eq!(before, top.clone().into_sorted());
                }
            }
            let mut again = top.clone();
            prop_assert_eq!(top.into_sorted(), best(k, &rows));
            let mut taken = Vec::new();
            again.take_sorted(|hit| taken.push(hit));
            prop_assert_eq!(taken, best(k, &rows));
            again.reset(k / 2, 0.0);
            rows.iter().for_each(|hit| again.push(hit.score, hit.row));
            let near: Vec<Scored> = rows.iter().copied().filter(|hit| hit.score >= 0.0).collect();
            prop_assert_eq!(again.into_sorted(), best(k / 2, &near));
        }
    }

    #[test]
    fn a_huge_k_costs_what_is_found() {
        let mut top = TopK::new(u32::MAX as usize);
        top.push(1.0, 7);
        assert!(top.heap.capacity() <= 16 && !top.is_truncated());
        assert_eq!(top.into_sorted(), vec![Scored { score: 1.0, row: 7 }]);
        assert_eq!(TopK::new(0).threshold(), Some(f32::INFINITY));
        assert_eq!(TopK::new(usize::MAX).threshold(), None);
    }
}
