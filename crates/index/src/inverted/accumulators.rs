//! The scores of one search over one segment: scratch that is used again by the next.
//!
//! Two flat arrays by row, and a bit per chunk of rows that was touched, so that beginning anew and collecting
//! the best cost what the search touched and not the size of the segment.
//!
//! A block of postings is added in three passes (look up the norms, divide, add to the rows): the middle one
//! has no scattered access and becomes vector code.

use tercet_kernels::kernels;

use super::norms::{NormsCache, RowNorms};
use super::postings::{BLOCK, Block};
use crate::sections::reserved;
use crate::{Bitmap, IndexError, TopK};

/// Rows per group: what is reset, and tested against the threshold, at once.
const GROUP: usize = 64;
const GROUP_BITS: u32 = GROUP.trailing_zeros();
/// Groups whose best is taken at once where one of them was touched.
const RUN: usize = 16;

/// Scores and numbers of matched query terms, by row.
#[derive(Debug, Default)]
pub struct Accumulators {
    rows: u32,
    /// Whole groups, as are the two below.
    scores: Vec<f32>,
    matched: Vec<u16>,
    /// Per group, whether a row of it was touched. A byte, because setting one needs no reading.
    touched: Vec<u8>,
    /// Per group, its best score; used while the best rows are collected.
    best: Vec<f32>,
    /// Whether matches are not counted: a row matches when its score is above 0.
    uncounted: bool,
    /// Room for choosing among the best of the groups.
    order: Vec<f32>,
    /// The norms of the fields that were searched last.
    pub(super) norms: NormsCache,
}

impl Accumulators {
    /// Empty scratch.
    pub fn new() -> Self {
        Accumulators::default()
    }

    /// Begins a search over a segment of `rows` rows: all scores are 0, nothing is matched. Every field of the
    /// segment then adds to the same rows. Cost: what the search before touched.
    pub fn begin(&mut self, rows: u32) -> Result<(), IndexError> {
        let (scores, matched) = (self.scores.as_chunks_mut().0, self.matched.as_chunks_mut().0);
        for ((touched, scores), matched) in self.touched.iter_mut().zip(scores).zip(matched) {
            if std::mem::take(touched) != 0 {
                *scores = [0.0; GROUP];
                if !self.uncounted {
                    *matched = [0; GROUP];
                }
            }
        }
        let groups = rows.div_ceil(GROUP as u32) as usize;
        if groups > self.touched.len() {
            // All or nothing, so that the arrays never differ in length.
            let whole = groups.checked_mul(GROUP).ok_or(IndexError::Memory { bytes: u64::MAX })?;
            let (scores, matched, touched) = (reserved(whole)?, reserved(whole)?, reserved(groups)?);
            (self.best, self.scores) = (reserved(groups)?, scores);
            (self.matched, self.touched) = (matched, touched);
            self.scores.resize(whole, 0.0);
            self.matched.resize(whole, 0);
            self.touched.resize(groups, 0);
        }
        (self.rows, self.uncounted) = (rows, false);
        Ok(())
    }

    /// The same for a search that asks for no number of matched terms, only whether one did: that is told by a score above
    /// 0, so no part that is added may be 0 or below.
    pub fn begin_uncounted(&mut self, rows: u32) -> Result<(), IndexError> {
        self.begin(rows)?;
        self.uncounted = true;
        Ok(())
    }

    /// An error unless these were begun for so many rows.
    pub(super) fn check_begun(&self, rows: u32) -> Result<(), IndexError> {
        if self.rows() == rows {
            return Ok(());
        }
        Err(IndexError::shape("rows that accumulators were begun for", rows.into(), self.rows().into()))
    }

    /// Rows of the segment that the search was begun for.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The score of a row so far, or `None` when no query term matched it.
    pub fn score(&self, row: u32) -> Option<f32> {
        (self.matched(row) > 0).then(|| self.scores[row as usize])
    }

    /// How many query terms matched a row: terms scored, so that a term that matches in two fields counts twice. At most 1 when
    /// they are not counted.
    pub fn matched(&self, row: u32) -> u16 {
        if self.uncounted {
            return self.scores.get(row as usize).is_some_and(|score| *score > 0.0).into();
        }
        self.matched.get(row as usize).copied().unwrap_or(0)
    }

    /// Offers every allowed row that at least `min_matched` terms (and at least one) matched.
    ///
    /// First the best score of every group is taken. Without conditions the k-th best of these is a score that k rows reach,
    /// so only groups that reach it are looked at.
    pub fn top(&mut self, allowed: Option<&Bitmap>, min_matched: u16, top: &mut TopK) {
        let least = min_matched.max(1);
        let mut floor = top.floor();
        if allowed.is_none() && least == 1 {
            floor = floor.max(self.reached(top.k()).unwrap_or(floor));
        } else {
            self.group();
        }
        let groups = self.scores.as_chunks::<GROUP>().0;
        for (group, scores) in groups.iter().enumerate() {
            if self.best[group] < floor || self.best[group] == f32::NEG_INFINITY {
                continue;
            }
            let filter = allowed.map_or(u64::MAX, |allowed| allowed.words().get(group).copied().unwrap_or(0));
            let mut left = reaching(scores, floor) & filter;
            while left != 0 {
                let at = left.trailing_zeros() as usize;
                left &= left - 1;
                let (score, row) = (scores[at], (group * GROUP + at) as u32);
                if score >= floor && self.matched(row) >= least {
                    top.push(score, row);
                    floor = floor.max(top.floor());
                }
            }
        }
    }

