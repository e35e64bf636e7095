//! Folding: what makes two spellings one term.
//!
//! In both modes: compatibility forms are resolved (full-width letters, ligatures, NFKC), case is lowered, digits of
//! all scripts become 0 to 9, apostrophes become ', a final sigma a plain one, and invisible characters (soft hyphen,
//! joiners, variation selectors) go. [`Mode::Full`] also strips accents and vowel points and spells the letters that
//! have no decomposition in ASCII (ß ss, ø o, æ ae, ł l, þ th).
//!
//! Order: NFKD, lower case, the changes by character, NFC. Characters below U+0530 (Latin, Greek, Cyrillic) are looked
//! up in a table that this same code fills; the property tests check that the table changes nothing.

use std::sync::OnceLock;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// How much is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Accents stay, for stemmers and stop lists that need them.
    KeepAccents,
    /// Accents go.
    Full,
}

/// Appends the folded form of `word` to `out`.
pub(crate) fn fold(mode: Mode, word: &str, out: &mut String) {
    let table = Table::of(mode);
    let start = out.len();
    for c in word.chars() {
        match table.get(c) {
            Some(folded) => out.push_str(folded),
            None => {
                out.truncate(start);
                return fold_general(mode, word, out);
            }
        }
    }
}

/// The definition of folding; [`fold`] is its fast form.
pub(crate) fn fold_general(mode: Mode, word: &str, out: &mut String) {
    let mut decomposed = String::with_capacity(word.len());
    for c in word.nfkd().flat_map(char::to_lowercase) {
        push_folded(mode, c, &mut decomposed);
    }
    if is_nfc(&decomposed) {
        out.push_str(&decomposed);
    } else {
        out.extend(decomposed.nfc());
    }
}

fn push_folded(mode: Mode, c: char, out: &mut String) {
    if c.is_ascii() {
        if c != ' ' {
            out.push(c); // a space comes from the decomposition of a spacing accent or a phrase sign
        }
    } else if let Some(digit) = digit_value(c) {
        out.push(char::from(b'0' + digit));
    } else if is_invisible(c) || (mode == Mode::Full && is_accent(c)) {
        // dropped
    } else if let Some(spelling) = spelling(mode, c) {
        out.push_str(spelling);
    } else {
        out.push(c);
    }
}

/// Letters without a decomposition; `c` is lower case.
fn spelling(mode: Mode, c: char) -> Option<&'static str> {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2bc}' => return Some("'"),
        'ς' => return Some("σ"),
        _ if mode == Mode::KeepAccents => return None,
        _ => {}
    }
    Some(match c {
        'ß' => "ss",
        'æ' | 'ǽ' | 'ǣ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ƣ' => "oi",
        'ĳ' => "ij",
        'ø' | 'ɔ' | 'ɵ' | 'ⱺ' => "o",
        'ł' | 'ƚ' | 'ɫ' | 'ɬ' | 'ɭ' => "l",
        'đ' | 'ð' | 'ɖ' | 'ɗ' | 'ƌ' => "d",
        'ı' | 'ɨ' | 'ɩ' => "i",
        'ħ' | 'ɦ' | 'ⱨ' => "h",
        'ŧ' | 'ƭ' | 'ʈ' | 'ƫ' | 'ⱦ' => "t",
        'ŋ' | 'ɲ' | 'ƞ' | 'ɳ' => "n",
        'ɛ' | 'ɇ' | 'ⱸ' => "e",
        'ƀ' | 'ɓ' | 'ƃ' => "b",
        'ƈ' | 'ȼ' | 'ɕ' => "c",
        'ƒ' => "f",
        'ɠ' | 'ǥ' => "g",
        'ɉ' | 'ȷ' | 'ʝ' => "j",
        'ƙ' | 'ĸ' | 'ⱪ' => "k",
        'ɱ' => "m",
        'ƥ' | 'ᵽ' => "p",
        'ɋ' | 'ʠ' => "q",
        'ɍ' | 'ɽ' | 'ɼ' | 'ɾ' => "r",
        'ȿ' | 'ʂ' => "s",
        'ʉ' => "u",
        'ʋ' | 'ⱱ' | 'ⱴ' => "v",
        'ⱳ' => "w",
        'ƴ' | 'ɏ' => "y",
        'ƶ' | 'ȥ' | 'ʐ' | 'ʑ' | 'ⱬ' | 'ɀ' => "z",
        'ⱥ' => "a",
        _ => return None,
    })
}

/// Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, marks for symbols, the middle dot of Catalan.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}'
        | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that change nothing that is read: soft hyphen, joiners, directions, variation selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The zeros of the decimal digits outside ASCII (category Nd); the nine others follow each. Mathematical and
/// full-width digits are not here: NFKD has resolved them.
#[rustfmt::skip]
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
];

fn digit_value(c: char) -> Option<u8> {
    let code = u32::from(c);
    let zero = ZEROS[..ZEROS.partition_point(|&zero| zero <= code)].last()?;
    u8::try_from(code - zero).ok().filter(|&digit| digit < 10)
}

/// One past the last code point of the table.
const TABLE_END: usize = 0x530;

/// The folded forms of the characters below [`TABLE_END`] that fold alone, whatever stands beside them.
struct Table {
    /// Length, then the bytes. Length [`Self::ABSENT`]: not to be looked up.
    entries: Vec<[u8; 8]>,
}

impl Table {
    const ABSENT: u8 = u8::MAX;

    fn of(mode: Mode) -> &'static Table {
        static KEEP: OnceLock<Table> = OnceLock::new();
        static FULL: OnceLock<Table> = OnceLock::new();
        let cell = if mode == Mode::Full { &FULL } else { &KEEP };
        cell.get_or_init(|| Table {
            entries: (0..TABLE_END as u32).map(|code| Self::entry(mode, code)).collect(),
        })
    }

    fn entry(mode: Mode, code: u32) -> [u8; 8] {
        let mut entry = [0; 8];
        entry[0] = Self::ABSENT;
        let Some(c) = char::from_u32(code) else { return entry };
        let mut folded = String::new();
        fold_general(mode, c.encode_utf8(&mut [0; 4]), &mut folded);
        // A kept mark composes with, or is reordered among, its neighbours.
        let alone = !folded.chars().any(is_accent) && folded.len() < entry.len();
        if alone && (mode == Mode::Full || !is_accent(c)) {
            entry[0] = folded.len() as u8;
            entry[1..=folded.len()].copy_from_slice(folded.as_bytes());
        }
        entry
    }

    #[inline]
    fn get(&self, c: char) -> Option<&str> {
        let entry = self.entries.get(u32::from(c) as usize)?;
        let bytes = entry.get(1..1 + usize::from(entry[0]))?;
        std::str::from_utf8(bytes).ok()
    }
}
