//! The scores of one search over one segment: scratch that is used again by the next.
//!
//! Two flat arrays by row, and a bit per chunk of rows that was touched, so that beginning anew and collecting
//! the best cost what the search touched and not the size of the segment.
//!
//! A block of postings is added in three passes (look up the norms, divide, add to the rows): the middle one
//! has no scattered access and becomes vector code.

use super::bm25::Norms;
use super::postings::{BLOCK, Block};
use crate::sections::reserved;
use crate::{Bitmap, IndexError, TopK};

/// Rows per chunk.
const CHUNK: usize = 1024;
const CHUNK_BITS: u32 = CHUNK.trailing_zeros();
/// Scores tested against the threshold at once.
const GROUP: usize = 32;

/// Scores and numbers of matched query terms, by row.
#[derive(Debug, Default)]
pub struct Accumulators {
    scores: Vec<f32>,
    matched: Vec<u16>,
    /// A bit per chunk with a row that was touched.
    touched: Vec<u64>,
}

impl Accumulators {
    /// Empty scratch.
    pub fn new() -> Self {
        Accumulators::default()
    }

    /// Begins a search over a segment of `rows` rows: all scores are 0, nothing is matched. Every field of the
    /// segment then adds to the same rows. Cost: what the search before touched.
    pub fn begin(&mut self, rows: u32) -> Result<(), IndexError> {
        for chunk in self.touched_chunks() {
            let (from, to) = self.span(chunk);
            self.scores[from..to].fill(0.0);
            self.matched[from..to].fill(0);
        }
        self.touched.fill(0);
        let rows = rows as usize;
        if rows > self.scores.capacity() {
            // All or nothing, so that the arrays never differ in length.
            let (scores, matched) = (reserved(rows)?, reserved(rows)?);
            (self.scores, self.matched) = (scores, matched);
        }
        self.scores.resize(rows, 0.0);
        self.matched.resize(rows, 0);
        self.touched.resize(rows.div_ceil(CHUNK).div_ceil(64), 0);
        Ok(())
    }

    /// Rows of the segment that the search was begun for.
    pub fn rows(&self) -> u32 {
        self.scores.len() as u32
    }

    /// The score of a row so far, or `None` when no query term matched it.
    pub fn score(&self, row: u32) -> Option<f32> {
        (self.matched(row) > 0).then(|| self.scores[row as usize])
    }

    /// How many query terms matched a row: terms scored, so that a term that matches in two fields counts twice.
    pub fn matched(&self, row: u32) -> u16 {
        self.matched.get(row as usize).copied().unwrap_or(0)
    }

    /// Offers every allowed row that at least `min_matched` terms (and at least one) matched.
    pub fn top(&self, allowed: Option<&Bitmap>, min_matched: u16, top: &mut TopK) {
        let least = min_matched.max(1);
        for chunk in self.touched_chunks() {
            let (from, to) = self.span(chunk);
            if allowed.is_none_or(|allowed| allowed.any_in(from as u32, to as u32)) {
                self.offer(from, to, allowed, least, top);
            }
        }
    }

    /// Adds the scores of the rows of `other` that at least `min_matched` terms matched; each counts as one match.
    /// Both must have been begun for the same segment.
    pub fn add_matching(&mut self, other: &Accumulators, min_matched: u16) {
        let least = min_matched.max(1);
        for chunk in other.touched_chunks() {
            let (from, to) = other.span(chunk);
            for row in from..to.min(self.scores.len()) {
                if other.matched[row] >= least {
                    self.scores[row] += other.scores[row];
                    self.matched[row] = self.matched[row].saturating_add(1);
                    self.touched[chunk / 64] |= 1 << (chunk % 64);
                }
            }
        }
    }

    fn offer(&self, from: usize, to: usize, allowed: Option<&Bitmap>, least: u16, top: &mut TopK) {
        let mut floor = top.floor();
        for start in (from..to).step_by(GROUP) {
            let end = (start + GROUP).min(to);
            let scores = &self.scores[start..end];
            // Branch-free over the group, so that it becomes a few vector comparisons. NaN compares false.
            if !scores.iter().fold(false, |any, &score| any | (score >= floor)) {
                continue;
            }
            for (at, (&score, &matched)) in scores.iter().zip(&self.matched[start..end]).enumerate() {
                let row = (start + at) as u32;
                let fits = score >= floor && matched >= least;
                if fits && allowed.is_none_or(|allowed| allowed.contains(row)) {
                    top.push(score, row);
                    floor = top.floor();
                }
            }
        }
    }

    /// Adds a term's contributions. `lengths` has an element per row, and all rows of the block are below the
    /// length of both.
    #[inline]
    pub(super) fn add(&mut self, block: &Block, lengths: &[u32], norms: &Norms, weight: f32) {
        let (rows, tfs) = (block.rows(), block.tfs());
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return };
        let mut parts = [0.0f32; BLOCK];
        let parts = &mut parts[..rows.len()];
        for (part, &row) in parts.iter_mut().zip(rows) {
            *part = norms.get(lengths[row as usize]);
        }
        for (part, &tf) in parts.iter_mut().zip(tfs) {
            let tf = tf as f32;
            *part = weight * (tf / (tf + *part));
        }
        for (part, &row) in parts.iter().zip(rows) {
            self.scores[row as usize] += part;
            let matched = &mut self.matched[row as usize];
            *matched = matched.saturating_add(1);
        }
        self.touch(rows, first >> CHUNK_BITS, last >> CHUNK_BITS);
    }

    /// Marks the chunks of a block: its whole span where that is dense, else row by row.
    fn touch(&mut self, rows: &[u32], first: u32, last: u32) {
        if (last - first) as usize <= rows.len() {
            (first..=last).for_each(|chunk| self.touched[(chunk / 64) as usize] |= 1 << (chunk % 64));
        } else {
            for row in rows {
                let chunk = row >> CHUNK_BITS;
                self.touched[(chunk / 64) as usize] |= 1 << (chunk % 64);
            }
        }
    }

    /// The rows of a chunk.
    fn span(&self, chunk: usize) -> (usize, usize) {
        let from = (chunk * CHUNK).min(self.scores.len());
        (from, (from + CHUNK).min(self.scores.len()))
    }

    /// The chunks touched, ascending. Takes a copy of each word, so that the caller may clear as it goes.
    fn touched_chunks(&self) -> impl Iterator<Item = usize> + use<> {
        let words = self.touched.clone();
        words.into_iter().enumerate().flat_map(|(index, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(index * 64 + bit)
            })
        })
    }
}
