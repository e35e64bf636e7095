//! All words within an edit distance of a word, out of a sorted dictionary.
//!
//! The automaton of Levenshtein distance (Schulz and Mihov 2002) is run as rows of the dynamic programme: a state is the
//! row of distances between what was read and every beginning of the word, and a state is dead when no element of its row
//! is within the distance. Words come in ascending order and share beginnings with their neighbours, so the rows of a
//! shared beginning are kept on a stack. Where a character kills a state, so does every other that is not in the word: a
//! search passes over all words up to the next character of the word that does not, or out of the beginning.
//!
//! Of a row only the cells within the largest distance of the diagonal are kept: the others are farther. So a character costs
//! the same whatever the length of the word (Ukkonen 1985).
//!
//! Distance counts inserted, removed and replaced characters (Unicode scalar values) and, with `transpositions`, two
//! neighbours that changed places as one, where no character is edited twice (optimal string alignment).

use super::dictionary::TermDictionary;
use super::{InvertedReader, TermId};
use crate::IndexError;

/// The largest distance.
pub const DISTANCE_MAX: u8 = 2;
/// Farther than any distance that is asked for.
const FAR: u8 = DISTANCE_MAX + 1;
/// Cells of a row: cell `c` of the row of `r` characters read is the distance from the first `r + c - DISTANCE_MAX`
/// characters of the word.
const BAND: usize = 2 * DISTANCE_MAX as usize + 1;
/// Steps of a walk between two looks at whether to stop.
const STEPS: u32 = 256;

/// Words that are near a word.
#[derive(Clone, Debug)]
pub struct Levenshtein {
    word: Vec<char>,
    distance: u8,
    prefix: String,
    transpositions: bool,
}

impl Levenshtein {
    /// Words at most `distance` (up to [`DISTANCE_MAX`]; more counts as that) from `word` whose first `prefix` characters
    /// are the word's own.
    pub fn new(word: &str, distance: u8, prefix: usize, transpositions: bool) -> Self {
        let distance = distance.min(DISTANCE_MAX);
        let prefix = word.chars().take(prefix).collect();
        Levenshtein { word: word.chars().collect(), distance, prefix, transpositions }
    }

    /// The distance of a word, if it is within the greatest; for a single word, as when a text is marked.
    pub fn distance(&self, word: &str) -> Option<u8> {
        if !word.starts_with(&self.prefix) {
            return None;
        }
        let mut rows = Rows::new(self);
        let alive = word.chars().all(|read| rows.push(self, read));
        alive.then(|| rows.distance(self)).flatten()
    }
}

/// The rows of what was read, one after the other, and the characters that led to them.
struct Rows {
    cells: Vec<[u8; BAND]>,
    read: Vec<char>,
}

impl Rows {
    fn new(of: &Levenshtein) -> Rows {
        let cell = |at: usize| match at.checked_sub(DISTANCE_MAX.into()) {
            Some(taken) if taken <= of.word.len() => taken as u8,
            _ => FAR,
        };
        Rows { cells: vec![std::array::from_fn(cell)], read: Vec::new() }
    }

    /// Forgets all but the first `depth` characters.
    fn truncate(&mut self, depth: usize) {
        self.read.truncate(depth);
        self.cells.truncate(self.read.len() + 1);
    }

    /// Reads a character; false when nothing that begins like this is within the distance.
    fn push(&mut self, of: &Levenshtein, read: char) -> bool {
        let row = self.row(of, read);
        self.cells.push(row);
        self.read.push(read);
        row.into_iter().min().is_some_and(|least| least <= of.distance)
    }

    /// The row of what was read and one more character.
    fn row(&self, of: &Levenshtein, read: char) -> [u8; BAND] {
        let depth = self.read.len() + 1;
        let above = self.cells[depth - 1];
        let before = depth.checked_sub(2).map(|at| (self.cells[at], self.read[at]));
        let mut row = [FAR; BAND];
        for at in 0..BAND {
            // How much of the word.
            let taken = match (depth + at).checked_sub(DISTANCE_MAX.into()) {
                Some(0) => {
                    row[at] = depth.min(FAR.into()) as u8;
                    continue;
                }
                Some(taken) if taken <= of.word.len() => taken,
                _ => continue,
            };
            let mut best = above[at] + u8::from(of.word[taken - 1] != read);
            if let Some(removed) = above.get(at + 1) {
                best = best.min(removed + 1);
            }
            if at > 0 {
                best = best.min(row[at - 1] + 1);
            }
            if let (true, Some((before, last))) = (of.transpositions, before)
                && taken > 1
                && of.word[taken - 2] == read
                && of.word[taken - 1] == last
            {
                best = best.min(before[at] + 1);
            }
            row[at] = best.min(FAR);
        }
        row
    }

