//! Level 1: an index over vectors, without documents.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{DenseIndexSpec, MetricName};

/// `index.build` on the root handle. `arrays[0]`: the vectors, row-major f32. Answers with an index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexBuildRequest {
    /// Components a vector, 1 to 65,535.
    pub dims: u32,
    /// How two vectors are compared.
    pub metric: MetricName,
    /// The kind.
    pub index: DenseIndexSpec,
}

/// `index.open` on the root handle. Answers with an index handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexOpenRequest {
    /// The file.
    pub path: String,
    /// The kind that the caller expects.
    pub index: DenseIndexSpec,
}

/// What an index is: answer of `index.build`, `index.open` and `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexInfo {
    /// Components a vector.
    pub dims: u32,
    /// The metric.
    pub metric: MetricName,
    /// The kind and its settings.
    pub index: DenseIndexSpec,
    /// Rows that can be found.
    #[ts(type = "number")]
    pub size: u64,
    /// Rows given out so far; removed ones included until `compact`.
    #[ts(type = "number")]
    pub rows: u64,
    /// Bytes in memory.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// `searchBatch`. `arrays[0]`: queries, row-major f32. Reply arrays: rows (u32, n x k, padded with 2^32 - 1), scores (f32, n x k, padded with -Infinity).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IndexSearchRequest {
    /// Neighbours a query, 1 to 100,000.
    #[ts(type = "number")]
    pub k: i64,
    /// With a second array (u32 words, little end first): a bitmap of the rows that may be returned.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub filtered: bool,
}

/// `add`. `arrays[0]`: vectors, row-major f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IndexAddReply {
    /// The first new row; the others follow it.
    pub first: u32,
    /// How many.
    pub count: u32,
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
