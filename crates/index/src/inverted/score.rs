//! Term-at-a-time scoring.

use super::norms::RowNorms;
use super::postings::Block;
use super::{Accumulators, Bm25, InvertedReader, TermId, WeightedTerm};
use crate::{Bitmap, Counters, IndexError};

/// Nanoseconds per posting and per row, for estimates: decode and add; begin anew and collect.
const NS_PER_POSTING: f64 = 2.2;
const NS_PER_ROW: f64 = 0.25;
const NS_PER_TERM: f64 = 150.0;

/// How the rows of one field are scored, and which.
#[derive(Clone, Copy)]
pub struct Scoring<'a> {
    /// Mean length of the field over the collection.
    pub average_length: f32,
    /// The field's parameters.
    pub params: Bm25,
    /// The rows that are scored; `None`: all.
    pub allowed: Option<&'a Bitmap>,
    /// Looked at before each list and every some thousand postings; true ends the call with [`IndexError::Cancelled`].
    pub stop: Option<&'a dyn Fn() -> bool>,
}

impl InvertedReader {
    /// Adds the BM25 contributions of `terms`, in their order. `acc` must have been begun for this segment. NaN weights give
    /// rows a NaN score, which is never reported.
    pub fn score(
        &self,
        terms: &[WeightedTerm],
        scoring: Scoring<'_>,
        acc: &mut Accumulators,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let Scoring { average_length, params, allowed, stop } = scoring;
        acc.check_begun(self.rows())?;
        let mut postings = 0;
        for term in terms {
            postings += self.doc_freq(term.term, None)?;
        }
        let norms = self.row_norms(params, average_length, postings, acc)?;
        let mut block = Block::new();
        for &WeightedTerm { term, weight } in terms {
            let weight = weight * (params.k1 + 1.0);
            let mut cursor = self.cursor(term)?.stopping(stop);
            while match allowed {
                Some(allowed) => cursor.next_allowed(allowed, &mut block),
                None => cursor.next(&mut block),
            } {
                counters.postings_scored += block.rows().len() as u64;
                acc.add(&block, &norms, weight);
            }
            self.check_end(&cursor, term)?;
        }
        Ok(())
    }

    /// How norms are looked up, given how many will be.
    pub(super) fn row_norms(
        &self,
        params: Bm25,
        avg_length: f32,
        postings: u64,
        acc: &mut Accumulators,
    ) -> Result<RowNorms<'_>, IndexError> {
        let (table, lengths) = (acc.norms.get(params, avg_length), self.lengths.all()?);
        Ok(RowNorms { rows: self.norms.get(&table, lengths, postings), lengths, table })
    }

    /// An estimate of the time of one search for `terms`, in nanoseconds. Damage is for the search to find.
    pub fn cost_ns(&self, terms: impl IntoIterator<Item = TermId>) -> u64 {
        let (mut postings, mut count) = (0, 0u32);
        for term in terms {
            postings += self.doc_freq(term, None).unwrap_or(0);
            count += 1;
        }
        let rows = (f64::from(self.rows())).min(postings as f64 * 64.0);
        (postings as f64 * NS_PER_POSTING + rows * NS_PER_ROW + f64::from(count) * NS_PER_TERM) as u64
    }
}
