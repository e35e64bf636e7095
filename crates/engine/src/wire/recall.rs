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
    /// Vectors that could be found when it was measured.
    #[ts(type = "number")]
    pub size: u64,
    /// By rising effort. Empty for an index that is exact.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve: means over the queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CurvePoint {
    /// Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again.
    pub ef: u32,
    /// Of the true `k` nearest, the share that was found.
    pub recall: f64,
    /// The recall less two standard errors: what a search by `recall` counts on.
    #[serde(default)]
    pub low: f64,
    /// Distances computed a query.
    pub distances: f64,
}

/// `tune`: measures recall and cost of a dense field for a ladder of efforts, and keeps the curve with the collection.
/// `arrays[0]`: queries, row-major f32. Without it probes are searched for: stored vectors, each moved in a random direction by
/// 1.25 times the distance of its k-th neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TuneRequest {
    /// A dense field.
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

/// `measure`: the recall of searches of a dense field against exact ones. `arrays[0]`: as for `tune`. At most one of `ef`
/// and `recall`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MeasureRequest {
    /// A dense field.
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
    /// Distances computed a query.
    pub distances: f64,
}
