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

use super::FlatReader;
use super::reader::finish;
use crate::{Bitmap, IndexError, TopK};
use tercet_kernels::{Metric, MetricKernels};

/// Slots per kernel call: the scores stay in the first-level cache and the call's cost vanishes.
const BLOCK: usize = 256;
/// Scores tested against the threshold at once; a whole group below it is passed over.
const GROUP: usize = 16;
/// From so many allowed rows in a word of 64 on, scoring all of them in sequence beats gathering.
const DENSE_WORD: u32 = 56;
/// Table entries that are walked in the time of one galloping search.
const GALLOP: u64 = 16;

struct Scan<'a> {
    dims: usize,
    metric: Metric,
    kernels: &'static MetricKernels,
    /// Rows of the segment.
    rows: u32,
    count: usize,
    /// `count` vectors.
    values: &'a [f32],
    /// `count` elements each, where they are kept.
    slots: Option<&'a [u32]>,
    norms: Option<&'a [f32]>,
    query: &'a [f32],
    top: &'a mut TopK,
    scores: [f32; BLOCK],
    ids: [u32; BLOCK],
    held: usize,
    scored: u64,
}

/// Offers the allowed vectors to `top`; returns how many were scored. The query has the reader's dims. All sections are
/// checked once, then the scan runs over plain slices.
pub(super) fn search(
    reader: &FlatReader,
    query: &[f32],
    allowed: Option<&Bitmap>,
    top: &mut TopK,
) -> Result<u64, IndexError> {
    let mut scan = Scan {
        dims: reader.dims,
        metric: reader.metric,
        kernels: reader.kernels,
        rows: reader.rows,
        count: reader.count as usize,
        values: reader.values.all()?,
        slots: reader.slots.as_ref().map(|slots| slots.all()).transpose()?,
        norms: reader.norms.as_ref().map(|norms| norms.all()).transpose()?,
        query,
        top,
        scores: [0.0; BLOCK],
        ids: [0; BLOCK],
        held: 0,
        scored: 0,
    };
    match (allowed, scan.slots) {
        (None, _) => scan.range(0, scan.count, u64::MAX),
        (Some(allowed), None) => scan.words(allowed),
        (Some(allowed), Some(rows)) => scan.table(allowed, rows),
    }
    scan.flush();
    Ok(scan.scored)
}

impl Scan<'_> {
    /// Scores the slots `from..to`. Bit i of `mask` says whether slot `from + i` may be reported; it is only
    /// looked at for ranges of at most 64 slots.
    fn range(&mut self, from: usize, to: usize, mask: u64) {
        let dims = self.dims;
        let masked = mask != u64::MAX;
        for start in (from..to).step_by(BLOCK) {
            let end = (start + BLOCK).min(to);
            let out = &mut self.scores[..end - start];
            (self.kernels.batch)(self.query, &self.values[start * dims..end * dims], out);
            self.scored += out.len() as u64;
            for (at, score) in out.iter_mut().enumerate() {
                *score = finish(self.metric, *score, self.norms.map(|norms| norms[start + at]));
            }
            let (slots, rows) = (self.slots, self.rows);
            offer(self.top, &self.scores[..end - start], |at| {
                if masked && mask >> at & 1 == 0 { None } else { row(slots, rows, start + at) }
            });
        }
    }

    /// A filter where slot and row are the same.
    fn words(&mut self, allowed: &Bitmap) {
        let count = self.count;
        let mut run = 0..0;
        for (index, &word) in allowed.words().iter().enumerate() {
            let (from, to) = (index * 64, (index * 64 + 64).min(count));
            if from >= count {
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
        }
    }

    /// Takes one slot below `count` into the buffer of the gather kernel.
    #[inline]
    fn gather(&mut self, slot: u32) {
        if slot as usize >= self.count {
            return;
        }
        self.ids[self.held] = slot;
        self.held += 1;
        if self.held == BLOCK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let ids = &self.ids[..self.held];
        let out = &mut self.scores[..self.held];
        if ids.is_empty() {
            return;
        }
        (self.kernels.gather)(self.query, self.values, ids, out);
        self.scored += ids.len() as u64;
        for (score, &slot) in out.iter_mut().zip(ids) {
            *score = finish(self.metric, *score, self.norms.map(|norms| norms[slot as usize]));
        }
        let (slots, rows) = (self.slots, self.rows);
        offer(self.top, &self.scores[..self.held], |at| row(slots, rows, ids[at] as usize));
        self.held = 0;
    }
}

/// The row of a slot; `None` when the table names one past the segment.
#[inline]
fn row(slots: Option<&[u32]>, rows: u32, slot: usize) -> Option<u32> {
    let row = match slots {
        Some(table) => table.get(slot).copied()?,
        None => slot as u32,
    };
    (row < rows).then_some(row)
}

/// Pushes the scores that reach the threshold, under the row that `row` gives for their place.
#[inline]
fn offer(top: &mut TopK, scores: &[f32], row: impl Fn(usize) -> Option<u32>) {
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
