//! The seam of the dense index kinds: what goes into one, what a reader of one can do, and its entry in the
//! registry. Callers hold a `Box<dyn DenseReader>` and never ask which kind it is: they read its capabilities
//! and its estimate of the cost.

use crate::values::{Dtype, Values};
use crate::{Bitmap, Counters, IndexError, SectionSink, SectionSource, Sections, TopK};
use std::any::Any;
use std::borrow::Cow;
use tercet_kernels::Metric;

/// What all segments of one dense field share.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseSpec {
    /// Components per vector, at least 1.
    pub dims: usize,
    /// How two vectors are compared.
    pub metric: Distance,
    /// The type of the components as they are given and kept.
    pub dtype: Dtype,
    /// How they are coded, and the shape of a graph.
    pub options: DenseOptions,
}

impl DenseSpec {
    /// Vectors of f32 with the usual options.
    pub fn new(dims: usize, metric: Metric) -> Self {
        let metric = match metric {
            Metric::Dot => Distance::Dot,
            Metric::L2 => Distance::L2,
            Metric::Cosine => Distance::Cosine,
        };
        DenseSpec { dims, metric, dtype: Dtype::F32, options: DenseOptions::default() }
    }

    /// The same vectors without codes of their own, for a kind that keeps them beside its codes.
    pub(crate) fn uncoded(&self) -> Self {
        let options = DenseOptions { codec: Codec::Auto, reduce: Reduce::None, keep: true, ..self.options };
        DenseSpec { options, ..*self }
    }
}

/// How two vectors are compared. Scores are "higher is better".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// The inner product.
    Dot,
    /// Minus the squared Euclidean distance.
    L2,
    /// The cosine of the angle.
    Cosine,
    /// Minus the number of bits that differ; only for bits.
    Hamming,
    /// Bits in common over bits in either; only for bits.
    Jaccard,
}

impl Distance {
    /// The metric on numbers; `None` for those on bits.
    pub fn on_numbers(self) -> Option<Metric> {
        match self {
            Distance::Dot => Some(Metric::Dot),
            Distance::L2 => Some(Metric::L2),
            Distance::Cosine => Some(Metric::Cosine),
            Distance::Hamming | Distance::Jaccard => None,
        }
    }
}

/// The codes that a search reads first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// What the kind takes to be best: the vectors themselves for `flat`; for `hnsw` 4- or 8-bit codes of the
    /// principal axes, two cache lines a vector, in front of 8-bit codes of the whole vector.
    #[default]
    Auto,
    /// The vectors as f32.
    F32,
    /// The vectors as f16.
    F16,
    /// 8 bits a component, scaled by vector (Aguerrebere et al., arXiv 2304.04759).
    Lvq8,
    /// 4 bits a component, then 8 bits to re-rank.
    Lvq4x8,
    /// Parts of the vector by codebook (product quantization; Jegou et al., TPAMI 2011). Only for lists.
    Pq {
        /// Parts, 1 to dims; 0: by default. Where it does not divide them, some parts are one longer.
        m: u16,
        /// Bits of a part's code: 4 (looked up in registers; Andre et al., VLDB 2015) or 8.
        bits: u8,
    },
    /// Bits of a rotated vector, with a bound on the error (RaBitQ; arXiv 2405.12497, 2409.09913). Only for lists.
    RaBitQ {
        /// Bits a component, 1 to 8.
        bits: u8,
    },
    /// The sign of each component. Only for lists.
    Binary,
}

/// What makes vectors shorter before they are coded. Distances of the codes are then of the shorter vectors; a search
/// re-ranks by the whole ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduce {
    /// What the codec takes to be best.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// The leading principal axes, so many (LeanVec-ID, arXiv 2312.16335).
    Pca(u32),
    /// The first components, so many (Matryoshka embeddings, arXiv 2205.13147).
    Prefix(u32),
    /// Axes fitted to sample queries as well as to the data, so many (LeanVec-OOD, arXiv 2312.16335).
    LeanVec(u32),
    /// Random orthonormal axes, so many (Johnson and Lindenstrauss, 1984).
    Random(u32),
}