    /// The least character above `read` that may follow what was read, given that `read` may not: only one of the word near
    /// the diagonal may.
    fn next(&self, of: &Levenshtein, read: char) -> Option<char> {
        let depth = self.read.len();
        let from = depth.saturating_sub(BAND).min(of.word.len());
        let to = (depth + BAND).min(of.word.len());
        let above = of.word[from..to].iter().copied().filter(|letter| *letter > read);
        above.filter(|letter| self.row(of, *letter).into_iter().any(|cell| cell <= of.distance)).min()
    }

    /// The distance of what was read, if it is within the greatest.
    fn distance(&self, of: &Levenshtein) -> Option<u8> {
        let at = (of.word.len() + usize::from(DISTANCE_MAX)).checked_sub(self.read.len())?;
        self.cells.last()?.get(at).copied().filter(|&distance| distance <= of.distance)
    }
}

/// Takes a term, its bytes and its distance; false ends the walk.
pub type EachNear<'a> = dyn FnMut(TermId, &str, u8) -> bool + 'a;

impl InvertedReader {
    /// The terms that begin with `prefix`, as a range of their numbers. Cost: O(log terms).
    pub fn terms_with_prefix(&self, prefix: &str) -> Result<std::ops::Range<u32>, IndexError> {
        let start = self.dictionary.above(0, prefix.as_bytes(), false)?;
        let end = self.dictionary.above(start, prefix.as_bytes(), true)?;
        Ok(start..end)
    }

    /// Calls back with the terms near a word, ascending. Where `stop`, looked at now and then, says true, that is
    /// [`IndexError::Cancelled`]. Cost: what of the dictionary begins nearly like the word.
    pub fn terms_near(
        &self,
        near: &Levenshtein,
        stop: &dyn Fn() -> bool,
        each: &mut EachNear<'_>,
    ) -> Result<(), IndexError> {
        walk(&self.dictionary, self.terms_with_prefix(&near.prefix)?, near, stop, each)
    }
}

fn walk(
    dictionary: &TermDictionary,
    range: std::ops::Range<u32>,
    near: &Levenshtein,
    stop: &dyn Fn() -> bool,
    each: &mut EachNear<'_>,
) -> Result<(), IndexError> {
    let mut rows = Rows::new(near);
    let (mut at, mut before, mut bound) = (range.start, "", String::new());
    let mut steps = 0u32;
    'terms: while at < range.end {
        if steps.is_multiple_of(STEPS) && stop() {
            return Err(IndexError::Cancelled);
        }
        steps = steps.wrapping_add(1);
        let bytes = dictionary.get(TermId(at))?.unwrap_or_default();
        let term = std::str::from_utf8(bytes)
            .map_err(|_| IndexError::corrupt("terms", format!("term {at} is no UTF-8")))?;
        let shared = term.chars().zip(before.chars()).take_while(|(a, b)| a == b).count();
        rows.truncate(shared);
        before = term;
        let known = rows.read.len();
        for (from, read) in term.char_indices().skip(known) {
            if !rows.push(near, read) {
                rows.truncate(rows.read.len() - 1);
                at = match rows.next(near, read) {
                    Some(next) => {
                        bound.clear();
                        bound.push_str(&term[..from]);
                        bound.push(next);
                        dictionary.above(at + 1, bound.as_bytes(), false)?
                    }
                    None => dictionary.above(at + 1, &bytes[..from], true)?,
                };
                continue 'terms;
            }
        }
        if let Some(distance) = rows.distance(near)
            && !each(TermId(at), term, distance)
        {
            return Ok(());
        }
        at += 1;
    }
    Ok(())
}
