//! `inverted`: a plain inverted index with BM25, scored term at a time.
//!
//! Sections:
//! - `meta`         u32 x 8: layout version, flags (bit 0: positions), rows, terms, rows with the field, tokens
//!   (low and high half), 0;
//! - `terms`        u8: all terms one after the other, sorted by bytes;
//! - `term_ends`    u32: where each term ends in `terms`;
//! - `doc_freqs`    u32: postings per term;
//! - `posting_ends` u64: where each term's postings end in `postings`;
//! - `postings`     u8: blocks of up to 128 postings, see [`packed`];
//! - `lengths`      u32: tokens per row; `u32::MAX` where the field is absent;
//! - `position_ends` u64 and `positions` u8: see [`positions`]; only with positions, read only on demand.
//!
//! Why term at a time: on collections up to about a million short documents a pass over the lists into an array
//! of scores beats every scheme that skips. Block-max pruning comes beside it for larger ones, behind the same
//! reader.
//!
//! Statistics (document count, document frequency, average length) belong to the collection and come from
//! outside, so that a score does not depend on how rows are spread over segments. For the same reason every
//! contribution is computed by one formula in one order: per row, the sum runs in the order of the query terms.

mod accumulators;
mod best;
mod bm25;
mod builder;
mod dictionary;
mod levenshtein;
mod list;
mod merge;
mod norms;
mod packed;
mod phrase;
mod positions;
mod postings;
mod reader;
mod score;
mod writer;

use crate::dense::Capabilities;
use crate::registry::LexicalKind;

pub use accumulators::Accumulators;
pub use best::{FieldWords, best_rows};
pub use bm25::{Bm25, idf};
pub use builder::InvertedBuilder;
pub use levenshtein::{DISTANCE_MAX, EachNear, Levenshtein};
pub use list::Frequencies;
pub use merge::{RowMap, merge_inverted};
pub use phrase::{PhraseWord, phrase_frequency, phrase_matches, twins};
pub use reader::InvertedReader;
pub use score::Scoring;

/// Layout version in `meta`; layout 1, whose postings stand in whole bytes, is still read.
const VERSION: u32 = 2;
const FLAG_POSITIONS: u32 = 1;
/// The length of a row that does not have the field.
const ABSENT: u32 = u32::MAX;

/// The registry's entry.
pub const KIND: LexicalKind = LexicalKind {
    name: "inverted",
    about: "inverted lists with BM25, scored term at a time",
    capabilities: Capabilities { exact: true, filtered: true, originals: false },
    positions: true,
};

/// A term of one segment: its place in the sorted dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u32);

/// A query term and its weight: boost times idf times how often the query holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedTerm {
    /// The term.
    pub term: TermId,
    /// Its weight.
    pub weight: f32,
}
