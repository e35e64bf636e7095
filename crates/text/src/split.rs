//! Splitting a text into source words: the word boundaries of UAX #29, CJK runs as overlapping bigrams.
//!
//! Most text is ASCII, so a byte scanner with a class table finds ASCII words by itself. A word that touches a
//! non-ASCII byte belongs to a stretch of text that goes to the general path (unicode-segmentation) as a whole; the
//! stretch ends at an ASCII character that no word rule ever joins. Both paths give the same words (property test).
//!
//! Source: Unicode Standard Annex #29, rules WB3 to WB999. Deviations: characters that are indexed as bigrams are cut
//! out before the rules are applied, so a Katakana run is never one word; a word does not take in the punctuation or
//! space that its first character, a vowel sign, is written upon; and the narrow no-break space, which the rules make
//! a letter for Mongolian, separates words unless it groups digits, as in French.

use unicode_segmentation::UnicodeSegmentation;

use crate::cjk::{Bigrams, emit_bigrams, is_mark};

/// How a text is cut into source words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splitter {
    /// UAX #29 words, these scripts as bigrams.
    Words(Bigrams),
    /// Maximal stretches without white space.
    Whitespace,
}

/// What is known of the characters of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing for folding to do: ASCII without upper-case letters, or plain CJK.
    Folded,
    /// ASCII with upper-case letters.
    Ascii,
    /// Anything.
    Any,
}

/// A source word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'t> {
    pub(crate) text: &'t str,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) shape: Shape,
}

/// Hands every source word of `text` to `emit`, in order.
pub(crate) fn split<'t>(splitter: Splitter, text: &'t str, emit: &mut impl FnMut(Piece<'t>)) {
    match splitter {
        Splitter::Words(bigrams) => split_words(bigrams, text, emit),
        Splitter::Whitespace => split_whitespace(text, emit),
    }
}

fn split_whitespace<'t>(text: &'t str, emit: &mut impl FnMut(Piece<'t>)) {
    for word in text.split_whitespace() {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        emit(Piece { text: word, start, end: start + word.len(), shape: Shape::Any });
    }
}

// Classes of bytes; a word is made of the first three.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const UNDERSCORE: u8 = 4;
const UPPER: u8 = 8; // beside LETTER
const MID_LETTER: u8 = 16; // joins letters
const MID_DIGIT: u8 = 32; // joins digits
const NON_ASCII: u8 = 64;
const WORD: u8 = LETTER | DIGIT | UNDERSCORE;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' => LETTER,
            b'A'..=b'Z' => LETTER | UPPER,
            b'0'..=b'9' => DIGIT,
            b'_' => UNDERSCORE,
            b':' => MID_LETTER,
            b',' | b';' => MID_DIGIT,
            b'.' | b'\'' => MID_LETTER | MID_DIGIT,
            0x80..=0xff => NON_ASCII,
            _ => 0,
        };
        byte += 1;
    }
    table
}

fn split_words<'t>(bigrams: Bigrams, text: &'t str, emit: &mut impl FnMut(Piece<'t>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let class = CLASS[bytes[at] as usize];
        if class & (WORD | NON_ASCII) == 0 {
            at += 1;
            continue;
        }
        match ascii_word(bytes, at) {
            Some((end, seen)) => {
                if seen & (LETTER | DIGIT) != 0 {
                    let shape = if seen & UPPER == 0 { Shape::Folded } else { Shape::Ascii };
                    emit(Piece { text: &text[at..end], start: at, end, shape });
                }
                at = end;
            }
            None => {
                let end = general_end(bytes, at);
                split_general(bigrams, text, at, end, emit);
                at = end;
            }
        }
    }
}

