//! A collection's folder: `LOCK`, the manifest, segments (`NNNNNNNNNN.seg`) and tombstones (`NNNNNNNNNN.del`).
//!
//! The manifest's payload is JSON: the schema, the next free file number and the segments, oldest first. File names
//! are never reused, so a half-written file of a crashed flush is never mistaken for a good one; it is removed when a
//! writer opens the folder.

use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tercet_index::Bitmap;
use tercet_store::{Env, MemoryEnv, SectionFile, SectionFileWriter, join, read_manifest, write_manifest};

use super::{Collection, Part, Snapshot, Writer, merging};
use crate::api::Control;
use crate::schema::Schema;
use crate::segment::Segment;
use crate::wire::{Code, OpenReply, OpenRequest, TercetError};

/// The path that stands for no folder at all.
const MEMORY: &str = ":memory:";
/// The version of the manifest's payload.
const LAYOUT: u32 = 1;
const TOMBSTONES: &str = "tombstones";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    layout: u32,
    schema: Value,
    next_file: u64,
    segments: Vec<ManifestSegment>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestSegment {
    file: String,
    rows: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tombstones: Option<String>,
}

/// Opens or makes a collection.
pub(crate) fn open(
    env: &Arc<dyn Env>,
    request: &OpenRequest,
) -> Result<(Arc<Collection>, OpenReply), TercetError> {
    let given = request.schema.as_ref().map(Schema::parse).transpose()?;
    if request.path == MEMORY {
        let schema = given.ok_or_else(|| needs_schema(MEMORY))?;
        let collection =
            Collection::assemble(Arc::new(MemoryEnv::new()), None, false, schema, Vec::new(), None, 1);
        return Ok(opened(collection, true));
    }
    let dir = match request.path.trim_end_matches('/') {
        "" if request.path.is_empty() => {
            return Err(TercetError::new(Code::Argument, "the path is empty")
                .expected("a folder or :memory:", "an empty string"));
        }
        "" => "/",
        path => path,
    };
    // The manifest is looked at before anything is made or locked, so that a refusal leaves no trace.
    let existing = read(env.as_ref(), dir)?;
    if existing.is_none() && (!request.create || request.read_only) {
        return Err(TercetError::new(Code::NotFound, format!("there is no collection in {dir}")).file(dir));
    }
    if existing.is_none() && given.is_none() {
        return Err(needs_schema(dir));
    }
    if let Some((_, stored)) = &existing {
        compare(given.as_ref(), stored, dir)?;
    }
    let lock = if request.read_only {
        None
    } else {
        env.create_dir_all(dir)?;
        Some(env.lock(&join(dir, "LOCK"))?)
    };
    // Read again under the lock: another writer may have finished in between.
    match read(env.as_ref(), dir)? {
        Some((manifest, schema)) => {
            compare(given.as_ref(), &schema, dir)?;
            let parts = read_parts(env.as_ref(), dir, &schema, &manifest)?;
            let collection = Collection::assemble(
                env.clone(),
                Some(dir),
                request.read_only,
                schema,
                parts,
                lock,
                manifest.next_file,
            );
            if !request.read_only {
                collection.sweep(dir, &collection.current().parts)?;
            }
            Ok(opened(collection, false))
        }
        None => {
            let schema = given.ok_or_else(|| needs_schema(dir))?;
            let collection = Collection::assemble(env.clone(), Some(dir), false, schema, Vec::new(), lock, 1);
            collection.write_manifest(dir, &[], 1)?;
            Ok(opened(collection, true))
        }
    }
}

fn needs_schema(path: &str) -> TercetError {
    TercetError::new(
        Code::Schema,
        format!("there is no collection in {path} yet, and making one needs a schema"),
    )
    .expected("a schema", "none")
}

fn opened(collection: Collection, created: bool) -> (Arc<Collection>, OpenReply) {
    let reply =
        OpenReply { schema: collection.schema.spec(), created, documents: collection.current().documents() };
    (Arc::new(collection), reply)
}

fn compare(given: Option<&Schema>, stored: &Schema, dir: &str) -> Result<(), TercetError> {
    match given.and_then(|schema| schema.difference(stored)) {
        Some((field, difference)) => Err(TercetError::new(
            Code::Schema,
            format!("the schema differs from the one stored in {dir}: {difference}"),
        )
        .field(field)
        .file(dir)),
        None => Ok(()),
    }
}

fn read(env: &dyn Env, dir: &str) -> Result<Option<(Manifest, Schema)>, TercetError> {
    let Some(payload) = read_manifest(env, dir)? else {
        return Ok(None);
    };
    let corrupt = |what: String| {
        TercetError::new(Code::Corrupt, format!("the manifest of {dir} cannot be read: {what}")).file(dir)
    };
    let manifest: Manifest = serde_json::from_slice(&payload).map_err(|e| corrupt(e.to_string()))?;
    if manifest.layout > LAYOUT {
        return Err(TercetError::new(
            Code::Version,
            format!("{dir} was written by a newer version of tercet"),
        )
        .file(dir)
        .expected(format!("layout {LAYOUT} or older"), format!("layout {}", manifest.layout)));
    }
    let schema = Schema::parse(&manifest.schema).map_err(|e| corrupt(e.to_string()))?;
    Ok(Some((manifest, schema)))
}

