//! Level 1: an index over vectors, without documents.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tercet_index::Dtype;
use ts_rs::TS;

use super::{Curve, DenseIndexSpec, MetricName, MultiSpec, SparseSpec};

/// The type of a vector's components, and the typed array that it travels in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum DtypeName {
    /// 32-bit floats (Float32Array).
    #[default]
    F32,
    /// 16-bit floats, as their bits (Uint16Array).
    F16,
    /// Signed bytes (Int8Array).
    I8,
    /// Unsigned bytes (Uint8Array).
    U8,
    /// Bits, eight a byte, the lowest first (Uint8Array).
    Bits,
}

impl DtypeName {
    /// As the index crate knows it.
    pub(crate) fn dtype(self) -> Dtype {
        match self {
            DtypeName::F32 => Dtype::F32,
            DtypeName::F16 => Dtype::F16,
            DtypeName::I8 => Dtype::I8,
            DtypeName::U8 => Dtype::U8,
            DtypeName::Bits => Dtype::Bits,
        }
    }
}

/// `index.build` on the root handle. `arrays[0]`: the vectors, row-major, in the array of their dtype. Answers with an
/// index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexBuildRequest {
    /// Components a vector, 1 to 65,535; of bits a multiple of 8.
    pub dims: u32,
    /// How two vectors are compared.
    pub metric: MetricName,
    /// The type of the components.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub dtype: DtypeName,
    /// The kind.
    pub index: DenseIndexSpec,
    /// Whether sample queries come in `arrays[1]`, for axes that are taught by them.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub queries: bool,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// `index.buildSparse` on the root handle. `arrays`: where rows begin (u32, one more than rows: 0 first, the number of
/// indices last), indices (u32), values (f32); or none. Answers with an index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SparseBuildRequest {
    /// Its settings; `optional` says nothing here.
    pub index: SparseSpec,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// `index.buildMulti` on the root handle. `arrays`: where rows begin, in tokens (u32, one more than rows: 0 first, the number
/// of tokens last), tokens (f32, one after another), units (u32, one a token, or none at all); or none. Answers with an
/// index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MultiBuildRequest {
    /// Its settings; `optional` says nothing here.
    pub index: MultiSpec,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// `index.open` on the root handle. Answers with an index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexOpenRequest {
    /// The file.
    pub path: String,
    /// The kind that the caller expects.
    pub index: IndexKind,
    /// Whether whole vectors that only rank candidates again are let go of after they were looked at.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub spare: bool,
}

/// A kind of index by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct IndexKind {
    /// That of a dense index, or `sparse` or `multi`.
    pub kind: String,
}

/// The settings of an index of sparse vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TermsIndexSpec {
    /// Sparse vectors.
    Sparse(SparseSpec),
}

impl TermsIndexSpec {
    /// The name of the kind.
    pub(crate) const NAME: &'static str = "sparse";
}

/// The settings of an index of token vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TokensIndexSpec {
    /// Several vectors a row.
    Multi(MultiSpec),
}

impl TokensIndexSpec {
    /// The name of the kind.
    pub(crate) const NAME: &'static str = "multi";
}

/// What an index of dense vectors is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VectorAbout {
    /// Components a vector.
    pub dims: u32,
    /// The metric.
    pub metric: MetricName,
    /// The type of the components.
    #[serde(default)]
    pub dtype: DtypeName,
    /// The kind and its settings.
    pub index: DenseIndexSpec,
}

/// What an index of sparse vectors is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct SparseAbout {
    /// The kind and its settings.
    pub index: TermsIndexSpec,
}

/// What an index of token vectors is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct MultiAbout {
    /// The kind and its settings.
    pub index: TokensIndexSpec,
}

/// What an index is: answer of `index.build`, `index.open` and `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct IndexInfo {
    /// What it holds.
    #[serde(flatten)]
    pub about: VectorAbout,
    /// How much of it.
    #[serde(flatten)]
    pub sizes: IndexSizes,
}

/// The same of sparse vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct SparseIndexInfo {
    /// What it holds.
    #[serde(flatten)]
    pub about: SparseAbout,
    /// How much of it.
    #[serde(flatten)]
    pub sizes: IndexSizes,
}

/// The same of token vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct MultiIndexInfo {
    /// What it holds.
    #[serde(flatten)]
    pub about: MultiAbout,
    /// How much of it.
    #[serde(flatten)]
    pub sizes: IndexSizes,
}

/// How many rows there are, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IndexNow {
    /// Rows that can be found.
    #[ts(type = "number")]
    pub size: u64,
    /// States before this one: of two answers the larger is the later.
    #[ts(type = "number")]
    pub state: u64,
}

