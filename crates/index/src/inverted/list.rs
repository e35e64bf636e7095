//! Words that are computed by the search: a phrase, all words with a beginning, all words near a word. Each is a list of rows
//! and frequencies, which need not be whole numbers, and is scored by the formula as if it were one word.

use super::{Accumulators, InvertedReader, Scoring, TermId};
use crate::sections::reserved;
use crate::{Bitmap, Counters, IndexError};

/// Rows, ascending, and how often each holds a computed word: above 0.
pub type Frequencies = Vec<(u32, f32)>;

/// From this share of the rows on, frequencies are summed by row instead of being sorted.
const DENSE: u64 = 16;
/// Rows of a list between two looks at whether to stop.
const LOOK: usize = 8_192;

impl InvertedReader {
    /// The rows of `live` (`None`: all) that hold any of some terms, each with the sum of frequency times factor, added in
    /// the order of the terms. Where `stop`, looked at before each and every some thousand postings, says true, that is
    /// [`IndexError::Cancelled`]. Cost: a pass over the postings.
    pub fn frequencies(
        &self,
        terms: &[(TermId, f32)],
        live: Option<&Bitmap>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Frequencies, IndexError> {
        let mut total = 0;
        for &(term, _) in terms {
            total += self.doc_freq(term, None)?;
        }
        if total < u64::from(self.rows()) / DENSE {
            let mut found = reserved(total as usize)?;
            for &(term, factor) in terms {
                self.each_posting(term, Some(stop), &mut |row, tf| found.push((row, tf as f32 * factor)))?;
            }
            // Stable: of one row, in the order of the terms.
            found.sort_by_key(|&(row, _)| row);
            found.dedup_by(|next, sum| {
                let same = next.0 == sum.0;
                if same {
                    sum.1 += next.1;
                }
                same
            });
            found.retain(|&(row, _)| live.is_none_or(|live| live.contains(row)));
            return Ok(found);
        }
        let mut sums: Vec<f32> = reserved(self.rows() as usize)?;
        sums.resize(self.rows() as usize, 0.0);
        for &(term, factor) in terms {
            self.each_posting(term, Some(stop), &mut |row, tf| sums[row as usize] += tf as f32 * factor)?;
        }
        let held = |&(row, sum): &(u32, f32)| sum > 0.0 && live.is_none_or(|live| live.contains(row));
        Ok((0u32..).zip(sums).filter(held).collect())
    }

    /// Adds the BM25 contributions of a computed word: what [`score`](Self::score) does for a stored one.
    pub fn score_list(
        &self,
        (list, weight): (&[(u32, f32)], f32),
        scoring: Scoring<'_>,
        acc: &mut Accumulators,
        counters: &mut Counters,
    ) -> Result<(), IndexError> {
        let Scoring { average_length, params, allowed, stop } = scoring;
        acc.check_begun(self.rows())?;
        let norms = acc.norms.get(params, average_length);
        let weight = weight * (params.k1 + 1.0);
        for (at, &(row, frequency)) in list.iter().enumerate() {
            if at % LOOK == 0 && stop.is_some_and(|stop| stop()) {
                return Err(IndexError::Cancelled);
            }
            if row >= self.rows() || allowed.is_some_and(|allowed| !allowed.contains(row)) {
                continue;
            }
            let Some(length) = self.length(row)? else { continue };
            acc.add_one(row, weight * (frequency / (frequency + norms.get(length))));
            counters.postings_scored += 1;
        }
        Ok(())
    }
}