/// What turns vectors before they are coded in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// What the codec takes to be best.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// A random rotation.
    Random,
    /// A rotation fitted to the codes (optimized product quantization; Ge et al., TPAMI 2014).
    Opq,
}

/// What candidates of the codes are ranked by before the last few are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rerank {
    /// What the codec takes to be best.
    #[default]
    Auto,
    /// Nothing: by the codes alone.
    None,
    /// 8-bit codes beside the lists.
    Lvq8,
    /// Halves beside the lists.
    F16,
    /// The vectors, where they lie.
    Vectors,
}

/// The shape of an inverted file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IvfOptions {
    /// Lists; 0: by the number of vectors.
    pub lists: u32,
    /// Whether what is coded is the difference from a list's centroid; `None`: as the codec takes to be best.
    pub residual: Option<bool>,
    /// What turns vectors before they are coded.
    pub rotate: Rotate,
    /// Whether each vector stands in a second list as well (SOAR, arXiv 2404.00774).
    pub spill: bool,
    /// Whether no list becomes much longer than the mean.
    pub balance: bool,
    /// What candidates are ranked by.
    pub rerank: Rerank,
}

/// How vectors are coded, and the shape of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseOptions {
    /// The codes that a search reads first.
    pub codec: Codec,
    /// What comes before the codes.
    pub reduce: Reduce,
    /// Whether the vectors themselves are kept, to re-rank and to give back. Without them scores come from the codes.
    pub keep: bool,
    /// Links of a node above the lowest level; twice as many on it. 4 to 64.
    pub m: u16,
    /// Candidates that a new node is linked from, `m` to 4,096.
    pub ef_construction: u16,
    /// What decides levels, order and where training begins.
    pub seed: u64,
    /// The shape of an inverted file.
    pub ivf: IvfOptions,
}

impl Default for DenseOptions {
    fn default() -> Self {
        DenseOptions {
            codec: Codec::Auto,
            reduce: Reduce::Auto,
            keep: true,
            m: 16,
            ef_construction: 200,
            seed: 0,
            ivf: IvfOptions::default(),
        }
    }
}

/// The vectors of one segment.
#[derive(Clone, Copy, Debug)]
pub struct DenseInput<'a> {
    /// Rows of the segment.
    pub rows: u32,
    /// The ascending rows that have a vector; `None` when all have one.
    pub present: Option<&'a [u32]>,
    /// The vectors one after the other, in order of their rows.
    pub values: Values<'a>,
    /// Sample queries, one after the other, for what is fitted to them as well.
    pub queries: Option<Values<'a>>,
}

/// What takes vectors one by one: the row and its vector.
pub type EachVector<'a> = dyn FnMut(u32, Values<'_>) -> Result<(), IndexError> + 'a;

/// The vectors of a segment that is being merged, too many to be held.
pub trait DenseStream {
    /// Calls back with every row that has a vector, rows ascending. May be asked again and gives the same.
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError>;

    /// Whether what only makes searches faster (a graph) is left to a later merge: for what must be written soon.
    fn plain(&self) -> bool {
        false
    }

    /// Sample queries, as in [`DenseInput::queries`].
    fn queries(&self) -> Option<Values<'_>> {
        None
    }

    /// The readers that the vectors come from: what they have built may be used again.
    fn sources(&self) -> Vec<DenseSource<'_>> {
        Vec::new()
    }
}

/// A reader whose vectors are merged.
pub struct DenseSource<'a> {
    /// The reader.
    pub reader: &'a dyn DenseReader,
    /// Its rows that are kept, ascending, each with its row in the merged segment.
    pub kept: Box<dyn Iterator<Item = (u32, u32)> + 'a>,
}

/// Runs pieces of work side by side where there are threads.
pub trait Parallel: Sync {
    /// How many pieces run at once, at least 1.
    fn threads(&self) -> usize;
    /// Runs `body(0)`, ..., `body(tasks - 1)` in any order, on any threads, and returns when all are done.
    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync));
}

