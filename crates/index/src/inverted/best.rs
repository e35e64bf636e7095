//! The best rows of a sum over words, looked at no longer than another row can come in.
//!
//! ```text
//! for each list, heavy ones first:
//!     rest = the most that this list and the ones behind it can add to a row
//!     if a score is known that k rows reach, and rest is below it:
//!         candidates = rows within rest of it; the others can never be among the best
//!         for each list left: look the candidates up in it, then drop those that fell too far behind
//!         stop
//!     add the list to the scores
//! ```
//! A word that many rows hold weighs little and comes late: most postings are never added. What is found is what adding every
//! list finds, bit for bit, because a row's parts are summed in the same order.
//!
//! Source: the idea of MaxScore (Turtle and Flood, "Query evaluation: strategies and optimizations", 1995), term at a time.
//! Deviations: a part of BM25 is at most the word's weight times (k1 + 1), and that is the bound, so that the index keeps
//! none; the score that k rows reach is that of the best rows of k groups.

use super::norms::RowNorms;
use super::postings::{Block, Stop};
use super::{Accumulators, Bm25, InvertedReader, TermId, WeightedTerm};
use crate::{Bitmap, Counters, IndexError, TopK};

/// Rows from which on looking for a score that k rows reach pays, and postings left, as a share of the rows.
const ROWS: u32 = 1 << 14;
const ROWS_LEFT: u64 = 8;
/// The most that lists may add for it to be worth looking, as a share of what those before can; and what is left of that share
/// when it was not enough.
const REST: f32 = 0.5;
const AGAIN: f32 = 0.7;
/// Looking a row up in a list costs as much as adding so many postings.
const LOOKUP: u64 = 12;

/// Words of one field, and how they are scored there.
#[derive(Clone, Copy)]
pub struct FieldWords<'a> {
    /// The field's index in the segment.
    pub reader: &'a InvertedReader,
    /// The words that the segment has, each with its weight.
    pub terms: &'a [WeightedTerm],
    /// Mean length of the field over the collection.
    pub average_length: f32,
    /// The field's parameters.
    pub params: Bm25,
}

/// A list that is to be added.
struct List<'a> {
    reader: &'a InvertedReader,
    /// The place of its field's norms.
    field: usize,
    term: TermId,
    /// Weight times (k1 + 1): more is not added to a row.
    most: f32,
    postings: u64,
    stop: Option<Stop<'a>>,
}

/// Offers the best rows of `allowed` (`None`: all) by the sum of BM25 over `fields`, each of a segment of `rows` rows. A row's
/// parts are added in the order of `fields` and their terms: by falling weight this is fastest. `stop` is looked at before each
/// list and every some thousand postings; where it says true, that is [`IndexError::Cancelled`].
///
/// Weights must be above 0 and no part so small that it is 0, as for [`Accumulators::begin_uncounted`]. Cost: at most a pass
/// over the postings of all terms, and memory for a score a row.
pub fn best_rows(
    rows: u32,
    fields: &[FieldWords<'_>],
    allowed: Option<&Bitmap>,
    stop: Option<&dyn Fn() -> bool>,
    acc: &mut Accumulators,
    top: &mut TopK,
    counters: &mut Counters,
) -> Result<(), IndexError> {
    acc.begin_uncounted(rows)?;
    let lists = lists(fields, stop)?;
    let mut norms = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        acc.check_begun(field.reader.rows())?;
        let postings = lists.iter().filter(|list| list.field == at).map(|list| list.postings).sum();
        norms.push(field.reader.row_norms(field.params, field.average_length, postings, acc)?);
    }
    let mut rest = vec![0.0f32; lists.len() + 1];
    let mut left = vec![0u64; lists.len() + 1];
    for (at, list) in lists.iter().enumerate().rev() {
        (rest[at], left[at]) = (rest[at + 1] + list.most, left[at + 1] + list.postings);
    }
    // Rounding may lift a sum above that of its bounds.
    let slack = rest[0] * (lists.len() as f32 + 2.0) * f32::EPSILON;
    let bounded = fields.iter().all(|field| field.params.k1 >= 0.0 && (0.0..=1.0).contains(&field.params.b))
        && rest[0].is_finite()
        && rows >= ROWS;
    let worth = u64::from(rows) / ROWS_LEFT;
    let mut share = if bounded { REST } else { f32::NEG_INFINITY };
    let mut block = Block::new();
    let mut candidates = Vec::new();
    for (at, list) in lists.iter().enumerate() {
        let (most, before) = (rest[at] + slack, rest[0] - rest[at]);
        if left[at] >= worth && most < share * before {
            let floor = acc.reached(top.k()).map_or(top.floor(), |reached| reached.max(top.floor()));
            // So many that looking them up in the lists left costs no more than adding these.
            let few = left[at] / (LOOKUP * (lists.len() - at) as u64);
            if most < floor && acc.rows_from(floor - most, few as usize, &mut candidates) {
                let last =
                    Last { lists: &lists[at..], norms: &norms, rest: &rest[at..], slack, floor, candidates };
                return last.finish(acc, allowed, top, &mut block, counters);
            }
            share = most / before * AGAIN;
        }
        list.add(&norms[list.field], allowed, acc, &mut block, counters)?;
    }
    acc.top(allowed, 1, top);
    Ok(())
}

