//! All words within an edit distance of a word, out of a sorted dictionary.
//!
//! The automaton of Levenshtein distance (Schulz and Mihov 2002) is run as rows of the dynamic programme: a state is the
//! row of distances between what was read and every beginning of the word, and a state is dead when no element of its row
//! is within the distance. Words come in ascending order and share beginnings with their neighbours, so the rows of a
//! shared beginning are kept on a stack. Where a character kills a state, so does every other that is not in the word: a
//! search passes over all words up to the next character of the word that does not, or out of the beginning.
//!
//! Distance counts inserted, removed and replaced characters (Unicode scalar values) and, with `transpositions`, two
//! neighbours that changed places as one, where no character is edited twice (optimal string alignment).

use super::dictionary::TermDictionary;
use super::{InvertedReader, TermId};
use crate::IndexError;

/// The largest distance.
pub const DISTANCE_MAX: u8 = 2;

/// Words that are near a word.
#[derive(Clone, Debug)]
pub struct Levenshtein {
    word: Vec<char>,
    /// Those of the word, ascending, each once.
    letters: Vec<char>,
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
        let word: Vec<char> = word.chars().collect();
        let mut letters = word.clone();
        letters.sort_unstable();
        letters.dedup();
        Levenshtein { word, letters, distance, prefix, transpositions }
    }

    fn width(&self) -> usize {
        self.word.len() + 1
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
    cells: Vec<u8>,
    read: Vec<char>,
}

impl Rows {
    fn new(of: &Levenshtein) -> Rows {
        let cells = (0..of.width()).map(|at| at.min(usize::from(DISTANCE_MAX) + 1) as u8).collect();
        Rows { cells, read: Vec::new() }
    }

    /// Forgets all but the first `depth` characters.
    fn truncate(&mut self, of: &Levenshtein, depth: usize) {
        self.read.truncate(depth);
        self.cells.truncate((self.read.len() + 1) * of.width());
    }

    /// Reads a character; false when nothing that begins like this is within the distance.
    fn push(&mut self, of: &Levenshtein, read: char) -> bool {
        const FAR: u8 = DISTANCE_MAX + 1;
        let width = of.width();
        let depth = self.read.len() + 1;
        let (above, before) = (self.cells.len() - width, self.cells.len().checked_sub(2 * width));
        let mut left = depth.min(usize::from(FAR)) as u8;
        let mut least = left;
        self.cells.push(left);
        for (at, &wanted) in of.word.iter().enumerate() {
            let replaced = self.cells[above + at] + u8::from(wanted != read);
            let mut best = replaced.min(self.cells[above + at + 1] + 1).min(left + 1);
            if let (true, Some(before), Some(&last)) = (of.transpositions, before, self.read.last())
                && at > 0
                && of.word[at - 1] == read
                && wanted == last
            {
                best = best.min(self.cells[before + at - 1] + 1);
            }
            left = best.min(FAR);
            least = least.min(left);
            self.cells.push(left);
        }
        self.read.push(read);
        least <= of.distance
    }

    /// The least character above `read` that may follow what was read.
    fn next(&mut self, of: &Levenshtein, read: char) -> Option<char> {
        let depth = self.read.len();
        of.letters.iter().copied().filter(|letter| *letter > read).find(|letter| {
            let alive = self.push(of, *letter);
            self.truncate(of, depth);
            alive
        })
    }

    /// The distance of what was read, if it is within the greatest.
    fn distance(&self, of: &Levenshtein) -> Option<u8> {
        self.cells.last().copied().filter(|&distance| distance <= of.distance)
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

    /// Calls back with the terms near a word, ascending. Cost: what of the dictionary begins nearly like the word.
    pub fn terms_near(&self, near: &Levenshtein, each: &mut EachNear<'_>) -> Result<(), IndexError> {
        walk(&self.dictionary, self.terms_with_prefix(&near.prefix)?, near, each)
    }
}

fn walk(
    dictionary: &TermDictionary,
    range: std::ops::Range<u32>,
    near: &Levenshtein,
    each: &mut EachNear<'_>,
) -> Result<(), IndexError> {
    let mut rows = Rows::new(near);
    let (mut at, mut before, mut bound) = (range.start, "", String::new());
    'terms: while at < range.end {
        let bytes = dictionary.get(TermId(at))?.unwrap_or_default();
        let term = std::str::from_utf8(bytes)
            .map_err(|_| IndexError::corrupt("terms", format!("term {at} is no UTF-8")))?;
        let shared = term.chars().zip(before.chars()).take_while(|(a, b)| a == b).count();
        rows.truncate(near, shared);
        before = term;
        let known = rows.read.len();
        for (from, read) in term.char_indices().skip(known) {
            if !rows.push(near, read) {
                rows.truncate(near, rows.read.len() - 1);
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
