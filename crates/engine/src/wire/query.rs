//! Queries and pages.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::{Id, MaxSimQuery};

fn ten() -> i64 {
    10
}
fn yes() -> bool {
    true
}
fn is_true(value: &bool) -> bool {
    *value
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
    /// The vector of a stored document, which is not found itself. Only in a `near`.
    Document {
        /// The document's id.
        #[ts(type = "string | number")]
        id: Value,
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
    /// How many of the distinct words a field must hold to count: a whole number from 1 (more than there are words means
    /// all), or a share of them below 1, rounded down, at least one word. Not beside `and`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub minimum_should_match: Option<f64>,
    /// What scores are multiplied by: above 0, at most 1,000,000; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// Words with weights, ranked by BM25: what feedback gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TermsQuery {
    /// A text field.
    pub field: String,
    /// Terms as the index has them (stemmed, folded; `explain` shows them), 1 to 1,024, each with a weight above 0 and at
    /// most 1,000,000.
    #[ts(type = "Record<string, number>")]
    pub terms: IndexMap<String, f32>,
    /// How many of the terms a document must hold: as in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub minimum_should_match: Option<f64>,
    /// As in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// Words beside one another, ranked by BM25 as if the phrase were one word whose idf is the sum of theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PhraseQuery {
    /// A text field that keeps positions.
    pub field: String,
    /// The phrase, at most 64 words, analysed as the field is; dropped words leave their places.
    pub text: String,
    /// By how many places, in all, words may stand away from where the phrase has them: 0 to 10,000. A match of width w
    /// counts 1 / (1 + w).
    #[serde(default)]
    #[ts(optional, type = "number")]
    pub slop: i64,
    /// As in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// All words with a beginning, ranked by BM25 as if they were one word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PrefixQuery {
    /// A text field.
    pub field: String,
    /// The beginning, folded as the field's words are but not stemmed. Must not be empty.
    pub prefix: String,
    /// The most words that may begin like this, else ERR_LIMIT: 1 to 65,536; 1,024 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub max_expansions: Option<i64>,
    /// As in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// Words that are spelled nearly so: for each word of the text, all within an edit distance, ranked by BM25 as if they were
/// one word; one that is d edits away counts 1 / (1 + d).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FuzzyQuery {
    /// A text field.
    pub field: String,
    /// The words, at most 64, analysed as the field is.
    pub text: String,
    /// The most edits, 0 to 2. When absent none for words of up to 2 characters, one up to 5, two beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub distance: Option<i64>,
    /// So many first characters must be right: 0 to 255.
    #[serde(default)]
    #[ts(optional, type = "number")]
    pub prefix_length: i64,
    /// Two neighbours that changed places are one edit.
    #[serde(default = "yes")]
    #[ts(optional, as = "Option<_>")]
    pub transpositions: bool,
    /// One or all words.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub operator: Operator,
    /// The most words that those of the text may stand for together, else ERR_LIMIT: 1 to 65,536; 1,024 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub max_expansions: Option<i64>,
    /// As in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// Queries by words, combined. They nest at most 8 deep; a query has at most 1,024 clauses in all. Without `must`, `filter`
/// and `should` it finds every document that `mustNot` leaves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BooleanQuery {
    /// All must match; their scores are summed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Query>>")]
    pub must: Vec<Query>,
    /// Those that match add their scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Query>>")]
    pub should: Vec<Query>,
    /// None may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Query>>")]
    pub must_not: Vec<Query>,
    /// All must match; they add nothing to the score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Query>>")]
    pub filter: Vec<Query>,
    /// How many of `should` must match, 0 to as many as there are; when absent 1 where there is neither `must` nor `filter`,
    /// else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub minimum_should_match: Option<i64>,
    /// As in a `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub boost: Option<f32>,
}

/// Nearest vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NearQuery {
    /// A dense field.
    pub field: String,
    /// The query vector, of the field's dimension; or a document's id.
    pub vector: VectorRef,
    /// How many neighbours to consider, 1 to 100,000; offset + limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub k: Option<i64>,
    /// Candidates: of a graph those that are kept while it is walked, of lists those that are ranked again; 1 to 100,000, and
    /// at least k. More find more of the true nearest, and take longer. At most one of `ef`, `nprobe` (with `candidates` or
    /// `oversample`), `recall` and `exact`; as is usual for the kind without any (a graph: the larger of 64 and k).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub ef: Option<i64>,
    /// Lists that are scanned, 1 to 100,000. For an index without lists the candidates say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub nprobe: Option<i64>,
    /// Candidates that are ranked again, 1 to 100,000; with `nprobe` or alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub candidates: Option<i64>,
    /// The same as a multiple of k, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub oversample: Option<f64>,
    /// The share of the true nearest that is to be found on average, above 0 and up to 1, by the curve that `tune`
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub recall: Option<f64>,
    /// Compare all vectors.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<_>")]
    pub exact: bool,
    /// Only what is within: the least cosine or inner product, or the largest Euclidean distance (not squared).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub radius: Option<f64>,
    /// Stops a walk after so many nodes that did not change the best, 1 or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub patience: Option<i64>,
    /// Stops after about so many milliseconds with what was found by then; the page is then not `complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub time_limit_ms: Option<i64>,
    /// Ids of documents that are not to be found, at most 100,000. Those that are not there are no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, type = "(string | number)[]")]
    pub exclude: Vec<Value>,
}

