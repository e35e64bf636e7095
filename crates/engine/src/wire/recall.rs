//! Recall that is measured: `tune` and `measure`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

fn ten() -> i64 {
    10
}
fn sample() -> i64 {
    200
}
fn target() -> f64 {
    0.999
}

/// What was measured: recall and cost for rising efforts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Curve {
    /// Neighbours a query.
    pub k: u32,
    /// Queries that were measured.
    pub queries: u32,
    /// Whether they were probes: made of stored vectors, because none were given.
    #[serde(default)]
    pub probes: bool,
    /// Values that could be found when it was measured. Of more than twice as many a curve says nothing.
    #[ts(type = "number")]
    pub size: u64,
    /// By rising effort. Empty for an index that is exact.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve: means over the queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// The effort as one number. Candidates: of a graph those that are kept while it is walked, of lists those that are ranked
    /// again, of token vectors those that are compared by MaxSim; of sparse vectors what their kind says: cells.
    pub ef: u32,
    /// Of the true `k` nearest, the share that was found.
    pub recall: f64,
    /// The recall less two standard errors, more of few queries: what a search by `recall` counts on.
    #[serde(default)]
    pub low: f64,
    /// Distances computed, and postings added to scores, a query.
    pub distances: f64,
}

/// `tune`: measures recall and cost of a field of vectors for a ladder of efforts, and keeps the curve with the collection.
/// `arrays`: queries. Of a dense field row-major f32; of a sparse one offsets (u32, one more than queries), indices (u32) and
/// values (f32); of a multi field offsets in tokens (u32) and tokens (f32). Without them probes are searched for: stored vectors,
/// each moved in a random direction by 1.25 times the distance of its k-th neighbour; of sparse vectors a share of the terms of
/// stored ones, and of token vectors some tokens of them, which must then not be found themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TuneRequest {
    /// A dense, sparse or multi field.
    pub field: String,
    /// Neighbours a query, 1 to 10,000.
    #[serde(default = "ten")]
    #[ts(optional, type = "number")]
    pub k: i64,
    /// The ladder ends where this recall is reached; above 0, up to 1.
    #[serde(default = "target")]
    #[ts(optional, as = "Option<_>")]
    pub target: f64,
    /// How many probes are made, where no queries are given: 1 to 100,000.
    #[serde(default = "sample")]
    #[ts(optional, type = "number")]
    pub sample: i64,
}

/// `measure`: the recall of searches of a field against exact ones. `arrays`: as for `tune`. How hard to try is said in one
/// way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MeasureRequest {
    /// A dense, sparse or multi field.
    pub field: String,
    /// Neighbours a query, 1 to 10,000.
    #[serde(default = "ten")]
    #[ts(optional, type = "number")]
    pub k: i64,
    /// How many probes are made, where no queries are given: 1 to 100,000.
    #[serde(default = "sample")]
    #[ts(optional, type = "number")]
    pub sample: i64,
    /// Candidates kept while a graph is walked, 1 to 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub ef: Option<i64>,
    /// Lists that are scanned, 1 to 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub nprobe: Option<i64>,
    /// Candidates that are ranked again, 1 to 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub candidates: Option<i64>,
    /// Of a sparse field: what upper bounds are multiplied by, above 0, up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub alpha: Option<f64>,
    /// Of a sparse field: the share of the query's terms that upper bounds leave out, 0 to below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub beta: Option<f64>,
    /// Of a sparse field: cells that are scored in each segment, 1 to 16,777,216.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub cells: Option<i64>,
    /// The recall that was asked for, by the curve that `tune` measured; above 0, up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub recall: Option<f64>,
}

/// What `measure` found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MeasureReply {
    /// Of the true `k` nearest, the share that was found.
    pub recall: f64,
    /// Lower end of the 95 % interval (Wilson).
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
    /// Queries that were measured.
    pub queries: u32,
    /// Distances computed, and postings added to scores, a query.
    pub distances: f64,
}