/// What an index takes, and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexSizes {
    /// Rows that can be found.
    #[serde(flatten)]
    pub now: IndexNow,
    /// Rows given out so far; removed ones included until `compact`.
    #[ts(type = "number")]
    pub rows: u64,
    /// Bytes in memory, or of the mapped file.
    #[ts(type = "number")]
    pub bytes: u64,
    /// What `tune` measured, a curve a `k`.
    pub curves: Vec<Curve>,
    /// What it is made of; only `stats` says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<_>")]
    pub parts: Vec<IndexPartInfo>,
}

/// Values that lie together and are searched together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexPartInfo {
    /// The first row that may be here.
    pub first: u32,
    /// The values here, removed ones included.
    #[ts(type = "number")]
    pub vectors: u64,
    /// Those that were removed; they are dropped when the part is written again.
    #[ts(type = "number")]
    pub removed: u64,
    /// Bytes of each section.
    #[ts(type = "Record<string, number>")]
    pub sections: IndexMap<String, u64>,
    /// What the kind says of itself: of a graph its levels and links, of sparse vectors their postings, of tokens how many and
    /// their bytes.
    #[ts(type = "Record<string, number>")]
    pub facts: IndexMap<String, f64>,
}

/// `searchBatch`. `arrays`: queries, as `add` takes values (of token vectors with the weight of each token, f32, for units; or
/// with no weight at all); with `filtered` a bitmap of the rows that may be found (u32 words, the
/// lowest bit first); with `excluded` rows that may not (u32). Reply arrays: rows (u32, n x k, padded with 2^32 - 1),
/// scores (f32, n x k, padded with -Infinity).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexSearchRequest {
    /// Neighbours a query, 1 to 100,000.
    #[ts(type = "number")]
    pub k: i64,
    /// Whether a filter comes with it.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub filtered: bool,
    /// Whether rows to leave out come with it.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub excluded: bool,
    /// How hard to try.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub effort: IndexEffort,
    /// How the tokens of queries are read.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub reading: TokenReading,
    /// The least score of a result.
    #[serde(default)]
    #[ts(optional)]
    pub least_score: Option<f64>,
    /// Stops a query's walk after so many nodes without a better result.
    #[serde(default)]
    #[ts(optional)]
    pub patience: Option<f64>,
    /// Stops each query after so many milliseconds.
    #[serde(default)]
    #[ts(optional)]
    pub time_limit_ms: Option<f64>,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// How hard an approximate search tries: `ef`, `nprobe` and `candidates`, `alpha`, `beta` and `cells`, `recall` or `exact`;
/// none: the kind's usual way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexEffort {
    /// Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again; 1 to 100,000.
    #[serde(default)]
    #[ts(optional)]
    pub ef: Option<f64>,
    /// Lists that are scanned, 1 to 100,000.
    #[serde(default)]
    #[ts(optional)]
    pub nprobe: Option<f64>,
    /// Candidates that are ranked again, 1 to 100,000; with `nprobe` or alone.
    #[serde(default)]
    #[ts(optional)]
    pub candidates: Option<f64>,
    /// The recall wanted, by the curve that `tune` measured; above 0, up to 1.
    #[serde(default)]
    #[ts(optional)]
    pub recall: Option<f64>,
    /// What upper bounds of sparse vectors are multiplied by, above 0, up to 1.
    #[serde(default)]
    #[ts(optional)]
    pub alpha: Option<f64>,
    /// The share of a sparse query's terms, the lightest, that upper bounds leave out: 0 to below 1.
    #[serde(default)]
    #[ts(optional)]
    pub beta: Option<f64>,
    /// The most cells of 256 rows that are scored in each part, best bounds first: 1 to 16,777,216.
    #[serde(default)]
    #[ts(optional)]
    pub cells: Option<f64>,
    /// All vectors are compared.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub exact: bool,
}

/// How the tokens of a query are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct TokenReading {
    /// The mean over the query's tokens and not the sum.
    #[ts(optional, as = "Option<_>")]
    pub mean: bool,
    /// Query tokens whose inner product is at least this are added and compared as one.
    #[ts(optional)]
    pub carve: Option<f64>,
    /// A row scores what the best of its units does by itself.
    #[ts(optional, as = "Option<_>")]
    pub units: bool,
    /// Of a search into arrays: the weights of the tokens stand behind them.
    #[ts(optional, as = "Option<_>")]
    pub weighted: bool,
}

