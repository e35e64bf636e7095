//! `recommend`: which index to take, measured on a sample.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{DenseIndexSpec, DtypeName, MetricName};

fn ten() -> i64 {
    10
}
fn usual_recall() -> f64 {
    0.95
}

/// `recommend` on the root handle. `arrays[0]`: a sample of the vectors, row-major, in the array of their dtype;
/// `arrays[1]`, where `queries` says so: queries as they will be asked. Without them some vectors are taken out of the sample and
/// searched for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RecommendRequest {
    /// Components a vector.
    pub dims: u32,
    /// How two vectors are compared.
    pub metric: MetricName,
    /// The type of the components; bits have nothing to be chosen from.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub dtype: DtypeName,
    /// Whether queries come with the sample.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub queries: bool,
    /// Neighbours a query, 1 to 1,000.
    #[serde(default = "ten")]
    #[ts(optional, type = "number")]
    pub k: i64,
    /// The recall wanted, above 0, up to 1.
    #[serde(default = "usual_recall")]
    #[ts(optional, as = "Option<_>")]
    pub recall: f64,
    /// The most bytes a vector that a search may need in memory, 1 or more; without it all are measured.
    #[serde(default)]
    #[ts(optional)]
    pub bytes_per_vector: Option<f64>,
    /// Threads that may build and measure recall; speed is measured on one. Default: all.
    #[serde(default)]
    #[ts(optional)]
    pub threads: Option<u32>,
}

/// An index that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecommendRow {
    /// What it is, in a few words.
    pub name: String,
    /// The same as a schema takes it.
    pub index: DenseIndexSpec,
    /// Bytes a vector that a search goes through: codes, links and lists, and the vectors where they are scanned. Vectors that
    /// are only looked at to rank a few candidates again may stay on the disk and are not counted, nor is what all vectors
    /// share (centroids, codebooks, axes).
    pub bytes: f64,
    /// Bytes a vector of the file, kept vectors too.
    pub file_bytes: f64,
    /// Of the true `k` nearest the share that was found.
    pub recall: f64,
    /// The effort that this took; absent for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub ef: Option<u32>,
    /// Queries a second on one thread with that effort, one after the other.
    pub qps: f64,
    /// Milliseconds to train and build it over the sample.
    #[ts(type = "number")]
    pub build_ms: u64,
    /// Whether it reaches the recall wanted within the bytes wanted.
    pub fits: bool,
}

/// An index that was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecommendSkipped {
    /// What it is, in a few words.
    pub name: String,
    /// Why not.
    pub why: String,
}

/// What was measured, and what to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RecommendReply {
    /// What to take: of those that fit the fastest (of nearly as fast ones the smallest); where none fits, of those within
    /// the bytes the one of the best recall. A place in `rows`; absent where nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub choice: Option<u32>,
    /// What was measured, in the order of measuring.
    pub rows: Vec<RecommendRow>,
    /// What was not.
    pub skipped: Vec<RecommendSkipped>,
    /// Vectors that were searched among.
    pub vectors: u32,
    /// Queries that were measured.
    pub queries: u32,
    /// Whether they were taken out of the sample.
    pub held_out: bool,
}
