//! Chinese, Japanese and Korean runs: written without spaces, indexed as overlapping bigrams of characters.
//!
//! A run of one character is a unigram. A character is a base with the marks that follow it (voicing marks,
//! variation selectors, conjoining letters of a Hangul syllable); folding composes it later.

use unicode_segmentation::UnicodeSegmentation;

use crate::split::{Piece, Shape};

/// Which scripts are indexed as bigrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bigrams {
    /// Han, Hiragana and Katakana. Hangul words stay whole: Korean writes spaces.
    HanKana,
    /// The same and Hangul.
    HanKanaHangul,
}

impl Bigrams {
    /// Whether `c` begins a character of these scripts.
    pub(crate) fn has(self, c: char) -> bool {
        is_han_or_kana(c) || (self == Bigrams::HanKanaHangul && is_hangul(c))
    }
}

// Ranges from Scripts.txt (Unicode 17), blocks taken whole where only unassigned code points are gained.
fn is_han_or_kana(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2fd5}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}'
        | '\u{3038}'..='\u{303b}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{32d0}'..='\u{32fe}' | '\u{3300}'..='\u{3357}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{fad9}' | '\u{ff66}'..='\u{ff9d}'
        | '\u{16fe2}'..='\u{16fe3}' | '\u{16ff0}'..='\u{16ff6}' | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3fffd}')
}

fn is_hangul(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{a960}'..='\u{a97c}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{d7b0}'..='\u{d7fb}' | '\u{ffa0}'..='\u{ffdc}')
}

/// Marks that continue a character within a run.
pub(crate) fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{302a}'..='\u{302f}' | '\u{3099}' | '\u{309a}' | '\u{ff9e}' | '\u{ff9f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters of a run that stand for themselves: never joined to a neighbour, never changed by folding.
pub(crate) fn is_plain(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'
        | '\u{ac00}'..='\u{d7a3}')
}

/// Emits the overlapping bigrams of a run that begins at byte `base` of the text.
pub(crate) fn emit_bigrams<'t>(run: &'t str, base: usize, emit: &mut impl FnMut(Piece<'t>)) {
    if run.chars().all(is_plain) {
        emit_pairs(run, base, Shape::Folded, run.char_indices().map(|(at, _)| at), emit);
    } else {
        emit_pairs(run, base, Shape::Any, run.grapheme_indices(true).map(|(at, _)| at), emit);
    }
}

/// `starts`: where the characters of the run begin, ascending from 0.
fn emit_pairs<'t>(
    run: &'t str,
    base: usize,
    shape: Shape,
    starts: impl Iterator<Item = usize>,
    emit: &mut impl FnMut(Piece<'t>),
) {
    let mut pair = |from: usize, to: usize| {
        emit(Piece { text: &run[from..to], start: base + from, end: base + to, shape });
    };
    let mut starts = starts.skip(1).chain([run.len()]);
    let (mut first, Some(mut second)) = (0, starts.next()) else { return };
    if second == run.len() && !run.is_empty() {
        return pair(first, second);
    }
    for end in starts {
        pair(first, end);
        (first, second) = (second, end);
    }
}
