//! The manifest's payload: the states of a collection that can be opened, the newest last.
//!
//! A *state* is a list of segment files with their tombstones under a schema: one version. The newest state may be
//! continued by a log; older ones stay as long as they are retained (see `versions.rs`). JSON, described in
//! `docs/format.md`.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tercet_store::{Env, MANIFEST, read_manifest_named, write_manifest};

use super::FieldCurves;
use crate::schema::{Schema, vocabularies_of};
use crate::wire::{Code, TercetError, VersionName, Vocabularies, shown};

/// The version of the payload.
const LAYOUT: u32 = 1;
/// Numbers above this can only come from damage; they still count up without overflow.
const NUMBER_MAX: u64 = 1 << 53;

/// All that the manifest says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    layout: u32,
    pub(crate) next_file: u64,
    /// The log that continues the newest state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<LogName>,
    /// Oldest first; the last is the newest. Never empty.
    pub(crate) states: Vec<State>,
    /// Tags and the versions that they name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, u64>,
}

/// A log file and the number in its header, so that a log of another time is never taken for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogName {
    pub(crate) file: String,
    pub(crate) identity: u64,
}

/// What stands in the file.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    /// By the keys of their fields, which no other field ever takes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vocabularies: Vocabularies,
}

/// One version.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub(crate) version: u64,
    pub(crate) created_ms: u64,
    /// When a newer state took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced_ms: Option<u64>,
    pub(crate) schema: Value,
    /// Field names to keys, where they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) keys: BTreeMap<String, String>,
    /// Keys of dropped fields: segments may still hold them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) retired_keys: Vec<String>,
    /// The words of its sparse fields, by key. In the file those of all states stand in one place.
    #[serde(skip)]
    pub(crate) vocabularies: Vocabularies,
    /// What `tune` measured, by the keys of dense fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) curves: FieldCurves,
    /// Oldest first.
    pub(crate) segments: Vec<SegmentEntry>,
}

/// One segment of a state.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentEntry {
    pub(crate) file: String,
    /// The file's last four bytes: another file under its name is not it.
    pub(crate) seal: u32,
    pub(crate) rows: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) deleted: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tombstones: Option<Tombstones>,
}

/// A file of tombstones.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstones {
    pub(crate) file: String,
    pub(crate) seal: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl State {
    /// Live documents in its segments.
    pub(crate) fn documents(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.rows.saturating_sub(s.deleted))).sum()
    }

    /// The names of its files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        self.sealed_files().map(|(file, _)| file)
    }

    /// The names of its files and their seals.
    pub(crate) fn sealed_files(&self) -> impl Iterator<Item = (&String, u32)> {
        self.segments.iter().flat_map(|s| {
            std::iter::once((&s.file, s.seal)).chain(s.tombstones.iter().map(|t| (&t.file, t.seal)))
        })
    }

    /// Its schema. One that cannot be is damage of the manifest of `dir`.
    pub(crate) fn schema(&self, dir: &str) -> Result<Schema, TercetError> {
        let words = Some(&self.vocabularies);
        Schema::stored(&self.schema, &self.keys, &self.retired_keys, words).map_err(|mut error| {
            error.0.message =
                format!("the manifest of {dir} has no schema that can be one: {}", error.0.message);
            error.0.code = Code::Corrupt;
            error.file(dir)
        })
    }
}

impl Manifest {
    /// The manifest of a new collection.
    pub(crate) fn new(schema: &Schema, now_ms: u64) -> Result<Manifest, TercetError> {
        let state = State {
            version: 1,
            created_ms: now_ms,
            replaced_ms: None,
            schema: schema.to_json()?,
            keys: schema.keys(),
            retired_keys: schema.retired.clone(),
            vocabularies: schema.vocabularies(),
            curves: FieldCurves::new(),
            segments: Vec::new(),
        };
        Ok(Manifest { layout: LAYOUT, next_file: 1, log: None, states: vec![state], tags: BTreeMap::new() })
    }

    /// What was measured of a new collection that begins with documents.
    pub(crate) fn first_curves(&mut self, curves: FieldCurves) {
        if let Some(state) = self.states.last_mut() {
            state.curves = curves;
        }
    }

    /// The one segment of a new collection that begins with one.
    pub(crate) fn first_segment(&mut self, entry: SegmentEntry) {
        self.next_file += 1;
        if let Some(state) = self.states.last_mut() {
            state.segments.push(entry);
        }
    }

    /// Reads and checks the manifest of a folder; `None` where there is none.
    pub(crate) fn read(env: &dyn Env, dir: &str) -> Result<Option<Manifest>, TercetError> {
        Manifest::read_named(env, dir, MANIFEST)
    }