/// One piece after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Parallel for Inline {
    fn threads(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(body);
    }
}

/// What a long piece of work is given.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Threads. What is built does not depend on how many there are.
    pub parallel: &'a dyn Parallel,
    /// Told how much is done of how much; answers false to stop, which is [`IndexError::Cancelled`].
    pub progress: &'a (dyn Fn(u64, u64) -> bool + Sync),
}

impl Work<'static> {
    /// On this thread, not to be stopped.
    pub fn inline() -> Self {
        Work { parallel: &Inline, progress: &|_, _| true }
    }
}

impl Work<'_> {
    /// Reports progress.
    pub fn step(&self, done: u64, total: u64) -> Result<(), IndexError> {
        if (self.progress)(done, total) { Ok(()) } else { Err(IndexError::Cancelled) }
    }
}

/// How hard an approximate search tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// What the kind takes to be usual.
    #[default]
    Usual,
    /// Candidates: of a graph those that are kept while it is walked, raised to `k`; of lists those that are ranked again.
    Ef(u32),
    /// For lists; a kind without them takes the candidates as [`Effort::Ef`].
    Probes {
        /// Lists that are scanned, at least 1.
        lists: u32,
        /// Candidates that are ranked again, raised to `k`; 0: chosen by the kind.
        candidates: u32,
    },
    /// All vectors are compared.
    Exact,
}

/// One search.
#[derive(Clone, Copy)]
pub struct DenseSearch<'a> {
    /// The query: f32, or of the index's own type.
    pub query: Values<'a>,
    /// How hard to try.
    pub effort: Effort,
    /// The rows that may be found; `None`: all.
    pub allowed: Option<&'a Bitmap>,
    /// Stops the walk after so many nodes that did not change the best `k`.
    pub patience: Option<u32>,
    /// Looked at now and then; true stops the search with what it has.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> DenseSearch<'a> {
    /// The usual search.
    pub fn new(query: Values<'a>) -> Self {
        DenseSearch { query, effort: Effort::Usual, allowed: None, patience: None, stop: None }
    }
}

/// How a search was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was found is the true best `k`.
    pub exact: bool,
    /// The search ran to its end: it was not stopped.
    pub complete: bool,
    /// The way it took.
    pub path: Path,
}

impl Answered {
    /// An exact answer by a scan.
    pub const SCAN: Answered = Answered { exact: true, complete: true, path: Path::Scan };

    /// Both together: exact and complete where both are, by the way of the other one.
    pub fn and(self, other: Answered) -> Answered {
        Answered {
            exact: self.exact && other.exact,
            complete: self.complete && other.complete,
            path: other.path,
        }
    }
}

/// The ways to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// All allowed vectors were compared.
    Scan,
    /// The graph was walked.
    Graph,
    /// The graph was walked through rows that are not allowed as well.
    FilteredGraph,
    /// The lists nearest to the query were scanned.
    Lists,
    /// The postings of all terms were summed.
    Terms,
    /// Blocks of rows were scored in order of their bounds.
    Blocks,
    /// The heaviest postings were summed, and the rows with the largest sums scored.
    Impacts,
}

impl Path {
    /// The name in an explanation.
    pub const fn name(self) -> &'static str {
        match self {
            Path::Scan => "scan",
            Path::Graph => "graph",
            Path::FilteredGraph => "filtered graph",
            Path::Lists => "lists",
            Path::Terms => "term at a time",
            Path::Blocks => "blocks by bounds",
            Path::Impacts => "heaviest postings",
        }
    }
}