/// The largest inner products with a sparse vector. Exact unless `alpha`, `beta`, `cells` or `recall` is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpandQuery {
    /// A sparse field.
    pub field: String,
    /// `{ indices, values }` (numbers, or references into the arrays of the call) or `{ term: weight }`; at most 4,096 terms
    /// of the field's, each once, with weights above 0.
    #[ts(type = "unknown")]
    pub vector: Value,
    /// How many documents to consider, 1 to 100,000; offset + limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub k: Option<i64>,
    /// What upper bounds are multiplied by before documents are passed over: above 0, at most 1. Less is faster and may miss
    /// some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub alpha: Option<f32>,
    /// The share of the query's terms, the lightest, that upper bounds leave out: 0 to below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub beta: Option<f32>,
    /// The most cells of 256 documents that are scored in each segment, 1 to 16,777,216; best bounds first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub cells: Option<i64>,
    /// The recall wanted, by the curve that `tune` measured; above 0, up to 1. Instead of `alpha`, `beta` and `cells`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub recall: Option<f64>,
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
    /// By words with weights.
    Terms(TermsQuery),
    /// By words beside one another.
    Phrase(PhraseQuery),
    /// By the beginning of a word.
    Prefix(PrefixQuery),
    /// By words with errors.
    Fuzzy(FuzzyQuery),
    /// By several of these.
    Boolean(BooleanQuery),
    /// By a dense vector.
    Near(NearQuery),
    /// By several vectors.
    MaxSim(MaxSimQuery),
    /// By a sparse vector.
    Expand(ExpandQuery),
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
    /// The part: the kind of query, `rrf`, `field`, `term`, `token`, or `word` for one that stands in a computed term's place.
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
    /// Named numbers behind the score: tf, idf, length, averageLength, impact, boost, weight.
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
    /// How each segment was searched, where that is the index's choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<SegmentStep>>")]
    pub segments: Vec<SegmentStep>,
}

/// How one segment was searched for the nearest vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SegmentStep {
    /// Its position, the oldest first.
    pub segment: u32,
    /// `scan`, `graph`, `filtered graph` or `lists`.
    pub path: String,
    /// Whether its answer is exact.
    pub exact: bool,
    /// Vectors compared with the query.
    #[ts(type = "number")]
    pub vectors_scored: u64,
    /// Nodes of a graph whose links were followed.
    #[ts(type = "number")]
    pub hops: u64,
}

/// How the page came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PageExplain {
    /// The steps, in order.
    pub plan: Vec<PlanStep>,
    /// Work done: `vectorsScored`, `hops`, `postingsScored`, `segments`, `documents`, `allowed`.
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
    /// True when every ranking is the true one: no approximate walk took part.
    pub exact: bool,
    /// False when a time limit ended a search before its end; absent otherwise.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    #[ts(optional, as = "Option<_>")]
    pub complete: bool,
    /// How the page came about, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub explain: Option<PageExplain>,
}