    /// The same of a manifest under another name.
    pub(crate) fn read_named(env: &dyn Env, dir: &str, name: &str) -> Result<Option<Manifest>, TercetError> {
        let Some(payload) = read_manifest_named(env, dir, name)? else {
            return Ok(None);
        };
        let corrupt = |what: String| {
            TercetError::new(Code::Corrupt, format!("the manifest of {dir} cannot be read: {what}")).file(dir)
        };
        // The layout is looked at alone first: a newer one may have any other fields.
        let mut value: Value = serde_json::from_slice(&payload).map_err(|e| corrupt(e.to_string()))?;
        let layout = value.get("layout").and_then(Value::as_u64).unwrap_or(0);
        if layout > LAYOUT.into() {
            let message = format!("{dir} was written by a newer version of tercet");
            return Err(TercetError::new(Code::Version, message)
                .file(dir)
                .expected(format!("layout {LAYOUT} or older"), format!("layout {layout}")));
        }
        let words = value.as_object_mut().and_then(|object| object.remove("vocabularies"));
        let vocabularies: Vocabularies = words
            .map(serde_json::from_value)
            .transpose()
            .map_err(|e| corrupt(e.to_string()))?
            .unwrap_or_default();
        let mut manifest: Manifest = serde_json::from_value(value).map_err(|e| corrupt(e.to_string()))?;
        manifest.check().map_err(corrupt)?;
        for state in &mut manifest.states {
            let named = vocabularies_of(&state.schema);
            state.vocabularies =
                named.filter_map(|key| Some((key.to_owned(), vocabularies.get(key)?.clone()))).collect();
        }
        Ok(Some(manifest))
    }

    /// Replaces the manifest of a folder, durably.
    pub(crate) fn write(&self, env: &dyn Env, dir: &str) -> Result<(), TercetError> {
        let of_state = |state: &State| state.vocabularies.clone();
        let stored = Stored { manifest: self, vocabularies: self.states.iter().flat_map(of_state).collect() };
        let payload = serde_json::to_vec(&stored).map_err(|e| {
            TercetError::new(Code::Internal, format!("the manifest could not be written as JSON: {e}"))
        })?;
        Ok(write_manifest(env, dir, &payload)?)
    }

    /// The newest state.
    pub(crate) fn newest(&self) -> &State {
        // `check` and `new` leave at least one.
        &self.states[self.states.len() - 1]
    }

    /// The state of a version or a tag.
    pub(crate) fn find(&self, name: &VersionName) -> Option<&State> {
        let version = match name {
            VersionName::Number(version) => *version,
            VersionName::Tag(tag) => *self.tags.get(tag)?,
        };
        self.states.iter().find(|state| state.version == version)
    }

    /// The names of all files of all states, and of the log.
    pub(crate) fn files(&self) -> HashSet<&String> {
        self.states.iter().flat_map(State::files).chain(self.log.iter().map(|log| &log.file)).collect()
    }

    /// The tags of a version.
    pub(crate) fn tags_of(&self, version: u64) -> Vec<String> {
        self.tags.iter().filter(|(_, of)| **of == version).map(|(tag, _)| tag.clone()).collect()
    }

    /// Every name is one of ours and below the next number; no state names a file twice; versions rise.
    fn check(&self) -> Result<(), String> {
        if self.layout == 0 || self.next_file > NUMBER_MAX || self.states.is_empty() {
            return Err(format!(
                "layout {}, next file {}, {} states",
                self.layout,
                self.next_file,
                self.states.len()
            ));
        }
        let known = |name: &String, suffix: &str| match file_number(name, suffix) {
            Some(number) if number < self.next_file => Ok(()),
            _ => Err(format!("{} is not the name of a file of this collection", shown(&json!(name)))),
        };
        let mut before = 0;
        for state in &self.states {
            if state.version <= before || state.version > NUMBER_MAX {
                return Err(format!("version {} after {before}", state.version));
            }
            before = state.version;
            let mut seen = HashSet::new();
            for entry in &state.segments {
                known(&entry.file, ".seg")?;
                entry.tombstones.iter().try_for_each(|of| known(&of.file, ".del"))?;
                if entry.deleted > entry.rows {
                    return Err(format!(
                        "{} has {} of {} rows deleted",
                        entry.file, entry.deleted, entry.rows
                    ));
                }
            }
            if let Some(name) = state.files().find(|name| !seen.insert(*name)) {
                return Err(format!("{name} is named twice"));
            }
        }
        self.log.iter().try_for_each(|log| known(&log.file, ".log"))?;
        match self.tags.iter().find(|(_, version)| !self.states.iter().any(|s| s.version == **version)) {
            Some((tag, version)) => Err(format!("tag {} names version {version}", shown(&json!(tag)))),
            None => Ok(()),
        }
    }
}

/// The number of a file name that is one of ours: ten digits or more, and the ending. Nothing else is ever opened or
/// removed, so that a damaged manifest leads to no other file.
pub(crate) fn file_number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    let ours = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    ours.then(|| digits.parse().ok()).flatten().filter(|number| *number < NUMBER_MAX)
}

/// The number of a file of any of our kinds.
pub(crate) fn any_file_number(name: &str) -> Option<u64> {
    [".seg", ".del", ".log"].iter().find_map(|suffix| file_number(name, suffix))
}

/// The name of a file.
pub(crate) fn file_name(number: u64, suffix: &str) -> String {
    format!("{number:010}{suffix}")
}
