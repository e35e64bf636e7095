//! The seam of the sparse index kinds: what goes into one, what a reader of one can do, and its entry in the registry.

use crate::dense::{Answered, Capabilities, Work};
use crate::inverted::RowMap;
use crate::{Bitmap, Counters, IndexError, SectionSink, SectionSource, Sections, TopK};

/// The most terms a query may have.
pub const QUERY_TERMS_MAX: usize = 4_096;

/// How weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoredWeights {
    /// Without loss: a byte where all weights of a segment are whole numbers up to 255, 2 bytes where they are halves,
    /// 4 bytes otherwise.
    #[default]
    Exact,
    /// Rounded to half precision: 2 bytes at most. Weights of 65,520 or more are refused.
    F16,
    /// All weights are one: only which terms a row has is kept.
    Ones,
}

/// What all segments of one sparse field share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SparseSpec {
    /// How weights are kept.
    pub weights: StoredWeights,
    /// Documents in a block that has a bound of its own: 8, 16, 32, 64 or 128. Only for `lists`.
    pub block: u32,
    /// Postings that a list keeps to find candidates by, the heaviest; 0: chosen by the kind. Only for `seismic`.
    pub listed: u32,
    /// Of each row only its heaviest terms are kept, so many; 0: all.
    pub top: u32,
    /// Of each row only its heaviest terms are kept, up to this share of the sum of its weights; 1: all.
    pub mass: f32,
}

impl Default for SparseSpec {
    fn default() -> Self {
        SparseSpec { weights: StoredWeights::Exact, block: 32, listed: 0, top: 0, mass: 1.0 }
    }
}

/// The rows of one segment.
#[derive(Clone, Copy, Debug)]
pub struct SparseInput<'a> {
    /// Rows of the segment.
    pub rows: u32,
    /// The ascending rows that have a vector; `None` when all have one.
    pub present: Option<&'a [u32]>,
    /// Where each of these rows ends in the two arrays below.
    pub ends: &'a [u64],
    /// Terms, row after row. In a row they may stand in any order, but each only once.
    pub terms: &'a [u32],
    /// Their weights: finite and above zero.
    pub weights: &'a [f32],
}

/// One search.
#[derive(Clone, Copy)]
pub struct SparseSearch<'a> {
    /// The query: terms ascending, each once, at most [`QUERY_TERMS_MAX`], their weights finite and above zero.
    pub terms: &'a [(u32, f32)],
    /// Exact, or how much may be missed.
    pub effort: SparseEffort,
    /// The rows that may be found; `None`: all.
    pub allowed: Option<&'a Bitmap>,
    /// Looked at now and then; true stops the search with what it has.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> SparseSearch<'a> {
    /// The exact search over all rows.
    pub fn new(terms: &'a [(u32, f32)]) -> Self {
        SparseSearch { terms, effort: SparseEffort::Exact, allowed: None, stop: None }
    }
}

/// How hard a search tries. Every kind answers every effort: what it does not have it reads as the nearest that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum SparseEffort {
    /// What the kind takes to be usual; exact where the kind's capabilities say so.
    #[default]
    Usual,
    /// Candidates, at least 1, in one number that every kind understands, for ladders and curves of recall: more of them
    /// cost more and miss less. Of `lists` they are the cells of 256 rows that are scored, best bounds first
    /// ([`Slack::cells`]); of `seismic` the rows that are scored, raised to `k`.
    Ef(u32),
    /// The true best k.
    Exact,
    /// What may be skipped by bounds.
    Slack(Slack),
}

/// What an approximate search may skip (Mallia, Suel, Tonellotto, SIGIR 2024; arXiv 2602.02883 for `cells`; of `seismic`
/// `alpha` is the heap factor and `cells` are rows).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slack {
    /// Bounds are multiplied by this, above 0 and up to 1: what they then do not let in is skipped.
    pub alpha: f32,
    /// The share of the query's terms, the lightest, that bounds leave out: 0 to below 1.
    pub beta: f32,
    /// The most cells of 256 rows that are scored, best bounds first; 0: any number.
    pub cells: u32,
}

impl Default for Slack {
    fn default() -> Self {
        Slack { alpha: 1.0, beta: 0.0, cells: 0 }
    }
}

/// A sparse index of one segment, over borrowed sections.
///
/// A row is found when a term of the query is in it. Bytes that turn out to be damaged are an error of the call that
/// met them, or a wrong answer at worst.
pub trait SparseReader: Send + Sync {
    /// Rows of the segment.
    fn rows(&self) -> u32;

    /// Postings: terms of all rows.
    fn postings(&self) -> u64;

    /// Distinct terms.
    fn term_count(&self) -> u32;

    /// A term by its place among the distinct ones, which ascend; `None` past the end.
    fn term(&self, at: u32) -> Result<Option<u32>, IndexError>;

    /// Rows that hold a term, deleted ones included.
    fn doc_freq(&self, term: u32) -> Result<u32, IndexError>;

    /// Calls back with row and weight of every posting of a term, rows ascending.
    fn for_each_posting(
        &self,
        term: u32,
        each: &mut dyn FnMut(u32, f32) -> Result<(), IndexError>,
    ) -> Result<(), IndexError>;

    /// The terms of a row, ascending, and their weights, into `out`; false where rows are not kept as such
    /// ([`Capabilities::originals`]).
    fn row(&self, row: u32, out: &mut Vec<(u32, f32)>) -> Result<bool, IndexError> {
        let _ = (row, out);
        Ok(false)
    }

    /// The weight of a term in a row; `None` when it is not there.
    fn weight(&self, term: u32, row: u32) -> Result<Option<f32>, IndexError>;

    /// Offers the best rows and their scores to `top`.
    fn search(
        &self,
        search: &SparseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError>;

    /// The score of one row, the bits that a search gives; `None` when no term of the query is in it.
    fn score(&self, terms: &[(u32, f32)], row: u32) -> Result<Option<f32>, IndexError>;

    /// What this index can do.
    fn capabilities(&self) -> Capabilities;

    /// An estimate of the time of one search, in nanoseconds, for the best `k`. Cost: a look at each term.
    fn cost_ns(&self, terms: &[(u32, f32)], k: usize) -> u64;

    /// Checks all that opening did not. Cost: a pass over every section.
    fn verify(&self) -> Result<(), IndexError>;
}

/// Builds the sections of one segment.
pub type SparseBuild = fn(&SparseSpec, &SparseInput<'_>, &Work<'_>) -> Result<Sections, IndexError>;

/// Writes the sections of one segment of so many rows from others, each with where its rows go: in any order, and no two to
/// one. What is held is a term's postings at a time and some bytes a term; of `seismic` an eighth of the postings and some
/// bytes a row.
pub type SparseMerge = fn(
    &SparseSpec,
    &[(&dyn SparseReader, &RowMap)],
    u32,
    &mut dyn SectionSink,
    &Work<'_>,
) -> Result<(), IndexError>;

/// Opens the sections of one segment of `rows` rows. Cost: constant.
pub type SparseOpen = fn(&SparseSpec, u32, &dyn SectionSource) -> Result<Box<dyn SparseReader>, IndexError>;

/// A kind of sparse index: an entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct SparseKind {
    /// The name in a schema.
    pub name: &'static str,
    /// One line for documents and listings.
    pub about: &'static str,
    /// What its readers can do.
    pub capabilities: Capabilities,
    /// Builds a segment's sections.
    pub build: SparseBuild,
    /// Merges segments into one.
    pub merge: SparseMerge,
    /// Opens a segment's sections.
    pub open: SparseOpen,
}
