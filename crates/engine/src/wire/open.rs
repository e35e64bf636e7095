//! Opening a collection.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use super::SchemaSpec;

/// `open` on the root handle; answers with a collection handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OpenRequest {
    /// A folder, or `:memory:`.
    pub path: String,
    /// The schema; needed to create, compared when the collection exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "SchemaSpec")]
    pub schema: Option<Value>,
    /// Make the collection when it is not there (needs a schema). Default true.
    #[serde(default = "yes")]
    #[ts(optional, as = "Option<_>")]
    pub create: bool,
    /// Open without the writer's lock; verbs that write answer ERR_UNSUPPORTED.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub read_only: bool,
    /// When a batch is durable. Default `"commit"`.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub durability: Durability,
    /// What is checked before the first answer. Default `"lazy"`.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub verify: VerifyMode,
    /// A kept version by number or by tag, instead of the newest. Opens for reading only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub version: Option<VersionName>,
    /// For reading only: look for newer commits before a read, at most this often (milliseconds; 0: before every read).
    /// Absent: only when `refresh` is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub refresh_ms: Option<u64>,
    /// How long a version that a newer one replaced stays while the collection is open for writing, in milliseconds.
    /// Default 60,000.
    #[serde(default = "retain_ms")]
    #[ts(optional, as = "Option<f64>")]
    pub retain_ms: u64,
    /// Memory for staged batches and merges, in bytes, 33,554,432 or more. Default 536,870,912.
    #[serde(default = "memory_bytes")]
    #[ts(optional, as = "Option<f64>")]
    pub memory_bytes: u64,
    /// The length at which the log is turned into a segment, in bytes, 4,096 to 1,073,741,824. Default 16,777,216.
    #[serde(default = "log_bytes")]
    #[ts(optional, as = "Option<f64>")]
    pub log_bytes: u64,
    /// Changes of the stored schema, to arrive at the given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub evolve: Option<Evolve>,
}

fn yes() -> bool {
    true
}
fn retain_ms() -> u64 {
    60_000
}
fn memory_bytes() -> u64 {
    512 << 20
}
fn log_bytes() -> u64 {
    16 << 20
}

/// When a batch is durable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum Durability {
    /// When its promise resolves.
    Commit(OnCommit),
    /// At most so many milliseconds later; a killed process loses nothing, a power cut at most that much.
    Interval(Interval),
}

impl Default for Durability {
    fn default() -> Self {
        Durability::Commit(OnCommit::Commit)
    }
}

/// The word of [`Durability::Commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum OnCommit {
    /// Every commit is durable by itself.
    Commit,
}

/// The interval of [`Durability::Interval`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Interval {
    /// Milliseconds, 1 to 2,147,483,647.
    #[ts(type = "number")]
    pub interval_ms: u64,
}

/// What opening checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum VerifyMode {
    /// Manifest, tables of contents and the log; the rest at first touch.
    #[default]
    Lazy,
    /// Every checksum and every structure: afterwards no damage on the disk can show as a wrong answer.
    Full,
}

/// A version by its number or one of its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum VersionName {
    /// The number.
    Number(#[ts(type = "number")] u64),
    /// A tag.
    Tag(String),
}

/// Steps from the stored schema to the given one: fields are dropped, then renamed, then added. Steps that were taken
/// before are no error, so a program may keep them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Evolve {
    /// Fields of the given schema that the stored one lacks; they must be optional.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<_>")]
    pub add: Vec<String>,
    /// Fields of the stored schema that go. Their bytes are freed by merges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[ts(optional, as = "Option<_>")]
    pub drop: Vec<String>,
    /// Old names to new ones.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[ts(optional, type = "Record<string, string>")]
    pub rename: IndexMap<String, String>,
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct OpenReply {
    /// The stored schema.
    pub schema: SchemaSpec,
    /// Whether it was made now.
    pub created: bool,
    /// Live documents.
    #[ts(type = "number")]
    pub documents: u64,
    /// The version that was opened.
    #[ts(type = "number")]
    pub version: u64,
    /// Whether verbs that write are refused.
    pub read_only: bool,
    /// What the log of an earlier writer gave back, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub recovered: Option<Recovered>,
}

/// What was replayed from the log of a writer that did not close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    /// Batches (upserts and removals) found whole.
    #[ts(type = "number")]
    pub batches: u64,
    /// Bytes of a batch that was being written and never acknowledged.
    #[ts(type = "number")]
    pub dropped_bytes: u64,
}
