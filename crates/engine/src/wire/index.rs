//! Level 1: an index over vectors, without documents.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tercet_index::Dtype;
use ts_rs::TS;

use super::{Curve, DenseIndexSpec, MetricName};

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

/// `index.open` on the root handle. Answers with an index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexOpenRequest {
    /// The file.
    pub path: String,
    /// The kind that the caller expects.
    pub index: DenseIndexSpec,
    /// Whether whole vectors that only rank candidates again are let go of after they were looked at.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub spare: bool,
}

/// What an index is: answer of `index.build`, `index.open` and `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexInfo {
    /// Components a vector.
    pub dims: u32,
    /// The metric.
    pub metric: MetricName,
    /// The type of the components.
    pub dtype: DtypeName,
    /// The kind and its settings.
    pub index: DenseIndexSpec,
    /// Rows that can be found.
    #[ts(type = "number")]
    pub size: u64,
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

/// Vectors that lie together and are searched together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexPartInfo {
    /// The first row that may be here.
    pub first: u32,
    /// The vectors here, removed ones included.
    #[ts(type = "number")]
    pub vectors: u64,
    /// Those that were removed; they are dropped when the part is written again.
    #[ts(type = "number")]
    pub removed: u64,
    /// Bytes of each section.
    #[ts(type = "Record<string, number>")]
    pub sections: IndexMap<String, u64>,
    /// What the kind says of itself: of a graph its levels and links.
    #[ts(type = "Record<string, number>")]
    pub facts: IndexMap<String, f64>,
}

/// `searchBatch`. `arrays`: queries, row-major; with `filtered` a bitmap of the rows that may be found (u32 words, the
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

/// How hard an approximate search tries: `ef`, `nprobe` and `candidates`, `recall` or `exact`; none: the kind's usual way.
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
    /// All vectors are compared.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub exact: bool,
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

/// `add`: `arrays[0]`: vectors, row-major. `compact`. `retrain`: `arrays[0]`: sample queries, row-major, or no array.
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
}

/// What `update` did. `arrays`: rows (u32), vectors, row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexUpdateReply {
    /// Rows that have a new vector.
    pub updated: u32,
    /// Rows that were not there.
    pub missing: Vec<u32>,
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
}

/// `vector`: the vector of a row, in `arrays[0]` of the reply; no array when the row is not there.
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
