//! Queries and pages.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::Id;

fn ten() -> i64 {
    10
}
fn sixty() -> f32 {
    60.0
}

/// A vector: a reference into the arrays beside the JSON, base64 of little-endian f32, or plain numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum VectorRef {
    /// Position in the arrays of the call.
    Array {
        /// Position in the arrays of the call.
        #[serde(rename = "$vector")]
        vector: u32,
    },
    /// Base64 of little-endian f32: survives JSON.
    Base64 {
        /// Base64 of little-endian f32.
        #[serde(rename = "$f32")]
        f32: String,
    },
    /// Plain numbers.
    Numbers(Vec<f64>),
}

/// Which fields to search: names, or names with weights that replace the schema's boosts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum FieldBoosts {
    /// Names; the schema's boosts hold.
    Names(Vec<String>),
    /// Name to weight: above 0, at most 1,000,000.
    Boosts(#[ts(type = "Record<string, number>")] IndexMap<String, f32>),
}

/// Whether one or all of a query's words must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    /// At least one word, in any field.
    #[default]
    Or,
    /// Every word, all in one field.
    And,
}

/// Words, ranked by BM25.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MatchQuery {
    /// The words, analysed as each field is. Must not be empty.
    pub text: String,
    /// The fields; every text field when absent. Scores are summed over fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub fields: Option<FieldBoosts>,
    /// One or all words.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub operator: Operator,
}

/// Nearest vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NearQuery {
    /// A dense field.
    pub field: String,
    /// The query vector, of the field's dimension.
    pub vector: VectorRef,
    /// How many neighbours to consider, 1 to 100,000; offset + limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub k: Option<i64>,
}

/// Every document, score 0, in the order of insertion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct AllQuery {}

/// How rankings become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum FuseMethod {
    /// Reciprocal rank fusion: the sum of weight / (k + rank), rank from 1 (Cormack, Clarke, Buettcher, SIGIR 2009).
    Rrf,
}

/// Several rankings made one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FuseQuery {
    /// The method.
    pub method: FuseMethod,
    /// The rankings, 1 to 32.
    pub queries: Vec<Query>,
    /// The constant of the method, above 0.
    #[serde(default = "sixty")]
    #[ts(optional, as = "Option<_>")]
    pub k: f32,
    /// One weight a ranking, 0 to 1,000,000; all 1 when absent. A ranking of weight 0 adds nothing to a score, and what only
    /// it found comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub weights: Option<Vec<f32>>,
    /// Candidates taken from each ranking, 1 to 100,000; the larger of 100 and offset + limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub depth: Option<i64>,
}

/// A query is plain data: it can be logged, replayed, sent to a worker or compiled for another engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Query {
    /// By words.
    Match(MatchQuery),
    /// By a dense vector.
    Near(NearQuery),
    /// Everything.
    All(AllQuery),
    /// Several, fused.
    Fuse(FuseQuery),
}

/// A search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SearchRequest {
    /// What to rank by.
    pub query: Query,
    /// Which documents may come back.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "Record<string, unknown>")]
    pub filter: Option<Value>,
    /// Hits on the page, 0 to 10,000.
    #[serde(default = "ten")]
    #[ts(optional, type = "number")]
    pub limit: i64,
    /// Hits to skip; offset + limit at most 100,000.
    #[serde(default)]
    #[ts(optional, type = "number")]
    pub offset: i64,
    /// Fields to return; every field but the dense ones when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub select: Option<Vec<String>>,
    /// Text fields in which to mark the words that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub highlight: Option<Vec<String>>,
    /// Say which path ran, what it cost, and what each part gave each hit.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub explain: bool,
}

/// What one part of the query gave one hit. The tree has the query's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct HitExplain {
    /// The part: `match`, `near`, `all`, `rrf`, `field` or `term`.
    pub part: String,
    /// What this part is about: the words, the field or the term.
    pub about: String,
    /// The part's score for this hit; absent where it did not return the hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub score: Option<f32>,
    /// The hit's rank in this part, from 1, where ranks count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub rank: Option<u32>,
    /// Named numbers behind the score: tf, idf, length, averageLength, weight.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[ts(optional, type = "Record<string, number>")]
    pub details: IndexMap<String, f64>,
    /// The parts of this part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<HitExplain>>")]
    pub parts: Vec<HitExplain>,
}

/// One step of the plan that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PlanStep {
    /// What ran, e.g. `match: term at a time over 2 segments`.
    pub step: String,
    /// Whether the step's answer is exact.
    pub exact: bool,
    /// Candidates that came out.
    #[ts(type = "number")]
    pub candidates: u64,
}

/// How the page came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PageExplain {
    /// The steps, in order.
    pub plan: Vec<PlanStep>,
    /// Work done: `vectorsScored`, `postingsScored`, `segments`, `documents`, `allowed`.
    #[ts(type = "Record<string, number>")]
    pub counters: IndexMap<String, u64>,
}

/// One hit. Its score stands in the first array of the reply, at the same position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WireHit {
    /// The document's id.
    pub id: Id,
    /// The selected fields; vectors as `{ "$vector": n }` into the reply's arrays.
    #[ts(type = "Record<string, unknown>")]
    pub document: Value,
    /// For each highlighted field, ranges of UTF-16 code units in its text: `[start, end)`, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "Record<string, [number, number][]>")]
    pub highlights: Option<IndexMap<String, Vec<(u32, u32)>>>,
    /// Where the score comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub explain: Option<HitExplain>,
}

/// A page of hits, best first. `arrays[0]` of the reply holds their scores (f32).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SearchReply {
    /// The hits.
    pub hits: Vec<WireHit>,
    /// True when no approximate index took part.
    pub exact: bool,
    /// How the page came about, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub explain: Option<PageExplain>,
}
