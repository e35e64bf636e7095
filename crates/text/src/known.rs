//! Words met before, and what a pipeline made of them.
//!
//! Words repeat: most of a text are among some thousand. So each thread keeps, for words of up to 24 ASCII characters, the term
//! that came out of a pipeline, in a small direct-mapped table (160 KiB, made at the first text). It cannot change a result: an
//! entry is used only for the same pipeline and the same word. Upper case is lowered before, so that a word at the beginning of
//! a sentence is one met before: only pipelines that begin with folding come here.
//!
//! A term is told as the bytes kept of the word and the ending put in place of the rest, which is mostly empty.

/// Longer words are not remembered.
const WORD_BYTES: usize = 24;
/// Longer endings are not remembered.
const ENDING_BYTES: usize = 6;
/// Entries of the table: a power of two.
const ENTRIES: usize = 4096;
/// What is kept of a word that is dropped.
const DROPPED: u8 = u8::MAX;

/// A short word in lower case, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short([u64; WORD_BYTES / 8]);

impl Short {
    /// The word at `start..end` of a text; `None` where it is too long or not ASCII.
    #[inline]
    pub(crate) fn of(text: &[u8], start: usize, end: usize, upper: bool) -> Option<Short> {
        let length = end.checked_sub(start).filter(|length| *length <= WORD_BYTES)?;
        let mut words = match text.get(start..start + WORD_BYTES) {
            Some(bytes) => load(bytes),
            None => {
                let mut padded = [0; WORD_BYTES];
                padded[..length].copy_from_slice(text.get(start..end)?);
                load(&padded)
            }
        };
        for (at, word) in words.iter_mut().enumerate() {
            let bits = 8 * length.saturating_sub(8 * at).min(8) as u32;
            *word &= 1u64.checked_shl(bits).map_or(u64::MAX, |above| above - 1);
        }
        if (words[0] | words[1] | words[2]) & TOP != 0 {
            return None;
        }
        Some(Short(if upper { words.map(lower) } else { words }))
    }

    fn bytes(self) -> [u8; WORD_BYTES] {
        let mut bytes = [0; WORD_BYTES];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

#[inline]
fn load(bytes: &[u8]) -> [u64; WORD_BYTES / 8] {
    let chunks = bytes.as_chunks::<8>().0;
    std::array::from_fn(|at| chunks.get(at).map_or(0, |chunk| u64::from_le_bytes(*chunk)))
}

/// The highest bit of every byte.
const TOP: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = TOP >> 7;

/// Eight ASCII characters in lower case: a byte of 0 to 127 plus 128 - x has its highest bit set from x on.
#[inline]
fn lower(word: u64) -> u64 {
    let from = |first: u8| word + ONES * u64::from(128 - first);
    let upper = (from(b'A') & !from(b'Z' + 1)) & TOP;
    word | upper >> 2
}

/// What is known of a word.
pub(crate) enum Known<'a> {
    /// The pipeline drops it.
    Dropped,
    /// The bytes that are kept of it.
    Kept(usize),
    /// The term.
    Term(&'a str),
}

/// The words met last.
#[derive(Default)]
pub(crate) struct Words {
    entries: Vec<Entry>,
    /// The term of the last word whose end was replaced or whose case was lowered.
    term: [u8; WORD_BYTES + ENDING_BYTES],
}

#[derive(Clone, Copy)]
struct Entry {
    word: Short,
    /// What tells pipelines apart.
    pipeline: usize,
    kept: u8,
    ending_len: u8,
    ending: [u8; ENDING_BYTES],
}

const EMPTY: Entry =
    Entry { word: Short([0; 3]), pipeline: 0, kept: 0, ending_len: 0, ending: [0; ENDING_BYTES] };

impl Words {
    #[inline]
    pub(crate) fn get(&mut self, pipeline: usize, word: Short, upper: bool) -> Option<Known<'_>> {
        let entry = self.entries.get(slot(word))?;
        if entry.word != word || entry.pipeline != pipeline {
            return None;
        }
        if entry.kept == DROPPED {
            return Some(Known::Dropped);
        }
        let (kept, ending) = (usize::from(entry.kept), usize::from(entry.ending_len));
        if ending == 0 && !upper {
            return Some(Known::Kept(kept));
        }
        self.term[..WORD_BYTES].copy_from_slice(&word.bytes());
        self.term.get_mut(kept..kept + ENDING_BYTES)?.copy_from_slice(&entry.ending);
        std::str::from_utf8(self.term.get(..kept + ending)?).ok().map(Known::Term)
    }

    /// Remembers what came out of a pipeline; `None`: the word was dropped.
    pub(crate) fn put(&mut self, pipeline: usize, word: Short, term: Option<&str>) {
        if self.entries.is_empty() {
            self.entries = vec![EMPTY; ENTRIES];
        }
        let mut entry = Entry { word, pipeline, kept: DROPPED, ..EMPTY };
        if let Some(term) = term {
            let bytes = word.bytes();
            let kept = bytes.iter().zip(term.as_bytes()).take_while(|(a, b)| a == b).count();
            let ending = &term.as_bytes()[kept..];
            if ending.len() > ENDING_BYTES || kept > WORD_BYTES {
                return;
            }
            entry.ending[..ending.len()].copy_from_slice(ending);
            (entry.kept, entry.ending_len) = (kept as u8, ending.len() as u8);
        }
        if let Some(slot) = self.entries.get_mut(slot(word)) {
            *slot = entry;
        }
    }
}

/// Where a word is remembered: a multiplicative hash of it.
#[inline]
fn slot(Short([a, b, c]): Short) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(ODD);
    (mixed >> 40) as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_short_word_is_the_word_in_lower_case(text in "[ -~\u{e9}]{0,60}", from in 0usize..60, length in 0usize..30) {
            let bytes = text.as_bytes();
            let (start, end) = (from.min(bytes.len()), (from + length).min(bytes.len()));
            let word = &bytes[start..end];
            for upper in [false, true] {
                let short = Short::of(bytes, start, end, upper);
                prop_assert_eq!(short.is_some(), word.len() <= WORD_BYTES && word.is_ascii());
                if let Some(short) = short {
                    let expected = if upper { word.to_ascii_lowercase() } else { word.to_vec() };
                    prop_assert_eq!(&short.bytes()[..word.len()], &expected[..]);
                    prop_assert!(short.bytes()[word.len()..].iter().all(|byte| *byte == 0));
                }
            }
        }

        #[test]
        fn what_was_put_comes_back(word in "[a-z]{1,24}", term in "[a-z]{0,24}", upper in any::<bool>()) {
            let short = Short::of(word.as_bytes(), 0, word.len(), false).unwrap();
            let mut words = Words::default();
            prop_assert!(words.get(7, short, upper).is_none());
            words.put(7, short, Some(&term));
            prop_assert!(words.get(8, short, upper).is_none());
            match words.get(7, short, upper) {
                Some(Known::Kept(kept)) => prop_assert_eq!(&word[..kept], &term),
                Some(Known::Term(found)) => prop_assert_eq!(found, &term),
                Some(Known::Dropped) => prop_assert!(false),
                None => prop_assert!(term.len() > ENDING_BYTES),
            }
            words.put(7, short, None);
            prop_assert!(matches!(words.get(7, short, upper), Some(Known::Dropped)));
        }
    }
}
