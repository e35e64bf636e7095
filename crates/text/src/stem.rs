//! Snowball stemming, fenced in and remembered.
//!
//! Fenced in: only words written in the alphabet of the language reach the stemmer. The algorithms move by bytes and
//! by characters over letters they were written for; what they do with other scripts is undefined and may be a panic
//! or a loop without end. Words with foreign characters stay as they are.
//!
//! Remembered: a stem costs some 300 ns and words repeat, so each thread keeps the stems it met last in a small
//! direct-mapped table (188 KiB, made at the first stem). It cannot change a result: an entry is used only for the
//! same algorithm and the same word, byte for byte.

use std::cell::RefCell;

use rust_stemmers::{Algorithm, Stemmer};

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { entries: Vec::new() }) };
}

/// Appends the stem of `term` to `out`.
pub(crate) fn stem(algorithm: Algorithm, term: &str, out: &mut String) {
    if !in_alphabet(algorithm, term) {
        out.push_str(term);
    } else if term.len() > WORD_BYTES {
        stem_afresh(algorithm, term, out);
    } else {
        CACHE.with_borrow_mut(|cache| cache.stem(algorithm, term, out));
    }
}

fn stem_afresh(algorithm: Algorithm, term: &str, out: &mut String) {
    let stemmer = Stemmer::create(algorithm);
    if algorithm == Algorithm::Russian && term.contains('ё') {
        // The Russian algorithm is defined over 32 letters and asks for this replacement.
        out.push_str(&stemmer.stem(&term.replace('ё', "е")));
    } else {
        out.push_str(&stemmer.stem(term));
    }
}

/// Whether all characters are ones that the stemmer knows.
fn in_alphabet(algorithm: Algorithm, term: &str) -> bool {
    match algorithm {
        Algorithm::English => term.bytes().all(|b| b.is_ascii_lowercase() || b == b'\''),
        Algorithm::Russian => term.chars().all(|c| matches!(c, 'а'..='я' | 'ё')),
        Algorithm::Greek => term.chars().all(|c| matches!(c, '\u{386}'..='\u{3ce}')),
        Algorithm::Arabic => term.chars().all(|c| matches!(c, '\u{621}'..='\u{652}' | '\u{670}'..='\u{6d3}')),
        Algorithm::Tamil => term.chars().all(|c| matches!(c, '\u{b80}'..='\u{bff}')),
        _ => term.chars().all(|c| c.is_ascii_lowercase() || c == '\'' || matches!(c, 'ß'..='ÿ' | 'ā'..='ɏ')),
    }
}

/// Longer words are not remembered.
const WORD_BYTES: usize = 22;
/// Entries of a cache: a power of two.
const ENTRIES: usize = 4096;

/// The stems met last.
struct Cache {
    entries: Vec<Entry>,
}

/// A word and its stem; `word_len` 0 means empty.
#[derive(Clone, Copy)]
struct Entry {
    algorithm: u8,
    word_len: u8,
    stem_len: u8,
    word: [u8; WORD_BYTES],
    stem: [u8; WORD_BYTES],
}

const EMPTY: Entry =
    Entry { algorithm: 0, word_len: 0, stem_len: 0, word: [0; WORD_BYTES], stem: [0; WORD_BYTES] };

impl Cache {
    /// `term` is at most [`WORD_BYTES`] long.
    fn stem(&mut self, algorithm: Algorithm, term: &str, out: &mut String) {
        if self.entries.is_empty() {
            self.entries = vec![EMPTY; ENTRIES];
        }
        let bytes = term.as_bytes();
        let entry = &mut self.entries[slot(algorithm, bytes)];
        let known = entry.algorithm == algorithm as u8
            && usize::from(entry.word_len) == bytes.len()
            && entry.word[..bytes.len()] == *bytes;
        if known && let Ok(stem) = std::str::from_utf8(&entry.stem[..usize::from(entry.stem_len)]) {
            return out.push_str(stem);
        }
        let start = out.len();
        stem_afresh(algorithm, term, out);
        let stem = &out.as_bytes()[start..];
        if stem.len() <= WORD_BYTES {
            entry.algorithm = algorithm as u8;
            entry.word_len = bytes.len() as u8;
            entry.word[..bytes.len()].copy_from_slice(bytes);
            entry.stem_len = stem.len() as u8;
            entry.stem[..stem.len()].copy_from_slice(stem);
        }
    }
}

/// Where a word is remembered: a multiplicative hash of it.
fn slot(algorithm: Algorithm, word: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = algorithm as u64 ^ ((word.len() as u64) << 8);
    for chunk in word.chunks(8) {
        let mut block = [0; 8];
        block[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(block)).wrapping_mul(ODD);
    }
    (hash >> 40) as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_stems_are_fresh_stems() {
        let algorithms = [Algorithm::English, Algorithm::German, Algorithm::Turkish, Algorithm::French];
        let ends = ["", "s", "ing", "ed", "ation", "ler", "en", "ement", "lıkları"];
        for round in 0..3 {
            for i in 0..5000_u32 {
                let base: String =
                    (0..3 + i % 7).map(|j| char::from(b'a' + ((i * 7 + j * j * 5 + j) % 26) as u8)).collect();
                let word = base + ends[i as usize % ends.len()];
                for algorithm in algorithms {
                    let (mut remembered, mut fresh) = (String::from("x"), String::from("x"));
                    stem(algorithm, &word, &mut remembered);
                    if in_alphabet(algorithm, &word) {
                        stem_afresh(algorithm, &word, &mut fresh);
                    } else {
                        fresh.push_str(&word);
                    }
                    assert_eq!(remembered, fresh, "{algorithm:?} {word} round {round}");
                }
            }
        }
    }
}
