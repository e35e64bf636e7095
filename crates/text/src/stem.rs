//! Snowball stemming, fenced in: only words written in the alphabet of the language reach the stemmer.
//!
//! The algorithms move by bytes and by characters over letters they were written for; what they do with other
//! scripts is undefined and may be a panic or a loop without end. Words with foreign characters stay as they are.

use rust_stemmers::{Algorithm, Stemmer};

/// Appends the stem of `term` to `out`.
pub(crate) fn stem(algorithm: Algorithm, term: &str, out: &mut String) {
    if !in_alphabet(algorithm, term) {
        out.push_str(term);
    } else if algorithm == Algorithm::Russian && term.contains('ё') {
        // The Russian algorithm is defined over 32 letters and asks for this replacement.
        out.push_str(&Stemmer::create(algorithm).stem(&term.replace('ё', "е")));
    } else {
        out.push_str(&Stemmer::create(algorithm).stem(term));
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
