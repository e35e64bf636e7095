//! `evaluate` on the root handle: a run against judgements.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Rankings and judgements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EvaluateRequest {
    /// Query id to (document id, score), best first.
    #[ts(type = "Record<string, [string, number][]>")]
    pub run: IndexMap<String, Vec<(String, f64)>>,
    /// Query id to document id to grade; above 0 is relevant.
    #[ts(type = "Record<string, Record<string, number>>")]
    pub qrels: IndexMap<String, IndexMap<String, i32>>,
    /// Names such as `ndcg@10`, `map`, `mrr@10`, `recall@100`, `precision@5`, `success@1`.
    pub metrics: Vec<String>,
    /// Break ties in score by document id, descending, as trec_eval does; otherwise the given order stands.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub trec_ties: bool,
}

/// Means and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateReply {
    /// Queries averaged over: those with at least one relevant document.
    #[ts(type = "number")]
    pub queries: u64,
    /// Metric to its mean over these queries; one without an answer counts as 0.
    #[ts(type = "Record<string, number>")]
    pub means: IndexMap<String, f64>,
    /// Query id to metric to value.
    #[ts(type = "Record<string, Record<string, number>>")]
    pub per_query: IndexMap<String, IndexMap<String, f64>>,
}
