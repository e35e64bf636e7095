//! Phrases, and words that stand for all with a beginning or near another: their rows and frequencies in every segment.

use std::collections::HashSet;

use tercet_index::{Bitmap, Frequencies, IndexError, InvertedReader, TermId};

use super::Source;
use crate::collection::Snapshot;
use crate::wire::{Code, TercetError};

/// The most words of a phrase, and of a fuzzy query.
pub(super) const PHRASE_WORDS_MAX: i64 = 64;
/// The largest slop.
pub(super) const SLOP_MAX: i64 = 10_000;
/// The most edits.
pub(super) const EDITS_MAX: i64 = tercet_index::DISTANCE_MAX as i64;

/// The live rows of every segment that hold a phrase.
pub(super) fn phrase(
    snapshot: &Snapshot,
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
        reader.phrase(&terms, slop, live)
    };
    let parts = snapshot.parts.iter();
    parts
        .map(|part| match part.segment.text(field) {
            Some(reader) => of_part(reader, part.live.as_deref()).map_err(|e| part.segment.error(e)),
            None => Ok(Frequencies::new()),
        })
        .collect()
}

/// What a word that is `edits` away counts.
pub(in crate::search) fn factor(edits: u8) -> f32 {
    1.0 / (1.0 + f32::from(edits))
}

/// The words of a segment that a computed one stands for, each with its edits, ascending. `each` ends the walk by false.
pub(in crate::search) fn each_word(
    reader: &InvertedReader,
    of: &Source,
    each: &mut dyn FnMut(TermId, &str, u8) -> bool,
) -> Result<(), IndexError> {
    match of {
        Source::Phrase { .. } => Ok(()),
        Source::Near(near) => reader.terms_near(near, each),
        Source::Prefix(prefix) => {
            for term in reader.terms_with_prefix(prefix)?.map(TermId) {
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

/// The live rows of every segment that hold a word which `of` stands for; ERR_LIMIT when there are more than `most` such
/// words in live documents.
pub(super) fn expanded(
    snapshot: &Snapshot,
    field: usize,
    of: &Source,
    about: &str,
    most: usize,
) -> Result<Vec<Frequencies>, TercetError> {
    let mut words: HashSet<String> = HashSet::new();
    let mut lists = Vec::with_capacity(snapshot.parts.len());
    for part in &snapshot.parts {
        let Some(reader) = part.segment.text(field) else {
            lists.push(Frequencies::new());
            continue;
        };
        let error = |e| part.segment.error(e);
        let live = part.live.as_deref();
        let (mut terms, mut failed) = (Vec::new(), None);
        let several = snapshot.parts.len() > 1;
        each_word(reader, of, &mut |term, text, edits| {
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
        if terms.len().max(words.len()) > most {
            return Err(too_many(of, about, most));
        }
        lists.push(reader.frequencies(&terms, live).map_err(error)?);
    }
    Ok(lists)
}

fn too_many(of: &Source, about: &str, most: usize) -> TercetError {
    let (what, remedy) = match of {
        Source::Near(_) => ("are near", "set prefixLength or a smaller distance"),
        _ => ("begin with", "write more of the word"),
    };
    let message =
        format!("more than {most} words {what} `{about}`: {remedy}, or raise maxExpansions (at most 65,536)");
    TercetError::new(Code::Limit, message).field("maxExpansions").expected(format!("at most {most}"), "more")
}
