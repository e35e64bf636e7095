//! Snowball stemming, fenced in and remembered.
//!
//! Fenced in: only words written in the alphabet of the language reach the stemmer. The algorithms move by bytes and
//! by characters over letters they were written for; what they do with other scripts is undefined and may be a panic
//! or a loop without end. Words with foreign characters stay as they are.
//!
//! Remembered, but for English, all of whose words are remembered before they come here ([`crate::known`]): a stem costs some 300 ns and words repeat, so each thread keeps the stems it met last in a small
//! direct-mapped table (128 KiB, made at the first stem). It cannot change a result: an entry is used only for the
//! same algorithm and the same word, byte for byte.
//!
//! A stem is told as the bytes kept of the word and the ending put in place of the rest, which is mostly empty.

use std::cell::RefCell;

use rust_stemmers::{Algorithm, Stemmer};

use crate::porter;

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { entries: Vec::new() }) };
}

/// The stem of `term` is its first bytes, as many as returned, and `ending`, which is overwritten.
pub(crate) fn stem(algorithm: Algorithm, term: &str, ending: &mut String) -> usize {
    ending.clear();
    if !in_alphabet(algorithm, term) {
        term.len()
    } else if term.len() > WORD_BYTES || algorithm == Algorithm::English {
        stem_afresh(algorithm, term, ending)
    } else {
        CACHE.with_borrow_mut(|cache| cache.stem(algorithm, term, ending))
    }
}

fn stem_afresh(algorithm: Algorithm, term: &str, ending: &mut String) -> usize {
    if algorithm == Algorithm::English && term.len() <= porter::WORD_MAX {
        return porter::stem(term.as_bytes(), |stem| {
            let kept = term.bytes().zip(stem).take_while(|(a, b)| a == *b).count();
            // Its letters are ASCII, as the word's are.
            ending.extend(stem[kept..].iter().map(|letter| char::from(*letter)));
            kept
        });
    }
    let stemmer = Stemmer::create(algorithm);
    let plain;
    let stem = if algorithm == Algorithm::Russian && term.contains('ё') {
        // The Russian algorithm is defined over 32 letters and asks for this replacement.
        plain = term.replace('ё', "е");
        stemmer.stem(&plain)
    } else {
        stemmer.stem(term)
    };
    let mut kept = term.bytes().zip(stem.bytes()).take_while(|(a, b)| a == b).count();
    while !term.is_char_boundary(kept) || !stem.is_char_boundary(kept) {
        kept -= 1;
    }
    ending.push_str(&stem[kept..]);
    kept
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
const WORD_BYTES: usize = 24;
/// Longer endings are not remembered.
const ENDING_BYTES: usize = 5;
/// Entries of a cache: a power of two.
const ENTRIES: usize = 4096;

/// A short word, padded with zeros (no alphabet has the character 0).
type Packed = [u64; WORD_BYTES / 8];

/// The stems met last.
struct Cache {
    entries: Vec<Entry>,
}

/// A word and its stem.
#[derive(Clone, Copy)]
struct Entry {
    word: Packed,
    algorithm: u8,
    kept: u8,
    ending_len: u8,
    ending: [u8; ENDING_BYTES],
}

const EMPTY: Entry = Entry { word: [0; 3], algorithm: 0, kept: 0, ending_len: 0, ending: [0; ENDING_BYTES] };

impl Cache {
    /// `term` is at most [`WORD_BYTES`] long.
    fn stem(&mut self, algorithm: Algorithm, term: &str, ending: &mut String) -> usize {
        if self.entries.is_empty() {
            self.entries = vec![EMPTY; ENTRIES];
        }
        let word = pack(term.as_bytes());
        let entry = &mut self.entries[slot(algorithm, word)];
        if entry.word == word && entry.algorithm == algorithm as u8 {
            if entry.ending_len == 0 {
                return usize::from(entry.kept);
            }
            if let Ok(known) = std::str::from_utf8(&entry.ending[..usize::from(entry.ending_len)]) {
                ending.push_str(known);
                return usize::from(entry.kept);
            }
        }
        let kept = stem_afresh(algorithm, term, ending);
        if ending.len() <= ENDING_BYTES {
            *entry = Entry { word, algorithm: algorithm as u8, kept: kept as u8, ..EMPTY };
            entry.ending_len = ending.len() as u8;
            entry.ending[..ending.len()].copy_from_slice(ending.as_bytes());
        }
        kept
    }
}

fn pack(word: &[u8]) -> Packed {
    let mut padded = [0; WORD_BYTES];
    padded[..word.len()].copy_from_slice(word);
    let mut packed = [0; WORD_BYTES / 8];
    for (block, bytes) in packed.iter_mut().zip(padded.as_chunks::<8>().0) {
        *block = u64::from_le_bytes(*bytes);
    }
    packed
}

/// Where a word is remembered: a multiplicative hash of it.
fn slot(algorithm: Algorithm, word: Packed) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, block: u64| (hash.rotate_left(23) ^ block).wrapping_mul(ODD);
    let hash = word.into_iter().fold(algorithm as u64, mix);
    (hash >> 40) as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words made of the pieces that the English rules look at, each against the other implementation.
    #[test]
    fn english_is_snowball_english() {
        let starts = [
            "", "'", "y", "gener", "arsen", "commun", "be", "str", "ay", "hop", "cont", "fluen", "sk", "ol",
            "x",
        ];
        let middles = [
            "", "a", "ea", "tt", "bl", "iz", "at", "ss", "y", "ly", "ur", "og", "ol", "ll", "ie", "ee", "ow",
            "ax",
        ];
        let ends = [
            "", "s", "'s", "'s'", "'", "ied", "ies", "sses", "us", "eed", "eedly", "ed", "edly", "ing",
            "ingly", "y", "ization", "ational", "fulness", "ousness", "iveness", "tional", "biliti",
            "lessli", "entli", "ation", "alism", "aliti", "ousli", "iviti", "fulli", "enci", "anci", "abli",
            "izer", "ator", "alli", "bli", "ogi", "li", "alize", "icate", "iciti", "ative", "ical", "ness",
            "ful", "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "ity", "ous",
            "ive", "ize", "ion", "al", "er", "ic", "e", "l", "le", "lle", "ie", "ely", "inning", "proceed",
            "news",
        ];
        let stemmer = Stemmer::create(Algorithm::English);
        for start in starts {
            for middle in middles {
                for inner in ends {
                    for end in ends {
                        let word = format!("{start}{middle}{inner}{end}");
                        porter::stem(word.as_bytes(), |stem| {
                            assert_eq!(std::str::from_utf8(stem), Ok(&*stemmer.stem(&word)), "{word}");
                        });
                    }
                }
            }
        }
        for word in [
            "skies", "dying", "lying", "tying", "idly", "gently", "ugly", "early", "only", "singly", "skis",
            "sky",
        ] {
            porter::stem(word.as_bytes(), |stem| {
                assert_eq!(std::str::from_utf8(stem), Ok(&*stemmer.stem(word)))
            });
        }
    }

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
                    let (mut ending, mut fresh) = (String::from("x"), word.clone());
                    let kept = stem(algorithm, &word, &mut ending);
                    if in_alphabet(algorithm, &word) {
                        fresh = Stemmer::create(algorithm).stem(&word).into_owned();
                    }
                    let remembered = format!("{}{ending}", &word[..kept]);
                    assert_eq!(remembered, fresh, "{algorithm:?} {word} round {round}");
                }
            }
        }
    }
}
