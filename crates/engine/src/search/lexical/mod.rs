//! Queries by words: BM25 over every segment with the statistics of the whole collection.
//!
//! A query is a tree of clauses. Its leaves are lists of words in fields. A word is one of the index, or *computed*: a
//! phrase, or all words with a beginning or within an edit distance, which are counted as if they were one word. The
//! formula is the same for both, and so is every number that `explain` gives. Scores of several fields are summed
//! (docs/decisions/0006).

mod compile;
mod computed;
mod rank;

use tercet_index::{Bm25, Frequencies, Levenshtein, TermId};

pub(super) use compile::QUERY_BYTES_MAX;
pub(super) use compile::{chosen, compile};
pub(super) use computed::{each_word, factor};
pub(super) use rank::rank;

/// A compiled query by words.
pub(crate) enum Clause {
    Words(Words),
    Boolean(Boolean),
    /// Every document, with score 0.
    All,
}

/// Clauses, combined.
pub(crate) struct Boolean {
    pub(crate) must: Vec<Clause>,
    pub(crate) should: Vec<Clause>,
    pub(crate) must_not: Vec<Clause>,
    pub(crate) filter: Vec<Clause>,
    /// How many of `should` must match.
    pub(crate) least: usize,
}

/// Words in fields.
pub(crate) struct Words {
    /// The kind of query, as it is called outside.
    pub(crate) kind: &'static str,
    /// What the query said.
    pub(crate) text: String,
    pub(crate) fields: Vec<WordsField>,
}

/// One field in which words are looked for.
pub(crate) struct WordsField {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) bm25: Bm25,
    /// That of the field, times those of the query and of what is around it.
    pub(crate) boost: f32,
    /// Mean length of the field over the live documents that have it.
    pub(crate) average_length: f32,
    /// Distinct words by falling weight, of equal weights in the order of the query: the order in which scores are summed.
    pub(crate) terms: Vec<Term>,
    /// The field counts where so many of them match; at least 1.
    pub(crate) least: usize,
}

/// One word of a query.
pub(crate) struct Term {
    pub(crate) text: String,
    /// Inverse document frequency over the whole collection; 0 where no live document has the word. Of a phrase: the sum
    /// of those of its words.
    pub(crate) idf: f32,
    /// boost x idf x times the word stands in the query, or its weight there.
    pub(crate) weight: f32,
    /// For each segment, its number in the dictionary; of a computed word none.
    pub(crate) ids: Vec<Option<TermId>>,
    /// How the word came about, if it is none of the index.
    pub(crate) computed: Option<Computed>,
}

/// A word that the search computes.
pub(crate) struct Computed {
    /// For each segment, the live rows that have it.
    pub(crate) lists: Vec<Frequencies>,
    pub(crate) of: Source,
}

/// What a computed word is made of.
pub(crate) enum Source {
    /// Words with their places.
    Phrase { words: Vec<(String, u32)>, slop: u32 },
    /// All words that begin like this.
    Prefix(String),
    /// All words near one.
    Near(Levenshtein),
}
