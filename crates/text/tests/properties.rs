//! What holds for every analyzer and every text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use tercet_text::{Analyzer, MAX_TERM_BYTES, analyzer_names};

fn check(name: &str, text: &str) {
    let mut last = (0, 0, None);
    Analyzer::by_name(name).unwrap().analyze(text, &mut |token| {
        let (start, end) = (token.start as usize, token.end as usize);
        assert!(!token.term.is_empty() && token.term.len() <= MAX_TERM_BYTES, "{name} {text:?} {token:?}");
        assert!(start < end && text.is_char_boundary(start) && text.is_char_boundary(end), "{name} {text:?}");
        assert!(start >= last.0 && end >= last.1, "offsets fall: {name} {text:?} {token:?}");
        assert!(
            last.2.is_none_or(|before| token.position > before),
            "position repeats: {name} {text:?} {token:?}"
        );
        last = (start, end, Some(token.position));
    });
}

fn terms(name: &str, text: &str) -> Vec<(String, u32)> {
    let mut out = Vec::new();
    Analyzer::by_name(name).unwrap().analyze(text, &mut |t| out.push((t.term.to_owned(), t.position)));
    out
}

/// Words of the scripts that have stemmers, with what surrounds them.
const SCRIPTS: &str = "[a-z'’ A-Zßäöüéèàçñåøæıİşğăîșțőű]{0,40}|[а-яёА-Я ]{0,40}|[α-ωά-ώΑ-Ω ]{0,40}\
    |[\u{620}-\u{6d3} ]{0,40}|[\u{b80}-\u{bff} ]{0,40}|[一-三ぁ-んァ-ヶ가-각ｦ-ﾟ \u{3099}]{0,40}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tokens_are_well_formed_for_any_text(text in any::<String>()) {
        for name in analyzer_names() {
            check(name, &text);
        }
    }

    #[test]
    fn tokens_are_well_formed_for_likely_text(text in SCRIPTS) {
        for name in analyzer_names() {
            check(name, &text);
        }
    }

    /// A thread that met no word before gives the same terms.
    #[test]
    fn words_met_before_change_nothing(text in "([A-Za-z]{1,3}(ing|ed|s|'s|ation|ies|ly)?[ .,]){0,30}") {
        for name in ["standard", "english", "german", "french", "whitespace", "turkish"] {
            let fresh = std::thread::scope(|scope| scope.spawn(|| terms(name, &text)).join().unwrap());
            let (once, again) = (terms(name, &text), terms(name, &text));
            prop_assert_eq!(&fresh, &once);
            prop_assert_eq!(&fresh, &again);
        }
    }

    #[test]
    fn a_text_between_breaks_is_analyzed_on_its_own(before in SCRIPTS, after in SCRIPTS) {
        let joined = format!("{before} ; {after}");
        for name in ["standard", "english", "german", "cjk"] {
            let mut both = terms(name, &before);
            both.extend(terms(name, &after));
            let both: Vec<_> = both.into_iter().map(|(term, _)| term).collect();
            let whole: Vec<_> = terms(name, &joined).into_iter().map(|(term, _)| term).collect();
            prop_assert_eq!(whole, both);
        }
    }

    #[test]
    fn folded_languages_agree_on_composed_and_decomposed_text(text in SCRIPTS) {
        use unicode_normalization::UnicodeNormalization;
        let (composed, decomposed): (String, String) = (text.nfc().collect(), text.nfd().collect());
        for name in ["standard", "english", "german", "french", "turkish", "cjk"] {
            prop_assert_eq!(terms(name, &composed), terms(name, &decomposed));
        }
    }
}

/// Long texts made to hurt: every one must be linear.
#[test]
fn hostile_texts_are_read_in_linear_time() {
    let patterns = [
        "a'",
        "a\u{301}",
        "\u{301}",
        "1.",
        "🇩",
        "👍\u{200d}",
        "ก",
        "א\"",
        "漢",
        "か\u{3099}",
        "é",
        "'",
        "_\u{ad}",
    ];
    for pattern in patterns {
        let text = pattern.repeat(300_000 / pattern.len());
        for name in ["standard", "english", "cjk", "turkish"] {
            check(name, &text);
        }
    }
}
