//! Index kinds over borrowed sections of bytes: flat vectors, graphs, inverted lists, weighted lists.
//!
//! Arrays go in, named sections of bytes come out; a reader searches over sections that somebody else holds
//! (a mapped file, a buffer); merges write to a [`SectionSink`] and hold none of what they write. No files, no documents, no clock and no threads in this crate.
//!
//! What every kind keeps:
//! - a reader never trusts its bytes: opening looks at lengths alone, bytes are checked when they are first
//!   touched ([`Section`]), and every offset and id is checked where it is used, so that hostile bytes give an
//!   error or a wrong answer at worst, never a panic, a hang or an allocation that the size of the section does
//!   not justify. `verify` is the full check;
//! - scores are "higher is better" and ties go to the lower row, so that a result does not depend on the order
//!   of the visit;
//! - everything on disk is little-endian and of fixed width.
//!
//! A new kind is a folder here and a line in [`registry`].

#[cfg(target_endian = "big")]
compile_error!("sections are read in place as little-endian arrays; big-endian targets are not supported");

mod batch;
mod bitmap;
mod cluster;
mod dense;
pub mod flat;
pub mod hnsw;
pub mod inverted;
pub mod ivf;
pub mod multi;
mod parallel;
pub mod quant;
pub mod reduce;
pub mod registry;
mod reused;
mod section;
mod sections;
pub mod sparse;
mod topk;
mod values;

pub use bitmap::Bitmap;
pub use dense::{
    Answered, Capabilities, Codec, DenseBuild, DenseInput, DenseKind, DenseMerge, DenseOpen, DenseOptions,
    DenseReader, DenseSearch, DenseSource, DenseSpec, DenseStream, Distance, EachVector, Effort, Inline,
    IvfOptions, Parallel, Path, Reduce, Rerank, Rotate, Stored, Work,
};
pub use inverted::{
    Accumulators, Bm25, DISTANCE_MAX, EachNear, FieldWords, Frequencies, InvertedBuilder, InvertedReader,
    Levenshtein, PhraseWord, RowMap, Scoring, TermId, WeightedTerm, best_rows, idf, merge_inverted,
    phrase_frequency, phrase_matches, twins,
};
pub use registry::{DENSE_KINDS, LEXICAL_KINDS, LexicalKind, SPARSE_KINDS, dense_kind, sparse_kind};
pub use section::{Access, Array, Guard, Section};
pub use sections::{
    ArraySink, IndexError, MemorySections, SectionSink, SectionSource, Sections, array_bytes, reserved,
};
pub use sparse::{
    QUERY_TERMS_MAX, Slack, SparseBuild, SparseEffort, SparseInput, SparseKind, SparseMerge, SparseOpen,
    SparseReader, SparseSearch, SparseSpec, StoredWeights,
};
pub use tercet_kernels::Metric;
pub use topk::{Scored, TopK};
pub use values::{Dtype, Values};

/// What a search did, counted the same on every machine. Searches add to it and never reset it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Vectors whose distance to the query was computed.
    pub vectors_scored: u64,
    /// Nodes of a graph whose links were followed.
    pub hops: u64,
    /// Postings whose contribution was added to a score.
    pub postings_scored: u64,
    /// Blocks whose bounds were summed.
    pub blocks_bounded: u64,
    /// Blocks whose rows were scored because of their bounds.
    pub blocks_scored: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        let Counters { vectors_scored, hops, postings_scored, blocks_bounded, blocks_scored } = other;
        self.vectors_scored += vectors_scored;
        self.hops += hops;
        self.postings_scored += postings_scored;
        self.blocks_bounded += blocks_bounded;
        self.blocks_scored += blocks_scored;
    }
}
