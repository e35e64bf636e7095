//! Term-at-a-time scoring.

use super::norms::RowNorms;
use super::postings::Block;
use super::{Accumulators, Bm25, InvertedReader, TermId, WeightedTerm};
use crate::{Bitmap, Counters, IndexError};

/// Nanoseconds per posting and per row, for estimates: decode and add; begin anew and collect.
const NS_PER_POSTING: f64 = 2.2;
const NS_PER_ROW: f64 = 0.25;
const NS_PER_TERM: f64 = 150.0;

impl InvertedReader {
    /// Adds the BM25 contributions of `terms`, in their order, to the rows in `allowed` (`None`: all). `acc` must
    /// have been begun for this segment. `avg_length` is the collection's; NaN weights give rows a NaN score,
    /// which is never reported.
    pub fn score(
        &self,
        terms: &[WeightedTerm],
        avg_length: f32,
        params: Bm25,
        allowed: Option<&Bitmap>,
        acc: &mut Accumulators,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        acc.check_begun(self.rows())?;
        let mut postings = 0;
        for term in terms {
            postings += self.doc_freq(term.term, None)?;
        }
        let norms = self.row_norms(params, avg_length, postings, acc)?;
        let mut block = Block::new();
        for &WeightedTerm { term, weight } in terms {
            let weight = weight * (params.k1 + 1.0);
            let mut cursor = self.cursor(term)?;
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