/// What a kind of index can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A search returns the true best k.
    pub exact: bool,
    /// A search takes the allowed rows into account itself instead of dropping hits afterwards.
    pub filtered: bool,
    /// The original vectors come back bit for bit, where they are kept.
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

    /// The vector of a row as it was given, bit for bit (or what the codes say, where it is not kept); `None` when the
    /// row has none.
    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError>;

    /// The vector of a row as f32; bits as 0 and 1.
    fn vector(&self, row: u32) -> Result<Option<Cow<'_, [f32]>>, IndexError> {
        Ok(self.stored(row)?.map(Stored::into_f32))
    }

    /// Offers rows and their scores to `top`: all of them, or those in `allowed`. A collector with a radius asks for all
    /// rows within it, up to its `k`.
    fn search(
        &self,
        search: &DenseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError>;

    /// Searches for many queries of the same options (the search's own query is ignored), one after the other in
    /// `queries`, each with its collector; the results are those of [`search`](Self::search), bit for bit.
    fn search_batch(
        &self,
        queries: Values<'_>,
        search: &DenseSearch<'_>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        crate::batch::share(queries, tops, counters, work, &|query, top, counters| {
            self.search(&DenseSearch { query, ..*search }, top, counters)
        })
    }

    /// The score of one row; `None` when it has no vector.
    fn score(&self, query: Values<'_>, row: u32) -> Result<Option<f32>, IndexError>;

    /// The scores of some rows, all of which have a vector, in their order.
    fn scores(&self, query: Values<'_>, rows: &[u32], out: &mut Vec<f32>) -> Result<(), IndexError> {
        out.clear();
        for row in rows {
            out.push(self.score(query, *row)?.unwrap_or(f32::NEG_INFINITY));
        }
        Ok(())
    }

    /// What this index can do.
    fn capabilities(&self) -> Capabilities;

    /// An estimate of the time of one search, in nanoseconds, for the best `k` of `allowed` rows (`None`: all).
    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64;

    /// Whether a merge of this alone would make what was left out of it ([`DenseStream::plain`]).
    fn unfinished(&self) -> bool {
        false
    }

    /// From now on vectors that only rank candidates again are let go of after they were looked at, where they lie in a mapped
    /// file: what stays in memory is about what searches go through. They are read again where they are needed, which costs
    /// microseconds for each. Nothing where a kind always goes through the vectors.
    fn spare_vectors(&self) {}

    /// Checks all that opening did not. Cost: a pass over every section.
    fn verify(&self) -> Result<(), IndexError>;

    /// Numbers that describe what was built (levels, links), each with its name. Cost: small.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// The reader itself, for a merge that looks for one of its own kind.
    fn as_any(&self) -> &dyn Any;
}

/// Elements of each of so many queries; they must be of one length.
pub(crate) fn elements_of_each(queries: Values<'_>, count: usize) -> Result<usize, IndexError> {
    let elements = queries.len().checked_div(count).unwrap_or(0);
    if elements * count != queries.len() {
        return Err(IndexError::shape(
            "elements of all queries",
            (elements * count) as u64,
            queries.len() as u64,
        ));
    }
    Ok(elements)
}

/// A vector that comes out of an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored<'a> {
    /// As it lies there.
    Kept(Values<'a>),
    /// Made from codes.
    Decoded(Vec<f32>),
}

impl<'a> Stored<'a> {
    /// As values.
    pub fn values(&self) -> Values<'_> {
        match self {
            Stored::Kept(values) => *values,
            Stored::Decoded(values) => Values::F32(values),
        }
    }

    /// As f32; bits as 0 and 1.
    pub fn into_f32(self) -> Cow<'a, [f32]> {
        match self {
            Stored::Kept(Values::F32(values)) => Cow::Borrowed(values),
            Stored::Kept(values) => Cow::Owned(values.to_f32()),
            Stored::Decoded(values) => Cow::Owned(values),
        }
    }
}

/// Builds the sections of one segment.
pub type DenseBuild = fn(&DenseSpec, &DenseInput<'_>, &Work<'_>) -> Result<Sections, IndexError>;

/// Writes the sections of one segment of `rows` rows. What is kept of the vectors is never held whole.
pub type DenseMerge =
    fn(&DenseSpec, u32, &dyn DenseStream, &mut dyn SectionSink, &Work<'_>) -> Result<(), IndexError>;

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
    /// Bytes that a merge holds for each vector, about.
    pub merge_bytes: fn(&DenseSpec) -> u64,
}
