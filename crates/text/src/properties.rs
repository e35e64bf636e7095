//! Properties of the inner parts: the fast paths against the definitions they stand for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use crate::cjk::{Bigrams, is_mark, is_plain};
use crate::fold::{Mode, fold, fold_general};
use crate::split::{Splitter, narrow, split};

/// Characters that the word rules care about, often side by side.
fn tricky() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => proptest::char::range(' ', '~'),
        4 => proptest::sample::select(
            "aB1_.,:;'\" -\r\n\u{b}éßçñ\u{301}\u{ad}\u{200d}\u{200c}\u{200b}\u{feff}’“—…\u{a0}\u{2003}\u{202f}＿אבג״ا٣дΣσς"
                .chars().collect::<Vec<_>>()
        ),
        1 => proptest::sample::select("한글각ᄒ😀👍🏽🇩🇪🅰ก\u{e31}क\u{94d}ि①½²ªﬁＡ１．".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ]
}

fn text(of: impl Strategy<Value = char>) -> impl Strategy<Value = String> {
    proptest::collection::vec(of, 0..40).prop_map(|chars| chars.into_iter().collect())
}

fn words(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    split(Splitter::Words(Bigrams::HanKana), text, &mut |piece| out.push((piece.start, piece.text)));
    out
}

/// The definition: the words of the text as a whole.
fn uax29(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    for (at, segment) in text.unicode_word_indices() {
        narrow(segment, at, &mut |piece| words.push((piece.start, piece.text)));
    }
    words
}

fn folded(mode: Mode, word: &str) -> String {
    let mut out = String::new();
    fold(mode, word, &mut out);
    out
}

fn folded_generally(mode: Mode, word: &str) -> String {
    let mut out = String::new();
    fold_general(mode, word, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn splitting_is_uax29(text in text(tricky().prop_filter("no bigrams", |&c| !Bigrams::HanKana.has(c)))) {
        prop_assert_eq!(words(&text), uax29(&text));
    }

    #[test]
    fn ascii_words_are_uax29(text in "[ -~\\n\\t]{0,60}") {
        prop_assert_eq!(words(&text), uax29(&text));
    }

    #[test]
    fn the_folding_table_changes_nothing(word in text(prop_oneof![tricky(), proptest::char::range('\0', '\u{600}')])) {
        for mode in [Mode::KeepAccents, Mode::Full] {
            prop_assert_eq!(folded(mode, &word), folded_generally(mode, &word));
        }
    }

    #[test]
    fn folding_in_two_steps_is_folding(word in text(prop_oneof![tricky(), proptest::char::range('\0', '\u{600}')])) {
        let full = folded(Mode::Full, &word);
        prop_assert_eq!(&folded(Mode::Full, &folded(Mode::KeepAccents, &word)), &full);
        prop_assert_eq!(&folded(Mode::Full, &full), &full);
    }
}

#[test]
fn every_character_folds_the_same_by_table_and_stays_folded() {
    for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let word = c.to_string();
        let full = folded(Mode::Full, &word);
        assert_eq!(full, folded_generally(Mode::Full, &word), "{c:?}");
        assert_eq!(folded(Mode::KeepAccents, &word), folded_generally(Mode::KeepAccents, &word), "{c:?}");
        assert_eq!(folded(Mode::Full, &full), full, "{c:?}");
        assert_eq!(folded(Mode::Full, &folded(Mode::KeepAccents, &word)), full, "{c:?}");
        if is_plain(c) {
            assert_eq!(full, word);
            assert!(!is_mark(c));
        }
    }
}

#[test]
fn all_letters_of_the_western_blocks_fold_to_ascii() {
    for c in ('À'..='ž').filter(|c| c.is_alphabetic()) {
        let full = folded(Mode::Full, &c.to_string());
        assert!(full.is_ascii() && !full.is_empty(), "{c:?} {full:?}");
    }
}
