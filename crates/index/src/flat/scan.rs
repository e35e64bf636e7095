//! The scan: kernels over blocks of vectors into a small buffer, and of each block only what reaches the
//! threshold goes to the heap.
//!
//! ```text
//! no filter:             blocks of 256 slots through the batch kernel
//! filter, slot = row:    words of 64 rows; empty words are skipped, (almost) full ones go through the batch
//!                        kernel, rows of the others are gathered 256 at a time
//! filter, table of rows: allowed slots are gathered; found by walking the table, or by galloping through it
//!                        when few rows are allowed
//! ```
//! Every path gives a vector the same score; which slots are visited in which order does not show, because
//! the heap orders by score and row.

use super::compare::Scores;
use crate::{Bitmap, TopK};

/// Slots per kernel call: the scores stay in the first-level cache and the call's cost vanishes.
const BLOCK: usize = 256;
/// Scores tested against the threshold at once; a whole group below it is passed over.
const GROUP: usize = 16;
/// From so many allowed rows in a word of 64 on, scoring all of them in sequence beats gathering.
const DENSE_WORD: u32 = 56;
/// Table entries that are walked in the time of one galloping search.
const GALLOP: u64 = 16;

/// The slots of a segment, and which rows they belong to.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    /// Rows of the segment.
    pub(super) rows: u32,
    /// Slots.
    pub(super) count: usize,
    /// The row of every slot; `None` when they are the same.
    pub(super) slots: Option<&'a [u32]>,
}

impl Table<'_> {
    /// The row of a slot; `None` when the table names one past the segment.
    #[inline]
    pub(super) fn row(self, slot: usize) -> Option<u32> {
        let row = match self.slots {
            Some(slots) => slots.get(slot).copied()?,
            None => slot as u32,
        };
        (row < self.rows).then_some(row)
    }
}

/// What a scan did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Vectors scored.
    pub(super) scored: u64,
    /// It was not stopped.
    pub(super) complete: bool,
}

struct Scan<'a, S> {
    table: Table<'a>,
    scores_of: S,
    top: &'a mut TopK,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    scores: [f32; BLOCK],
    ids: [u32; BLOCK],
    held: usize,
    done: Scanned,
}

/// Offers the allowed vectors to `top`, until `stop` says so.
pub(super) fn scan<S: Scores>(
    table: Table<'_>,
    scores_of: S,
    allowed: Option<&Bitmap>,
    stop: Option<&(dyn Fn() -> bool + Sync)>,
    top: &mut TopK,
) -> Scanned {
    let mut scan = Scan {
        table,
        scores_of,
        top,
        stop,
        scores: [0.0; BLOCK],
        ids: [0; BLOCK],
        held: 0,
        done: Scanned { scored: 0, complete: true },
    };
    match (allowed, table.slots) {
        (None, _) => scan.range(0, table.count, u64::MAX),
        (Some(allowed), None) => scan.words(allowed),
        (Some(allowed), Some(rows)) => scan.table(allowed, rows),
    }
    scan.flush();
    scan.done
}

impl<S: Scores> Scan<'_, S> {
    /// Scores the slots `from..to`. Bit i of `mask` says whether slot `from + i` may be reported; it is only
    /// looked at for ranges of at most 64 slots.
    fn range(&mut self, from: usize, to: usize, mask: u64) {
        let masked = mask != u64::MAX;
        for start in (from..to).step_by(BLOCK) {
            if !self.goes_on() {
                return;
            }
            let end = (start + BLOCK).min(to);
            let out = &mut self.scores[..end - start];
            self.scores_of.range(start, out);
            self.done.scored += out.len() as u64;
            let table = self.table;
            offer(
                self.top,
                out,
                |at| {
                    if masked && mask >> at & 1 == 0 { None } else { table.row(start + at) }
                },
            );
        }
    }

    /// Asks whether to stop, before every block.
    #[inline]
    fn goes_on(&mut self) -> bool {
        if let Some(stop) = self.stop
            && self.done.complete
            && stop()
        {
            self.done.complete = false;
        }
        self.done.complete
    }

    /// A filter where slot and row are the same.
    fn words(&mut self, allowed: &Bitmap) {
        let count = self.table.count;
        let mut run = 0..0;
        for (index, &word) in allowed.words().iter().enumerate() {
            let (from, to) = (index * 64, (index * 64 + 64).min(count));
            if from >= count || !self.done.complete {
                break;
            }
            if word == u64::MAX && to - from == 64 {
                // Full words that touch become one long range.
                if run.end == from {
                    run.end = to;
                } else {
                    self.range(run.start, run.end, u64::MAX);
                    run = from..to;
                }
            } else if word.count_ones() >= DENSE_WORD {
                self.range(from, to, word);
            } else {
                let mut rest = word;
                while rest != 0 {
                    self.gather(from as u32 + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
        }
        self.range(run.start, run.end, u64::MAX);
    }

    /// A filter where a table says which row a slot belongs to.
    fn table(&mut self, allowed: &Bitmap, rows: &[u32]) {
        if u64::from(allowed.count()) * GALLOP >= rows.len() as u64 {
            for (slot, &row) in rows.iter().enumerate() {
                if allowed.contains(row) {
                    self.gather(slot as u32);
                    if !self.done.complete {
                        break;
                    }
                }
            }
            return;
        }
        let mut from = 0;
        for row in allowed.iter() {
            from += gallop(&rows[from..], row);
            match rows.get(from) {
                Some(&found) if found == row => self.gather(from as u32),
                Some(_) => {}
                None => break,
            }
            if !self.done.complete {
                break;
            }
        }
    }

    /// Takes one slot below `count` into the buffer of the gather kernel.
    #[inline]
    fn gather(&mut self, slot: u32) {
        if slot as usize >= self.table.count {
            return;
        }
        self.ids[self.held] = slot;
        self.held += 1;
        if self.held == BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let held = std::mem::take(&mut self.held);
        if held == 0 || !self.goes_on() {
            return;
        }
        let (ids, out) = (&self.ids[..held], &mut self.scores[..held]);
        self.scores_of.gather(ids, out);
        self.done.scored += held as u64;
        let table = self.table;
        offer(self.top, out, |at| table.row(ids[at] as usize));
    }
}

/// Pushes the scores that reach the threshold, under the row that `row` gives for their place.
#[inline]
pub(super) fn offer(top: &mut TopK, scores: &[f32], row: impl Fn(usize) -> Option<u32>) {
    let mut floor = top.floor();
    for (group, scores) in scores.chunks(GROUP).enumerate() {
        // Branch-free over the group, so that it becomes a few vector comparisons. NaN compares false.
        if !scores.iter().fold(false, |any, &score| any | (score >= floor)) {
            continue;
        }
        for (at, &score) in scores.iter().enumerate() {
            if score >= floor
                && let Some(row) = row(group * GROUP + at)
            {
                top.push(score, row);
                floor = top.floor();
            }
        }
    }
}

/// The place of the first element that is not below `row`, by steps that double and then halve.
fn gallop(rows: &[u32], row: u32) -> usize {
    let mut step = 1;
    while step < rows.len() && rows[step] < row {
        step *= 2;
    }
    let from = step / 2;
    let to = (step + 1).min(rows.len());
    from.min(to) + rows[from.min(to)..to].partition_point(|&at| at < row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn galloping_finds_the_first_not_below() {
        for len in 0..40u32 {
            let rows: Vec<u32> = (0..len).map(|at| at * 3).collect();
            for row in 0..130 {
                assert_eq!(gallop(&rows, row), rows.partition_point(|&at| at < row), "{len} {row}");
            }
        }
    }
}
