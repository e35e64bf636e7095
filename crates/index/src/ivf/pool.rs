//! The best of a stream of entries: kept in an array of twice the size, which is cut in half when it is full. An entry that
//! does not come near the best costs a comparison.

/// Distances as integers of the same order in the high half, entries in the low one.
pub(super) type Candidate = u64;

#[inline]
pub(super) fn candidate(distance: f32, entry: u32) -> Candidate {
    let bits = (distance + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(entry)
}

#[inline]
pub(super) fn distance(of: Candidate) -> f32 {
    let ordered = (of >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[inline]
pub(super) fn entry(of: Candidate) -> u32 {
    of as u32
}

/// The best so far.
#[derive(Debug, Default)]
pub(super) struct Pool {
    most: usize,
    threshold: f32,
    held: Vec<Candidate>,
}

impl Pool {
    /// Empties it, for the best `most`.
    pub(super) fn reset(&mut self, most: usize) {
        self.most = most.max(1);
        self.threshold = f32::INFINITY;
        self.held.clear();
    }

    /// What is not nearer than this is not among the best.
    #[inline]
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    #[inline]
    pub(super) fn push(&mut self, distance: f32, entry: u32) {
        if distance < self.threshold {
            self.held.push(candidate(distance, entry));
            if self.held.len() >= self.most.saturating_mul(2) {
                self.cut();
            }
        }
    }

    /// Cuts down to the best. An entry as far as the last of them is not missed: it has the higher number or comes later.
    pub(super) fn cut(&mut self) {
        if self.held.len() > self.most {
            let (_, last, _) = self.held.select_nth_unstable(self.most - 1);
            self.threshold = distance(*last);
            self.held.truncate(self.most);
        }
    }

    /// What is held: the best `most` after [`cut`](Self::cut), in no order.
    pub(super) fn held(&mut self) -> &mut Vec<Candidate> {
        &mut self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_best() {
        for most in [1, 3, 10] {
            let mut pool = Pool::default();
            pool.reset(most);
            let distances: Vec<f32> = (0..200u32).map(|at| ((at * 73 % 199) as f32) - 90.0).collect();
            for (at, distance) in distances.iter().enumerate() {
                pool.push(*distance, at as u32);
            }
            pool.push(f32::NAN, 7);
            pool.cut();
            let mut found: Vec<f32> = pool.held().iter().map(|c| distance(*c)).collect();
            assert!(pool.held().iter().all(|c| distances[entry(*c) as usize] == distance(*c)));
            found.sort_by(f32::total_cmp);
            let mut sorted = distances.clone();
            sorted.sort_by(f32::total_cmp);
            assert_eq!(found, sorted[..most]);
        }
    }
}
