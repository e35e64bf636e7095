//! Phrases, and words that stand for all with a beginning or near another: their rows and frequencies in every segment.

use std::cell::Cell;
use std::collections::HashSet;

use tercet_index::{Bitmap, Frequencies, IndexError, InvertedReader, TermId};

use super::Source;
use super::compile::Within;
use crate::wire::{Code, TercetError};

/// The most words of a phrase, and of a fuzzy query.
pub(super) const PHRASE_WORDS_MAX: i64 = 64;
/// The largest slop.
pub(super) const SLOP_MAX: i64 = 10_000;
/// The most edits.
pub(super) const EDITS_MAX: i64 = tercet_index::DISTANCE_MAX as i64;

/// The live rows of every segment that hold a phrase.
pub(super) fn phrase(
    within: &Within<'_>,
    field: usize,
    words: &[(String, u32)],
    slop: u32,
) -> Result<Vec<Frequencies>, TercetError> {
    let of_part = |reader: &InvertedReader, live: Option<&Bitmap>| {
        let mut terms = Vec::with_capacity(words.len());
        for (word, place) in words {
            match reader.term(word)? {
                Some(term) => terms.push((term, *place)),
                None => return Ok(Frequencies::new()),
            }
        }
        reader.phrase(&terms, slop, live, &|| within.control.is_cancelled())
    };
    let parts = within.snapshot.parts.iter();
    parts
        .map(|part| {
            within.control.step(0)?;
            match part.segment.text(field) {
                Some(reader) => {
                    let list = of_part(reader, part.live.as_deref()).map_err(|e| part.segment.error(e))?;
                    listed(within, list)
                }
                None => Ok(Frequencies::new()),
            }
        })
        .collect()
}

/// What a word that is `edits` away counts.
pub(in crate::search) fn factor(edits: u8) -> f32 {
    1.0 / (1.0 + f32::from(edits))
}

/// Words of a dictionary between two looks at whether to stop.
const STEPS: u32 = 256;

/// The words of a segment that a computed one stands for, each with its edits, ascending. `each` ends the walk by false,
/// `stop` by true: then it is an error.
pub(in crate::search) fn each_word(
    reader: &InvertedReader,
    of: &Source,
    stop: &dyn Fn() -> bool,
    each: &mut dyn FnMut(TermId, &str, u8) -> bool,
) -> Result<(), IndexError> {
    match of {
        Source::Phrase { .. } => Ok(()),
        Source::Near(near) => reader.terms_near(near, stop, each),
        Source::Prefix(prefix) => {
            for term in reader.terms_with_prefix(prefix)?.map(TermId) {
                if term.0.is_multiple_of(STEPS) && stop() {
                    return Err(IndexError::Cancelled);
                }
                let bytes = reader.term_bytes(term)?.unwrap_or_default();
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| IndexError::corrupt("terms", format!("term {} is no UTF-8", term.0)))?;
                if !each(term, text, 0) {
                    break;
                }
            }
            Ok(())
        }
    }
}

/// The most words that those of a whole query may stand for.
pub(super) const EXPANSIONS_MAX: usize = 65_536;

/// The most rows that the lists of a query's computed words may hold, in all clauses together (8 bytes each), unless twice the
/// documents are more.
const LISTED_MAX: u64 = 1 << 25;

/// Counts the rows of the lists that are kept until the query ends.
pub(super) struct Listed {
    most: u64,
    left: Cell<u64>,
}

impl Listed {
    /// For a collection of so many documents.
    pub(super) fn of(documents: u64) -> Self {
        let most = LISTED_MAX.max(documents.saturating_mul(2));
        Listed { most, left: Cell::new(most) }
    }

