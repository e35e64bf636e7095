//! Versions, snapshots in one file, and repair.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `flush`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct FlushReply {
    /// The version that holds everything now.
    #[ts(type = "number")]
    pub version: u64,
}

/// `refresh` on a collection that is open for reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct RefreshReply {
    /// Whether there was anything new.
    pub changed: bool,
    /// The version that is seen now.
    #[ts(type = "number")]
    pub version: u64,
}

/// `versions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct VersionsReply {
    /// Oldest first.
    pub versions: Vec<VersionInfo>,
}

/// One version that can be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// Its number.
    #[ts(type = "number")]
    pub version: u64,
    /// When it was written, in milliseconds since 1970.
    #[ts(type = "number")]
    pub created_ms: u64,
    /// Live documents.
    #[ts(type = "number")]
    pub documents: u64,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is the newest.
    pub current: bool,
}

/// `tag` and `untag`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// The tag: 1 to 200 bytes, not a number.
    pub name: String,
}

/// `tag`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct TagReply {
    /// The version that has the tag now.
    #[ts(type = "number")]
    pub version: u64,
}

/// `untag`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct UntagReply {
    /// Whether the tag was there.
    pub removed: bool,
}

/// `export`: without a path the snapshot comes back in the arrays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// A new file; ERR_EXISTS if something stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub path: Option<String>,
}

/// `export`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ExportReply {
    /// The snapshot's length.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Documents in it.
    #[ts(type = "number")]
    pub documents: u64,
    /// The version it was made of.
    #[ts(type = "number")]
    pub version: u64,
}

/// `import` on the root handle: makes a collection of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The snapshot's file; absent when its bytes are in the arrays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub from: Option<String>,
    /// The new collection's folder; ERR_EXISTS if there is a collection.
    pub path: String,
}

/// `import`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ImportReply {
    /// Documents in the new collection.
    #[ts(type = "number")]
    pub documents: u64,
    /// Bytes written.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// `repair` on the root handle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RepairRequest {
    /// The folder.
    pub path: String,
}

/// `repair`: what was done. Damaged files stay beside the others under another name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct RepairReply {
    /// What was done, in order; empty when nothing was wrong.
    pub actions: Vec<String>,
    /// Documents afterwards.
    #[ts(type = "number")]
    pub documents: u64,
    /// Documents that could not be read.
    #[ts(type = "number")]
    pub lost: u64,
    /// Whether the collection can be opened and verified now.
    pub ok: bool,
}
