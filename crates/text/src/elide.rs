//! Articles and particles that French and Italian write with an apostrophe before a vowel: l'avion, dell'arte.

/// What French elides.
pub(crate) const FRENCH_ELISIONS: &[&str] =
    &["c", "d", "j", "jusqu", "l", "lorsqu", "m", "n", "puisqu", "qu", "quoiqu", "s", "t"];

/// What Italian elides.
pub(crate) const ITALIAN_ELISIONS: &[&str] =
    &["all", "c", "d", "dall", "dell", "gl", "l", "m", "nell", "quest", "s", "sull", "t", "un", "v"];

/// Bytes to cut from the front of `term`: one of `articles` and its apostrophe, if something follows.
pub(crate) fn elided_prefix(articles: &[&str], term: &str) -> usize {
    match term.split_once('\'') {
        Some((article, rest)) if !rest.is_empty() && articles.contains(&article) => article.len() + 1,
        _ => 0,
    }
}
