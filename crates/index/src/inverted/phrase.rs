//! Words beside one another.
//!
//! A match of a phrase takes one position for each of its words. Shifted by where the word stands in the phrase, the
//! positions of an exact match are all the same; the *width* of a match is the distance between the least and the greatest
//! of them, and `slop` is the greatest width that is taken. A word that stands twice in the phrase takes two positions of
//! the text, in their order.
//!
//! How often a row holds a phrase: at every least shifted position the tightest match counts, with 1 / (1 + width). Without
//! slop that is the number of occurrences.

use super::postings::{Block, Stop};
use super::{InvertedReader, TermId};
use crate::{Bitmap, IndexError};

/// The positions of one word of a phrase in one text.
#[derive(Clone, Copy, Debug)]
pub struct PhraseWord<'a> {
    /// Where the word stands in the phrase.
    pub offset: u32,
    /// The nearest word before it in the phrase that is the same, by its place in the list of words.
    pub same: Option<usize>,
    /// Where it stands in the text, ascending.
    pub positions: &'a [u32],
}

/// Calls back with the width and the positions (one a word) of the tightest match at every least shifted position. `words`
/// are in the order of the phrase. Cost: all positions, times the number of words.
pub fn phrase_matches(words: &[PhraseWord<'_>], slop: u32, each: &mut dyn FnMut(u32, &[u32])) {
    let shifted = |word: &PhraseWord<'_>, position: u32| i64::from(position) - i64::from(word.offset);
    // The least position not yet passed, and what the match at hand takes.
    let mut next = vec![0usize; words.len()];
    let mut found = vec![0u32; words.len()];
    // Begins anew behind the least shifted position of the last try.
    let mut from = i64::MIN;
    'tries: loop {
        for (word, next) in words.iter().zip(&mut next) {
            while word.positions.get(*next).is_some_and(|&position| shifted(word, position) < from) {
                *next += 1;
            }
        }
        let mut start = i64::MAX;
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for at in 0..words.len() {
            let word = &words[at];
            let Some(&earliest) = word.positions.get(next[at]) else { return };
            start = start.min(shifted(word, earliest));
            let after = word.same.map_or(0, |same| found[same].saturating_add(1));
            let taken = word.positions[next[at]..].iter().find(|&&position| position >= after);
            let Some(&taken) = taken else {
                // No later try has more positions left for it.
                return;
            };
            found[at] = taken;
            (least, most) = (least.min(shifted(word, taken)), most.max(shifted(word, taken)));
        }
        // From here on every match begins at `least` or later: a word that was pushed on by its twin leaves a gap.
        from = start + 1;
        if least > start {
            continue 'tries;
        }
        let width = most - least;
        if width <= i64::from(slop) {
            each(width as u32, &found);
        }
    }
}

/// How often a text holds a phrase.
pub fn phrase_frequency(words: &[PhraseWord<'_>], slop: u32) -> f32 {
    let mut frequency = 0.0;
    phrase_matches(words, slop, &mut |width, _| frequency += 1.0 / (1.0 + width as f32));
    frequency
}

/// The nearest same word before each.
pub fn twins<T: PartialEq>(words: &[T]) -> Vec<Option<usize>> {
    words.iter().enumerate().map(|(at, word)| words[..at].iter().rposition(|before| before == word)).collect()
}

/// Candidates between two looks at whether to stop.
const LOOK: usize = 256;

/// The positions of one term in the candidate rows, one row after the other.
#[derive(Default)]
struct Places {
    positions: Vec<u32>,
    /// Row, and where its positions end.
    rows: Vec<(u32, usize)>,
}

impl InvertedReader {
    /// The rows of `live` (`None`: all) that hold a phrase, ascending, each with how often. `words` are the terms with their
    /// places in the phrase, ascending. [`IndexError::Unsupported`] where positions are not kept, [`IndexError::Cancelled`] where
    /// `stop`, looked at every some thousand postings, says true.
    ///
    /// Cost: a pass over the postings of the terms, and over the positions of the rows that hold them all.
    pub fn phrase(
        &self,
        words: &[(TermId, u32)],
        slop: u32,
        live: Option<&Bitmap>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<(u32, f32)>, IndexError> {
        if !self.has_positions() {
            return Err(IndexError::Unsupported { what: "a phrase without positions" });
        }
        let mut terms: Vec<TermId> = words.iter().map(|word| word.0).collect();
        terms.sort_unstable();
        terms.dedup();
        let Some(candidates) = self.rows_with_all(&terms, live, stop)? else { return Ok(Vec::new()) };
        let places =
            terms.iter().map(|&term| self.places(term, &candidates, stop)).collect::<Result<Vec<_>, _>>()?;
        let same = twins(&words.iter().map(|word| word.0).collect::<Vec<_>>());
        let slots: Vec<usize> =
            words.iter().map(|word| terms.partition_point(|term| *term < word.0)).collect();
        let mut found = Vec::new();
        let mut starts = vec![0; terms.len()];
        let mut phrase = Vec::with_capacity(words.len());
        for (at, row) in candidates.iter().enumerate() {
            if at % LOOK == 0 && stop() {
                return Err(IndexError::Cancelled);
            }
            phrase.clear();
            for ((slot, &(_, offset)), &same) in slots.iter().zip(words).zip(&same) {
                let Some(&(_, end)) = places[*slot].rows.get(at).filter(|place| place.0 == row) else {
                    return Err(IndexError::corrupt("postings", format!("row {row} left a list")));
                };
                let positions = &places[*slot].positions[starts[*slot]..end];
                phrase.push(PhraseWord { offset, same, positions });
            }
            let frequency = phrase_frequency(&phrase, slop);
            if frequency > 0.0 {
                found.push((row, frequency));
            }
            for (start, places) in starts.iter_mut().zip(&places) {
                *start = places.rows[at].1;
            }
        }
        Ok(found)
    }

    /// The rows that hold every term; `None` when there are no terms.
    fn rows_with_all(
        &self,
        terms: &[TermId],
        live: Option<&Bitmap>,
        stop: Stop<'_>,
    ) -> Result<Option<Bitmap>, IndexError> {
        let mut rarest = Vec::with_capacity(terms.len());
        for &term in terms {
            rarest.push((self.doc_freq(term, None)?, term));
        }
        rarest.sort_unstable();
        let mut all: Option<Bitmap> = None;
        for (_, term) in rarest {
            let mut rows = Bitmap::new(self.rows());
            self.mark_rows_until(term, Some(stop), &mut rows)?;
            if let Some(before) = all.as_ref().or(live) {
                rows.and(before);
            }
            all = Some(rows);
        }
        Ok(all)
    }

    fn places(&self, term: TermId, rows: &Bitmap, stop: Stop<'_>) -> Result<Places, IndexError> {
        let mut places = Places::default();
        let Some(mut positions) = self.positions_cursor(term)? else { return Ok(places) };
        let (mut cursor, mut block) = (self.cursor(term)?.stopping(Some(stop)), Block::new());
        while cursor.next(&mut block) {
            for (row, tf) in block.iter() {
                let read = if rows.contains(row) {
                    let read = positions.next(tf, &mut places.positions);
                    places.rows.push((row, places.positions.len()));
                    read
                } else {
                    positions.skip(tf)
                };
                if read.is_none() {
                    return Err(IndexError::corrupt("positions", format!("term {} has too few", term.0)));
                }
            }
        }
        self.check_end(&cursor, term)?;
        Ok(places)
    }
}
