//! The seam of the dense index kinds: what goes into one, what a reader of one can do, and its entry in the
//! registry. Callers hold a `Box<dyn DenseReader>` and never ask which kind it is: they read its capabilities
//! and its estimate of the cost.

use crate::{Bitmap, Counters, IndexError, SectionSink, SectionSource, Sections, TopK};
use std::borrow::Cow;
use tercet_kernels::Metric;

/// What all segments of one dense field share.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseSpec {
    /// Components per vector, at least 1.
    pub dims: usize,
    /// How two vectors are compared.
    pub metric: Metric,
}

/// The vectors of one segment.
#[derive(Clone, Copy, Debug)]
pub struct DenseInput<'a> {
    /// Rows of the segment.
    pub rows: u32,
    /// The ascending rows that have a vector; `None` when all have one.
    pub present: Option<&'a [u32]>,
    /// The vectors one after the other, `dims` components each, in order of their rows.
    pub values: &'a [f32],
}

/// What takes vectors one by one: the row and its vector.
pub type EachVector<'a> = dyn FnMut(u32, &[f32]) -> Result<(), IndexError> + 'a;

/// The vectors of a segment that is being merged, too many to be held.
pub trait DenseStream {
    /// Calls back with every row that has a vector, rows ascending. May be asked again and gives the same.
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError>;
}

/// What a kind of index can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A search returns the true best k.
    pub exact: bool,
    /// A search takes the allowed rows into account itself instead of dropping hits afterwards.
    pub filtered: bool,
    /// The original vectors come back bit for bit.
    pub originals: bool,
}

/// A dense index of one segment, over borrowed sections.
///
/// Scores are "higher is better": the dot product, the cosine, or minus the squared distance. A query must have
/// `dims` components; one of another length finds nothing. A score is the same bits whether it comes from
/// `search`, filtered or not, or from `score`. Bytes that turn out to be damaged are an error of the call that met them.
pub trait DenseReader: Send + Sync {
    /// Vectors stored.
    fn len(&self) -> usize;

    /// Whether no vector is stored.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vector of a row as it was given, bit for bit; `None` when the row has none.
    fn vector(&self, row: u32) -> Result<Option<Cow<'_, [f32]>>, IndexError>;

    /// Offers rows and their scores to `top`: all of them, or those in `allowed`.
    fn search(
        &self,
        query: &[f32],
        allowed: Option<&Bitmap>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<(), IndexError>;

    /// The score of one row; `None` when it has no vector.
    fn score(&self, query: &[f32], row: u32) -> Result<Option<f32>, IndexError>;

    /// What this index can do.
    fn capabilities(&self) -> Capabilities;

    /// An estimate of the time of one search, in nanoseconds, for the best `k` of `allowed` rows (`None`: all).
    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64;

    /// Checks all that opening did not. Cost: a pass over every section.
    fn verify(&self) -> Result<(), IndexError>;
}

/// Builds the sections of one segment.
pub type DenseBuild = fn(&DenseSpec, &DenseInput<'_>) -> Result<Sections, IndexError>;

/// Writes the sections of one segment of `rows` rows: the very bytes that building it from these vectors gives.
/// Holds no more than some bytes a row.
pub type DenseMerge = fn(&DenseSpec, u32, &dyn DenseStream, &mut dyn SectionSink) -> Result<(), IndexError>;

/// Opens the sections of one segment of `rows` rows. Cost: constant.
pub type DenseOpen = fn(&DenseSpec, u32, &dyn SectionSource) -> Result<Box<dyn DenseReader>, IndexError>;

/// A kind of dense index: an entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct DenseKind {
    /// The name in a schema.
    pub name: &'static str,
    /// One line for documents and listings.
    pub about: &'static str,
    /// What its readers can do.
    pub capabilities: Capabilities,
    /// Builds a segment's sections.
    pub build: DenseBuild,
    /// Merges segments into one.
    pub merge: DenseMerge,
    /// Opens a segment's sections.
    pub open: DenseOpen,
}
