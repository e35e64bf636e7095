//! The words of a vocabulary: an array of strings where it crosses and where it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Code, TercetError};

/// The most words.
const WORDS_MAX: usize = 1 << 20;
/// The longest word, in bytes.
const WORD_BYTES_MAX: usize = 255;
/// The most bytes of all words together.
const BYTES_MAX: usize = 16 << 20;

/// Vocabularies by the keys of their fields.
pub(crate) type Vocabularies = BTreeMap<String, Vocabulary>;

/// What the terms of sparse vectors are called: word `i` is term `i`. A clone is another name for the same words.
#[derive(Clone, Debug)]
pub struct Vocabulary(Arc<Words>);

#[derive(Debug)]
struct Words {
    words: IndexSet<String>,
    /// A word that stood twice, and where it did again: for [`Vocabulary::check`].
    twice: Option<(String, usize)>,
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.words.iter().eq(other.0.words.iter())
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0.words)
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    /// Takes any strings: [`check`](Vocabulary::check) says what is wrong with them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::<String>::deserialize(deserializer)?;
        let (mut words, mut twice) = (IndexSet::with_capacity(list.len()), None);
        for (at, word) in list.into_iter().enumerate() {
            let known = words.get(&word).cloned();
            if let (Some(word), None) = (known, &twice) {
                twice = Some((word, at));
            }
            words.insert(word);
        }
        Ok(Vocabulary(Arc::new(Words { words, twice })))
    }
}

impl Vocabulary {
    /// How many words there are.
    pub(crate) fn len(&self) -> usize {
        self.0.words.len()
    }

    /// The term that a word stands for.
    pub(crate) fn term(&self, word: &str) -> Option<u32> {
        self.0.words.get_index_of(word).map(|at| at as u32)
    }

    /// The word of a term.
    pub(crate) fn word(&self, term: u32) -> Option<&str> {
        self.0.words.get_index(term as usize).map(String::as_str)
    }

    /// Checks the words of a field of so many terms: each once, 1 to 255 bytes; 1 to 1,048,576 of them, at most 16 MiB together.
    pub(crate) fn check(&self, field: &str, terms: u32) -> Result<(), TercetError> {
        let wrong = |code, what: String, expected: String, found: String| {
            let message = format!("field `{field}`: {what}, found {found}");
            Err(TercetError::new(code, message).field(field).expected(expected, found))
        };
        let schema = Code::Schema;
        if let Some((word, at)) = &self.0.twice {
            let (what, found) =
                (format!("word {at} of the vocabulary must be a new one"), format!("{word:?} again"));
            return wrong(schema, what, String::from("each word once"), found);
        }
        let words = &self.0.words;
        if words.is_empty() || words.len() > WORDS_MAX {
            let expected = format!("1 to {WORDS_MAX} words");
            return wrong(schema, format!("a vocabulary has {expected}"), expected, words.len().to_string());
        }
        let odd = words.iter().position(|word| word.is_empty() || word.len() > WORD_BYTES_MAX);
        if let Some((at, word)) = odd.and_then(|at| Some((at, words.get_index(at)?))) {
            let expected = format!("1 to {WORD_BYTES_MAX} bytes");
            let what = format!("word {at} of the vocabulary must have {expected}");
            return wrong(schema, what, expected, word.len().to_string());
        }
        let bytes: usize = words.iter().map(String::len).sum();
        if bytes > BYTES_MAX {
            let expected = format!("at most {BYTES_MAX} bytes");
            let what = format!("the words of a vocabulary have {expected} together");
            return wrong(schema, what, expected, bytes.to_string());
        }
        if words.len() != terms as usize {
            let what = format!("terms must be the number of words in the vocabulary, {}", words.len());
            return wrong(schema, what, words.len().to_string(), terms.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn vocabulary(words: &[&str]) -> Vocabulary {
        serde_json::from_value(json!(words)).unwrap()
    }

    #[test]
    fn words_are_terms_by_their_place() {
        let words = vocabulary(&["flow", "##s", "17", "Ärmel"]);
        words.check("s", 4).unwrap();
        assert_eq!(
            ["flow", "17", "Ärmel", "ärmel"].map(|word| words.term(word)),
            [Some(0), Some(2), Some(3), None]
        );
        assert_eq!((words.word(1), words.word(4), words.len()), (Some("##s"), None, 4));
        assert_eq!(serde_json::to_value(&words).unwrap(), json!(["flow", "##s", "17", "Ärmel"]));
        assert_eq!(words, words.clone());
        assert_eq!(words, vocabulary(&["flow", "##s", "17", "Ärmel"]));
        assert_ne!(words, vocabulary(&["flow", "17", "##s", "Ärmel"]));
    }

    #[test]
    fn what_is_none_is_said() {
        let found = |words: &[&str], terms| {
            let error = vocabulary(words).check("s", terms).unwrap_err();
            assert_eq!((error.code(), error.0.field.as_deref()), (Code::Schema, Some("s")));
            error.0.found.unwrap()
        };
        assert_eq!(found(&[], 0), "0");
        assert_eq!(found(&["a", "b", "a", "b"], 4), "\"a\" again");
        assert_eq!(found(&["a", ""], 2), "0");
        assert_eq!(found(&["a", &"x".repeat(256)], 2), "256");
        assert_eq!(found(&["a", "b"], 3), "3");
        let long: Vec<String> = (0..70_000).map(|n| format!("{n:0>250}")).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        assert_eq!(found(&long, 70_000), "17500000");
    }
}
