//! The scan of the vectors themselves, in place of codes.

use super::layout::BLOCK;
use super::pool::Pool;
use super::reader::Stage;
use super::scan::Scan;
use crate::flat::SlotScores;
use std::ops::Range;

/// The vectors themselves, where they lie.
pub(super) struct Raw<'a, 'b, 'c> {
    pub(super) stage: &'a Stage,
    pub(super) scores: &'a mut SlotScores<'b>,
    pub(super) slots: &'c mut Vec<u32>,
}

impl Scan for Raw<'_, '_, '_> {
    fn list(&mut self, entries: Range<usize>, _: usize, _: f32, masks: &[u32], pool: &mut Pool) -> usize {
        let mut distances = [0.0f32; BLOCK];
        let mut compared = 0;
        for (at, from) in entries.clone().step_by(BLOCK).enumerate() {
            let mask = masks.get(at).copied().unwrap_or(u32::MAX);
            self.slots.clear();
            let mut lanes = [0u32; BLOCK];
            for entry in (from..entries.end.min(from + BLOCK)).filter(|entry| mask >> (entry - from) & 1 == 1)
            {
                let slot = self.stage.slot(self.stage.position(entry as u32));
                if (slot as usize) < self.scores.count() {
                    lanes[self.slots.len()] = entry as u32;
                    self.slots.push(slot);
                }
            }
            let distances = &mut distances[..self.slots.len()];
            self.scores.scores(self.slots, distances);
            compared += distances.len();
            for (score, entry) in distances.iter().zip(lanes) {
                pool.push(-score, entry);
            }
        }
        compared
    }

    fn prefetch(&self, _: Range<usize>, _: usize) {}
}