/// End of the word at `at` and the classes seen in it; None if a non-ASCII byte has a say in where it ends.
#[inline]
fn ascii_word(bytes: &[u8], at: usize) -> Option<(usize, u8)> {
    let class_at = |i: usize| bytes.get(i).map_or(0, |&byte| CLASS[byte as usize]);
    let mut end = at;
    let mut seen = 0;
    let mut last = 0;
    loop {
        let mut class = class_at(end);
        while class & WORD != 0 {
            seen |= class;
            last = class;
            end += 1;
            class = class_at(end);
        }
        if class & (MID_LETTER | MID_DIGIT | NON_ASCII) == 0 {
            return Some((end, seen));
        }
        let next = class_at(end + 1);
        if (class | next) & NON_ASCII != 0 {
            return None;
        }
        let joins_letters = class & MID_LETTER != 0 && last & next & LETTER != 0;
        let joins_digits = class & MID_DIGIT != 0 && last & next & DIGIT != 0;
        if !joins_letters && !joins_digits {
            return Some((end, seen));
        }
        end += 1;
    }
}

/// Where the stretch that needs the general rules ends: at an ASCII character that no rule joins to its left.
/// (The quotation mark is no such character: it joins Hebrew letters.)
fn general_end(bytes: &[u8], at: usize) -> usize {
    let stops = |&byte: &u8| CLASS[byte as usize] == 0 && byte != b'"';
    bytes[at..].iter().position(stops).map_or(bytes.len(), |length| at + length)
}

fn split_general<'t>(
    bigrams: Bigrams,
    text: &'t str,
    start: usize,
    end: usize,
    emit: &mut impl FnMut(Piece<'t>),
) {
    let stretch = &text[start..end];
    // The first characters indexed as bigrams have lead byte 0xe1 (Hangul letters).
    if stretch.bytes().all(|byte| byte < 0xe1) {
        return uax29_words(stretch, start, emit);
    }
    let mut from = start;
    while from < end {
        let rest = &text[from..end];
        let run_start = from + rest.find(|c| bigrams.has(c)).unwrap_or(rest.len());
        uax29_words(&text[from..run_start], from, emit);
        let rest = &text[run_start..end];
        let run_length = rest.find(|c| !(bigrams.has(c) || is_mark(c))).unwrap_or(rest.len());
        from = run_start + run_length;
        emit_bigrams(&text[run_start..from], run_start, emit);
    }
}

fn uax29_words<'t>(stretch: &'t str, base: usize, emit: &mut impl FnMut(Piece<'t>)) {
    for (at, segment) in stretch.unicode_word_indices() {
        narrow(segment, base + at, emit);
    }
}

/// Emits the words of one segment between word boundaries: itself, but for the two deviations named above.
pub(crate) fn narrow<'t>(segment: &'t str, base: usize, emit: &mut impl FnMut(Piece<'t>)) {
    let mut from = 0;
    while from < segment.len() {
        let rest = &segment[from..];
        let to = from + narrow_space(rest).unwrap_or(rest.len());
        let word = segment[from..to].trim_start_matches(|c: char| !c.is_alphanumeric() && !is_connector(c));
        if word.contains(char::is_alphanumeric) {
            let (start, end) = (base + to - word.len(), base + to);
            emit(Piece { text: word, start, end, shape: Shape::Any });
        }
        from = to + if to < segment.len() { NARROW_SPACE.len_utf8() } else { 0 };
    }
}

const NARROW_SPACE: char = '\u{202f}';

/// Where the first narrow no-break space stands that is not a separator of thousands.
fn narrow_space(segment: &str) -> Option<usize> {
    let groups_digits = |at: usize| {
        segment[..at].ends_with(char::is_numeric)
            && segment[at + NARROW_SPACE.len_utf8()..].starts_with(char::is_numeric)
    };
    segment.match_indices(NARROW_SPACE).map(|(at, _)| at).find(|&at| !groups_digits(at))
}

/// The characters of ExtendNumLet that are no spaces.
fn is_connector(c: char) -> bool {
    matches!(
        c,
        '_' | '\u{203f}' | '\u{2040}' | '\u{2054}' | '\u{fe33}' | '\u{fe34}' | '\u{fe4d}'
            ..='\u{fe4f}' | '\u{ff3f}'
    )
}