    /// Takes the best score of every group; negative infinity where nothing was added.
    fn group(&mut self) {
        self.best.clear();
        self.best.resize(self.touched.len(), f32::NEG_INFINITY);
        let greatest = kernels().sparse().greatest;
        let runs = self.touched.chunks(RUN).zip(self.scores.chunks(RUN * GROUP));
        for ((touched, scores), best) in runs.zip(self.best.chunks_mut(RUN)) {
            if touched.iter().any(|&touched| touched != 0) {
                greatest(scores, best);
                for (best, _) in best.iter_mut().zip(touched).filter(|(_, touched)| **touched == 0) {
                    *best = f32::NEG_INFINITY;
                }
            }
        }
    }

    /// A score above 0 that at least `k` rows reach (k from 1): the `k`-th greatest of the best of the groups, so `None` where
    /// there are fewer groups. Takes the best of the groups for [`rows_from`](Self::rows_from).
    pub(super) fn reached(&mut self, k: usize) -> Option<f32> {
        self.group();
        if !(1..=self.best.len()).contains(&k) {
            return None;
        }
        self.order.clone_from(&self.best);
        let (_, reached, _) = self.order.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        (*reached > 0.0).then_some(*reached)
    }

    /// The rows that score `least` (above 0) or more, ascending, given that nothing was added since
    /// [`reached`](Self::reached). False, and some of them, when there are more than `most`.
    pub(super) fn rows_from(&self, least: f32, most: usize, rows: &mut Vec<u32>) -> bool {
        rows.clear();
        for (group, scores) in self.scores.as_chunks::<GROUP>().0.iter().enumerate() {
            if self.best.get(group).is_none_or(|best| *best < least) {
                continue;
            }
            let mut left = reaching(scores, least);
            if rows.len() + left.count_ones() as usize > most {
                return false;
            }
            while left != 0 {
                rows.push((group * GROUP) as u32 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        true
    }

    /// The score of a row; 0 where nothing was added.
    #[inline]
    pub(super) fn at(&self, row: u32) -> f32 {
        self.scores.get(row as usize).copied().unwrap_or(0.0)
    }

    /// Adds to a row that has a score already, without counting a match.
    #[inline]
    pub(super) fn add_to(&mut self, row: u32, part: f32) {
        if let Some(score) = self.scores.get_mut(row as usize) {
            *score += part;
        }
    }

    /// Adds the scores of the rows of `other` that at least `min_matched` terms matched; each counts as one match.
    /// Both must have been begun for the same segment (the engine's `match` with all words uses it).
    pub fn add_matching(&mut self, other: &Accumulators, min_matched: u16) {
        let least = min_matched.max(1);
        let groups = self.touched.len().min(other.touched.len());
        for group in (0..groups).filter(|group| other.touched[*group] != 0) {
            for row in group * GROUP..(group + 1) * GROUP {
                if other.matched(row as u32) >= least {
                    self.scores[row] += other.scores[row];
                    if !self.uncounted {
                        self.matched[row] = self.matched[row].saturating_add(1);
                    }
                    self.touched[group] = 1;
                }
            }
        }
    }

    /// Adds to one row; it counts as one match. A row at or past `rows` is passed over.
    #[inline]
    pub fn add_one(&mut self, row: u32, part: f32) {
        if row < self.rows {
            self.scores[row as usize] += part;
            if !self.uncounted {
                let matched = &mut self.matched[row as usize];
                *matched = matched.saturating_add(1);
            }
            self.touched[(row >> GROUP_BITS) as usize] = 1;
        }
    }

    /// Calls back with every row of `allowed` (`None`: all) that at least `min_matched` terms (and at least one) matched,
    /// ascending, and its score.
    pub fn each(&self, allowed: Option<&Bitmap>, min_matched: u16, each: &mut dyn FnMut(u32, f32)) {
        let least = min_matched.max(1);
        for group in (0..self.touched.len()).filter(|group| self.touched[*group] != 0) {
            for row in group * GROUP..(group + 1) * GROUP {
                if self.matched(row as u32) >= least
                    && allowed.is_none_or(|allowed| allowed.contains(row as u32))
                {
                    each(row as u32, self.scores[row]);
                }
            }
        }
    }

    /// Adds a term's contributions. All rows of the block are below `rows`.
    #[inline]
    pub(super) fn add(&mut self, block: &Block, norms: &RowNorms<'_>, weight: f32) {
        let mut parts = [0.0f32; BLOCK];
        let (rows, parts) = (block.rows(), &mut parts[..block.rows().len()]);
        norms.of(rows, parts);
        for (part, &tf) in parts.iter_mut().zip(block.tfs()) {
            let tf = tf as f32;
            *part = weight * (tf / (tf + *part));
        }
        let (scores, matched) = (self.scores.as_mut_slice(), self.matched.as_mut_slice());
        if self.uncounted {
            for (part, &row) in parts.iter().zip(rows) {
                scores[row as usize] += part;
            }
        } else {
            for (part, &row) in parts.iter().zip(rows) {
                scores[row as usize] += part;
                let matched = &mut matched[row as usize];
                *matched = matched.saturating_add(1);
            }
        }
        self.touch(rows);
    }

    /// Marks the groups of a block: the whole span where most of it is hit anyway, else row by row.
    #[inline]
    fn touch(&mut self, rows: &[u32]) {
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return };
        let (first, last) = ((first >> GROUP_BITS) as usize, (last >> GROUP_BITS) as usize);
        if last - first < rows.len() {
            self.touched[first..=last].fill(1);
        } else {
            rows.iter().for_each(|row| self.touched[(row >> GROUP_BITS) as usize] = 1);
        }
    }
}

/// A bit for each row of a group that scores `floor` or more; none for NaN.
#[inline]
fn reaching(scores: &[f32; GROUP], floor: f32) -> u64 {
    let mut mask = [0];
    (kernels().sparse().above)(scores, floor, &mut mask);
    mask[0]
}