/// How a search was answered; of a batch, what holds of every query.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexSearchReply {
    /// The true best were found.
    pub exact: bool,
    /// No search was stopped before its end.
    pub complete: bool,
    /// The way it took.
    pub path: SearchPath,
    /// Distances computed.
    #[ts(type = "number")]
    pub distances: u64,
    /// Nodes whose links were followed.
    #[ts(type = "number")]
    pub hops: u64,
    /// Postings that were added to scores.
    #[ts(type = "number")]
    pub postings: u64,
    /// Blocks of rows whose bounds were summed.
    #[ts(type = "number")]
    pub blocks_bounded: u64,
    /// Cells of rows that were scored because of their bounds.
    #[ts(type = "number")]
    pub blocks_scored: u64,
}

/// The ways to answer a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
pub enum SearchPath {
    /// All allowed vectors were compared.
    #[serde(rename = "scan")]
    Scan,
    /// The graph was walked.
    #[serde(rename = "graph")]
    Graph,
    /// The graph was walked through rows that are not allowed as well.
    #[serde(rename = "filtered graph")]
    FilteredGraph,
    /// The lists nearest to the query were scanned.
    #[serde(rename = "lists")]
    Lists,
    /// The postings of all terms were summed.
    #[serde(rename = "term at a time")]
    Terms,
    /// Blocks of rows were scored in order of their bounds.
    #[serde(rename = "blocks by bounds")]
    Blocks,
    /// The heaviest postings were summed, and the rows with the largest sums scored.
    #[serde(rename = "heaviest postings")]
    Impacts,
}

/// `add`: `arrays`: values, as when the index is built. `compact`. `retrain`: `arrays[0]`: sample queries, row-major, or no
/// array.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexWorkRequest {
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// What `add` did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexAddReply {
    /// The first new row; the others follow it.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Rows that can be found then.
    #[serde(flatten)]
    pub now: IndexNow,
}

/// What `update` did. `arrays`: rows (u32), then values as for `add`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexUpdateReply {
    /// Rows that have a new vector.
    pub updated: u32,
    /// Rows that were not there.
    pub missing: Vec<u32>,
    /// Rows that can be found then.
    #[serde(flatten)]
    pub now: IndexNow,
}

/// `remove`. `arrays[0]`: rows (u32).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexRemoveRequest {}

/// What `remove` did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexRemoveReply {
    /// Rows removed.
    pub removed: u32,
    /// Rows that were not there.
    pub missing: Vec<u32>,
    /// Rows that can be found then.
    #[serde(flatten)]
    pub now: IndexNow,
}

/// `vector`: the value of a row, in the `arrays` of the reply: a vector; indices (u32) and values (f32); or tokens (f32) and,
/// where there are some, units (u32). No array when the row is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexVectorRequest {
    /// The row.
    pub row: u32,
}

/// `compact`: renumbers. `arrays[0]` of the reply: old row to new row (u32), 2^32 - 1 where it was removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexCompactReply {
    /// Rows now.
    pub rows: u32,
    /// Rows that can be found then.
    #[serde(flatten)]
    pub now: IndexNow,
}

/// `save`: writes the index as one file, replacing an older one at once or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexSaveRequest {
    /// The file.
    pub path: String,
}

/// `tune`: measures recall and cost for a ladder of efforts and keeps the curve with the index. `arrays[0]`: queries,
/// row-major; without it stored rows are searched for, themselves excluded. Answers with the curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexTuneRequest {
    /// Neighbours a query, 1 to 10,000.
    #[ts(type = "number")]
    pub k: i64,
    /// The ladder ends where this recall is reached.
    pub target: f64,
    /// How many stored rows are searched for, where no queries are given.
    #[ts(type = "number")]
    pub sample: i64,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// `verify`: measures the recall of searches against exact ones. `arrays[0]`: queries, row-major; without it stored rows
/// are searched for, themselves excluded. Answers as `measure` of a collection does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexVerifyRequest {
    /// Neighbours a query, 1 to 10,000.
    #[ts(type = "number")]
    pub k: i64,
    /// How many stored rows are searched for, where no queries are given.
    #[ts(type = "number")]
    pub sample: i64,
    /// How hard to try.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub effort: IndexEffort,
    /// Threads that may work on it. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// `align` of token vectors: which token of a row each token of a query meets. `arrays`: a query, as for `searchBatch`. Reply
/// arrays: tokens of the query (u32), the token of the row that each is nearest to (u32), their inner product (f32), and where
/// there are units the unit of that token (u32).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexAlignRequest {
    /// The row.
    pub row: u32,
    /// How the query is read.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub reading: TokenReading,
}

/// What `align` found beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexAlignReply {
    /// The score of the row.
    pub score: f32,
    /// The unit that scores best by itself; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub best_unit: Option<BestUnit>,
}

/// A unit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct BestUnit {
    /// Its number.
    pub unit: u32,
    /// Its score by itself.
    pub score: f32,
}