/// All words, in their order.
fn lists<'a>(fields: &[FieldWords<'a>], stop: Option<Stop<'a>>) -> Result<Vec<List<'a>>, IndexError> {
    let mut lists = Vec::with_capacity(fields.iter().map(|field| field.terms.len()).sum());
    for (at, field) in fields.iter().enumerate() {
        for term in field.terms {
            lists.push(List {
                reader: field.reader,
                field: at,
                term: term.term,
                most: term.weight * (field.params.k1 + 1.0),
                postings: field.reader.doc_freq(term.term, None)?,
                stop,
            });
        }
    }
    Ok(lists)
}

impl List<'_> {
    /// Adds every posting in an allowed row.
    fn add(
        &self,
        norms: &RowNorms<'_>,
        allowed: Option<&Bitmap>,
        acc: &mut Accumulators,
        block: &mut Block,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let mut cursor = self.reader.cursor(self.term)?.stopping(self.stop);
        while match allowed {
            Some(allowed) => cursor.next_allowed(allowed, block),
            None => cursor.next(block),
        } {
            counters.postings_scored += block.rows().len() as u64;
            acc.add(block, norms, self.most);
        }
        self.reader.check_end(&cursor, self.term)
    }

    /// Adds the postings of some rows, ascending.
    fn look_up(
        &self,
        norms: &RowNorms<'_>,
        among: &[u32],
        acc: &mut Accumulators,
        block: &mut Block,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let mut cursor = self.reader.cursor(self.term)?.stopping(self.stop);
        cursor.find(block, among, &mut |row, tf| {
            let tf = tf as f32;
            acc.add_to(row, self.most * (tf / (tf + norms.one(row))));
            counters.postings_scored += 1;
        });
        self.reader.check_end(&cursor, self.term)
    }
}

/// The end of a search: the lists left cannot bring another row in.
struct Last<'a, 'l> {
    lists: &'a [List<'l>],
    norms: &'a [RowNorms<'l>],
    /// What each list and the ones behind it can add, and 0 behind the last.
    rest: &'a [f32],
    slack: f32,
    /// A score that k rows reach.
    floor: f32,
    candidates: Vec<u32>,
}

impl Last<'_, '_> {
    fn finish(
        mut self,
        acc: &mut Accumulators,
        allowed: Option<&Bitmap>,
        top: &mut TopK,
        block: &mut Block,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let mut scores = Vec::new();
        for (list, rest) in self.lists.iter().zip(&self.rest[1..]) {
            if list.postings < LOOKUP * self.candidates.len() as u64 {
                list.add(&self.norms[list.field], allowed, acc, block, counters)?;
            } else {
                list.look_up(&self.norms[list.field], &self.candidates, acc, block, counters)?;
            }
            let k = top.k();
            if (1..self.candidates.len() / 2).contains(&k) {
                scores.clear();
                scores.extend(self.candidates.iter().map(|row| acc.at(*row)));
                let (_, reached, _) = scores.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
                self.floor = self.floor.max(*reached);
                let least = self.floor - (rest + self.slack);
                let mut kept = 0;
                for at in 0..self.candidates.len() {
                    let row = self.candidates[at];
                    self.candidates[kept] = row;
                    kept += usize::from(acc.at(row) >= least);
                }
                self.candidates.truncate(kept);
            }
        }
        self.candidates.iter().for_each(|&row| top.push(acc.at(row), row));
        Ok(())
    }
}