fn read_parts(
    env: &dyn Env,
    dir: &str,
    schema: &Schema,
    manifest: &Manifest,
) -> Result<Vec<Part>, TercetError> {
    manifest
        .segments
        .iter()
        .map(|entry| {
            let path = join(dir, &entry.file);
            let segment = Segment::open(schema, env, &path)?;
            if segment.rows != entry.rows {
                return Err(TercetError::new(
                    Code::Corrupt,
                    format!("{path}: the manifest says {} rows, the file {}", entry.rows, segment.rows),
                )
                .file(path)
                .expected(format!("{} rows", entry.rows), format!("{} rows", segment.rows)));
            }
            let part = Part::new(segment, Some(entry.file.clone()));
            match &entry.tombstones {
                None => Ok(part),
                Some(name) => Ok(Part {
                    tombstones: Some(name.clone()),
                    ..part.without(&read_tombstones(env, &join(dir, name), entry.rows)?)
                }),
            }
        })
        .collect()
}

fn read_tombstones(env: &dyn Env, path: &str, rows: u32) -> Result<Bitmap, TercetError> {
    let file = SectionFile::open(env, path)?;
    file.expect_kind(TOMBSTONES)?;
    let bytes = file.section("rows")?;
    let words = bytes
        .chunks_exact(8)
        .map(|w| u64::from_le_bytes([w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]]))
        .collect();
    Bitmap::from_words(rows, words)
        .map_err(|e| TercetError::new(Code::Corrupt, format!("{path}: {e}")).file(path))
}

impl Collection {
    fn assemble(
        env: Arc<dyn Env>,
        dir: Option<&str>,
        read_only: bool,
        schema: Schema,
        parts: Vec<Part>,
        lock: Option<Box<dyn tercet_store::LockGuard>>,
        next_file: u64,
    ) -> Collection {
        let schema = Arc::new(schema);
        Collection {
            env,
            dir: dir.map(str::to_owned),
            read_only,
            schema: schema.clone(),
            snapshot: RwLock::new(Arc::new(Snapshot { schema, parts })),
            writer: Mutex::new(Writer { lock, next_file, changed: false }),
            closed: false.into(),
        }
    }

    /// Writes what has no file, then the manifest, then removes what it no longer names.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        parts: Vec<Part>,
        control: &Control,
    ) -> Result<Vec<Part>, TercetError> {
        let Some(dir) = self.dir.as_deref() else {
            writer.changed = false;
            return Ok(parts);
        };
        let mut parts = merging::gather(&self.schema, parts, control)?;
        for part in &mut parts {
            if part.file.is_none() {
                let name = next_name(writer, "seg");
                part.segment.write(self.env.as_ref(), &join(dir, &name))?;
                part.file = Some(name);
            }
            if let (Some(live), None) = (&part.live, &part.tombstones) {
                let mut gone = Bitmap::clone(live);
                gone.not();
                let bytes: Vec<u8> = gone.words().iter().flat_map(|w| w.to_le_bytes()).collect();
                let name = next_name(writer, "del");
                let mut file = SectionFileWriter::new(TOMBSTONES);
                file.add("rows", bytes);
                file.finish(self.env.as_ref(), &join(dir, &name))?;
                part.tombstones = Some(name);
            }
        }
        self.write_manifest(dir, &parts, writer.next_file)?;
        writer.changed = false;
        self.sweep(dir, &parts)?;
        Ok(parts)
    }

    fn write_manifest(&self, dir: &str, parts: &[Part], next_file: u64) -> Result<(), TercetError> {
        let segments = parts
            .iter()
            .filter_map(|part| {
                Some(ManifestSegment {
                    file: part.file.clone()?,
                    rows: part.segment.rows,
                    tombstones: part.tombstones.clone(),
                })
            })
            .collect();
        let internal = |e: serde_json::Error| {
            TercetError::new(Code::Internal, format!("the manifest could not be written as JSON: {e}"))
        };
        let schema = serde_json::to_value(self.schema.spec()).map_err(internal)?;
        let payload = serde_json::to_vec(&Manifest { layout: LAYOUT, schema, next_file, segments })
            .map_err(internal)?;
        self.env.sync_dir(dir)?;
        Ok(write_manifest(self.env.as_ref(), dir, &payload)?)
    }

    /// Removes files of ours that no part names: merged away, or left by a crash.
    fn sweep(&self, dir: &str, parts: &[Part]) -> Result<(), TercetError> {
        for name in self.env.list(dir)? {
            let ours = name.strip_suffix(".seg").or_else(|| name.strip_suffix(".del"));
            let ours = ours.is_some_and(|stem| stem.len() == 10 && stem.bytes().all(|b| b.is_ascii_digit()));
            let named = parts
                .iter()
                .any(|p| p.file.as_deref() == Some(&name) || p.tombstones.as_deref() == Some(&name));
            if ours && !named {
                self.env.remove(&join(dir, &name))?;
            }
        }
        Ok(())
    }

    /// The folder and the files that the last manifest names.
    pub(super) fn files(&self) -> Vec<String> {
        let Some(dir) = self.dir.as_deref() else {
            return Vec::new();
        };
        let parts = &self.current().parts;
        parts
            .iter()
            .flat_map(|p| [p.file.as_ref(), p.tombstones.as_ref()])
            .flatten()
            .map(|name| join(dir, name))
            .collect()
    }
}

fn next_name(writer: &mut Writer, suffix: &str) -> String {
    let number = writer.next_file;
    writer.next_file += 1;
    format!("{number:010}.{suffix}")
}
