//! The best k of very many candidates, better than a heap where k is large: a buffer that is cut back to the best k
//! when it is full. Scores are above zero, so that their bits have their order.

use crate::{IndexError, TopK};

/// How many more than k the buffer takes, at least.
const ROOM: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Best {
    k: usize,
    room: usize,
    /// The score in the high half, the complement of the row in the low one.
    keys: Vec<u64>,
    /// No lower score is among the best.
    floor: f32,
    full: bool,
}

impl Best {
    /// Begins anew: at most `k` rows that score `floor` or more and above zero.
    pub(super) fn begin(&mut self, k: usize, floor: f32) {
        self.keys.clear();
        (self.k, self.room, self.full) = (k, k.saturating_mul(4).max(ROOM), false);
        self.floor = floor.max(f32::from_bits(1));
    }

    /// Forgets the rows and keeps the floor.
    pub(super) fn restart(&mut self) {
        self.keys.clear();
        self.full = false;
    }

    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// What a row must reach; one that ties may still be among the best.
    #[inline]
    pub(super) fn floor(&self) -> f32 {
        self.floor
    }

    /// Whether k rows stand behind the floor.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    #[inline]
    pub(super) fn push(&mut self, score: f32, row: u32) -> Result<(), IndexError> {
        if score < self.floor {
            return Ok(());
        }
        if self.keys.len() == self.keys.capacity() {
            let more = self.keys.len().max(1_024);
            let memory = |_| IndexError::Memory { bytes: (more * 8) as u64 };
            self.keys.try_reserve_exact(more).map_err(memory)?;
        }
        self.keys.push(u64::from(score.to_bits()) << 32 | u64::from(!row));
        if self.keys.len() >= self.room {
            self.cut();
        }
        Ok(())
    }

    /// Cuts back to the best k, if there are as many, and raises the floor.
    pub(super) fn cut(&mut self) {
        if self.k == 0 || self.keys.len() < self.k {
            return;
        }
        let (_, last, _) = self.keys.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
        self.floor = self.floor.max(f32::from_bits((*last >> 32) as u32));
        self.keys.truncate(self.k);
        self.full = true;
    }

    /// Offers what is held to `top`, the worst first, which costs a heap nothing.
    pub(super) fn finish(&mut self, top: &mut TopK) {
        self.cut();
        self.keys.sort_unstable();
        for &key in &self.keys {
            top.push(f32::from_bits((key >> 32) as u32), !(key as u32));
        }
    }
}
