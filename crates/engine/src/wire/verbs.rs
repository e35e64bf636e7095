//! Requests and replies of the other verbs of a collection.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::Curve;

/// A document's id: 1 and "1" are different.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum Id {
    /// A safe integer.
    Number(#[ts(type = "number")] i64),
    /// A string of 1 to 512 bytes.
    Text(String),
}

impl From<Id> for Value {
    fn from(id: Id) -> Value {
        match id {
            Id::Number(number) => number.into(),
            Id::Text(text) => text.into(),
        }
    }
}

/// `stage` on a batch: checks and indexes documents without showing them yet. Chunks may be staged side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StageRequest {
    /// The chunk's place in the batch, from 0; chunks are committed in this order.
    pub chunk: u32,
    /// Position of the chunk's first document in the call, for messages.
    #[ts(type = "number")]
    pub first: u64,
    /// The documents.
    #[ts(type = "Record<string, unknown>[]")]
    pub documents: Vec<Value>,
}

/// `commit` on a batch: all of it becomes visible at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CommitReply {
    /// Documents written.
    #[ts(type = "number")]
    pub written: u64,
    /// How many of them replaced an older one.
    #[ts(type = "number")]
    pub replaced: u64,
}

/// `remove`: ids that are not there are not an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct IdsRequest {
    /// The ids.
    #[ts(type = "(string | number)[]")]
    pub ids: Vec<Value>,
}

/// `get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The ids.
    #[ts(type = "(string | number)[]")]
    pub ids: Vec<Value>,
    /// Fields to return; every field when absent, vectors too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub select: Option<Vec<String>>,
}

/// Documents in the order of the ids; null where there is none. Vectors as `{ "$vector": n }` into the arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct GetReply {
    /// One a requested id.
    #[ts(type = "(Record<string, unknown> | null)[]")]
    pub documents: Vec<Value>,
}

/// How many documents went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct RemoveReply {
    /// Documents removed.
    #[ts(type = "number")]
    pub removed: u64,
}

/// `removeWhere` (filter required) and `count`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct WhereRequest {
    /// The filter.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "Record<string, unknown>")]
    pub filter: Option<Value>,
}

/// `count`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct CountReply {
    /// Live documents that match.
    #[ts(type = "number")]
    pub count: u64,
}

/// What one field costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FieldStats {
    /// The kind of field.
    #[serde(rename = "type")]
    pub kind: String,
    /// Live documents that have it.
    #[ts(type = "number")]
    pub documents: u64,
    /// Bytes of its sections over all segments, on disk or not.
    #[ts(type = "number")]
    pub bytes: u64,
    /// How many of them are held in memory because no segment file has them yet.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// What `tune` measured, a curve a `k`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<Vec<Curve>>")]
    pub curves: Vec<Curve>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SegmentStats {
    /// File name; absent while the segment is only in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file: Option<String>,
    /// Rows, deleted ones included.
    #[ts(type = "number")]
    pub rows: u64,
    /// Deleted rows.
    #[ts(type = "number")]
    pub deleted: u64,
    /// Bytes.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// `stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct StatsReply {
    /// Live documents.
    #[ts(type = "number")]
    pub documents: u64,
    /// Deleted rows whose bytes are not yet freed.
    #[ts(type = "number")]
    pub deleted: u64,
    /// Bytes of stored documents and ids.
    #[ts(type = "number")]
    pub document_bytes: u64,
    /// Bytes of all segments, on disk or not.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes held in memory: segments without a file, sets of rows, norms for words. Mapped files are not counted.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// Bytes of all files of the collection, those of kept versions too.
    #[ts(type = "number")]
    pub disk_bytes: u64,
    /// Bytes of the log.
    #[ts(type = "number")]
    pub log_bytes: u64,
    /// The version that is seen.
    #[ts(type = "number")]
    pub version: u64,
    /// Whether there are changes that are in no segment file yet (in the log, with a folder).
    pub unflushed: bool,
    /// A field each.
    #[ts(type = "Record<string, FieldStats>")]
    pub fields: IndexMap<String, FieldStats>,
    /// The segments, oldest first.
    pub segments: Vec<SegmentStats>,
}

/// `verify`: every checksum was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReply {
    /// Files checked.
    #[ts(type = "number")]
    pub files: u64,
    /// Bytes checked.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Everything that is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// Damage that `verify` found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The section of it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub section: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// `compact`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CompactReply {
    /// Bytes before.
    #[ts(type = "number")]
    pub bytes_before: u64,
    /// Bytes after.
    #[ts(type = "number")]
    pub bytes_after: u64,
    /// Deleted rows dropped.
    #[ts(type = "number")]
    pub dropped: u64,
}

/// `info` on the root handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct InfoReply {
    /// The core's version.
    pub version: String,
    /// The instruction set in use.
    pub isa: String,
    /// All instruction sets that this machine has kernels for.
    pub available: Vec<String>,
    /// Why TERCET_ISA was not followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub isa_error: Option<String>,
    /// Analyzer names.
    pub analyzers: Vec<String>,
    /// Metric names.
    pub metrics: Vec<String>,
    /// Dense index kinds.
    pub dense_kinds: Vec<String>,
    /// Format version written.
    pub format: u32,
}