    /// Takes a list of so many rows; ERR_LIMIT where there is no room left for it.
    fn take(&self, rows: u64) -> Result<(), TercetError> {
        let most = self.most;
        let left = self.left.get().checked_sub(rows).ok_or_else(|| {
            let message = format!(
                "the phrases, beginnings and misspelled words of a query may be in {most} documents in all, and there are \
                 more: ask for fewer clauses or longer beginnings"
            );
            TercetError::new(Code::Limit, message).expected(format!("at most {most}"), "more")
        })?;
        self.left.set(left);
        Ok(())
    }
}

fn listed(within: &Within<'_>, list: Frequencies) -> Result<Frequencies, TercetError> {
    within.listed.take(list.len() as u64)?;
    Ok(list)
}

/// How many words a query may still stand for.
pub(super) struct Budget {
    /// What the query said, and what it did not use yet.
    pub(super) most: usize,
    pub(super) left: usize,
}

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Budget { most, left: most }
    }
}

/// The live rows of every segment that hold a word which `of` stands for; ERR_LIMIT when there are more such words in live
/// documents than the `budget` of the query, or of the queries around it, has left.
pub(super) fn expanded(
    within: &Within<'_>,
    field: usize,
    of: &Source,
    about: &str,
    budget: &mut Budget,
) -> Result<Vec<Frequencies>, TercetError> {
    let snapshot = within.snapshot;
    let stop = || within.control.is_cancelled();
    let most = budget.left.min(within.expansions.get());
    let mut words: HashSet<String> = HashSet::new();
    let mut lists = Vec::with_capacity(snapshot.parts.len());
    let mut used = 0;
    for part in &snapshot.parts {
        let Some(reader) = part.segment.text(field) else {
            lists.push(Frequencies::new());
            continue;
        };
        let error = |e| part.segment.error(e);
        let live = part.live.as_deref();
        let (mut terms, mut failed) = (Vec::new(), None);
        let several = snapshot.parts.len() > 1;
        each_word(reader, of, &stop, &mut |term, text, edits| {
            match live.map_or(Ok(1), |live| reader.doc_freq(term, Some(live))) {
                Ok(0) => return true,
                Ok(_) => terms.push((term, factor(edits))),
                Err(e) => failed = Some(e),
            }
            if several && !words.contains(text) {
                words.insert(text.to_owned());
            }
            failed.is_none() && terms.len().max(words.len()) <= most
        })
        .map_err(error)?;
        if let Some(e) = failed {
            return Err(error(e));
        }
        used = terms.len().max(words.len()).max(used);
        if used > most {
            return Err(too_many(of, about, budget));
        }
        lists.push(listed(within, reader.frequencies(&terms, live, &stop).map_err(error)?)?);
    }
    budget.left -= used;
    within.expansions.set(within.expansions.get() - used);
    Ok(lists)
}

fn too_many(of: &Source, about: &str, budget: &Budget) -> TercetError {
    let (what, remedy) = match of {
        Source::Near(_) => ("near", "set prefixLength or a smaller distance"),
        _ => ("beginning with", "write more of the word"),
    };
    let most = budget.most;
    let message = format!(
        "the words of a query stand for at most {most} (its maxExpansions), those of all its clauses for at most \
         {EXPANSIONS_MAX}, and there are more {what} `{about}`: {remedy}, or raise maxExpansions"
    );
    TercetError::new(Code::Limit, message).field("maxExpansions").expected(format!("at most {most}"), "more")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn lists_hold_so_many_rows_in_all() {
        for (documents, most) in [(0, 1 << 25), (1 << 24, 1 << 25), (1 << 25, 1 << 26), (u64::MAX, u64::MAX)]
        {
            let listed = Listed::of(documents);
            listed.take(most / 2).unwrap();
            listed.take(most / 2 - 1).unwrap();
            let left = most - most / 2 - (most / 2 - 1);
            let error = listed.take(left + 1).unwrap_err();
            assert_eq!((error.code(), error.0.expected), (Code::Limit, Some(format!("at most {most}"))));
            listed.take(left).expect("what was refused took nothing");
            assert_eq!(listed.take(1).unwrap_err().code(), Code::Limit);
            listed.take(0).unwrap();
        }
    }
}
