//! A collection's folder: `LOCK`, the manifest, segments (`NNNNNNNNNN.seg`) and tombstones (`NNNNNNNNNN.del`).
//!
//! The manifest's payload is JSON: the schema, the next free file number and the segments, oldest first. File names
//! are never reused, so a half-written file of a crashed flush is never mistaken for a good one; it is removed when a
//! writer opens the folder. Removing is tidying: a file that resists is tried again at the next flush, and nothing
//! else fails for it.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tercet_index::{Bitmap, array_bytes};
use tercet_store::{Env, MemoryEnv, SectionFile, SectionFileWriter, join, read_manifest, write_manifest};

use super::{Collection, Part, Snapshot, Writer};
use crate::error::index_error;
use crate::schema::Schema;
use crate::sections::{self, Within};
use crate::segment::Segment;
use crate::wire::{Code, OpenReply, OpenRequest, TercetError, shown};

/// The path that stands for no folder at all.
const MEMORY: &str = ":memory:";
/// The version of the manifest's payload.
const LAYOUT: u32 = 1;
const TOMBSTONES: &str = "tombstones";
/// File numbers above this can only come from damage; they still count up without overflow.
const NEXT_FILE_MAX: u64 = 1 << 53;
/// How often a reader begins anew when a writer replaces the files that it is opening.
const READ_TRIES: usize = 10;

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    layout: u32,
    schema: Value,
    next_file: u64,
    segments: Vec<ManifestSegment>,
}

#[derive(PartialEq, Serialize, Deserialize)]
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
    match read_whole(env.as_ref(), dir, if request.read_only { READ_TRIES } else { 1 })? {
        Some((manifest, schema, parts)) => {
            compare(given.as_ref(), &schema, dir)?;
            let (read_only, next_file) = (request.read_only, manifest.next_file);
            let collection =
                Collection::assemble(env.clone(), Some(dir), read_only, schema, parts, lock, next_file);
            // What a crash left may be removed only when the manifest that does not name it is on the disk for good.
            if !read_only && env.sync_dir(dir).is_ok() {
                collection.sweep(dir);
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

/// The manifest and the parts that it names. Without the lock a writer may remove files in between: then the manifest
/// has changed, and is read again.
fn read_whole(
    env: &dyn Env,
    dir: &str,
    tries: usize,
) -> Result<Option<(Manifest, Schema, Vec<Part>)>, TercetError> {
    let mut left = tries;
    loop {
        left -= 1;
        let Some((manifest, schema)) = read(env, dir)? else {
            return Ok(None);
        };
        match read_parts(env, dir, &schema, &manifest) {
            Ok(parts) => return Ok(Some((manifest, schema, parts))),
            Err(error) => match read(env, dir)? {
                Some((now, _)) if left > 0 && now != manifest => {}
                _ => return Err(error),
            },
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
    let reply = OpenReply {
        schema: collection.schema.spec(),
        created,
        documents: collection.current().documents(),
        version: 0,
        read_only: collection.read_only,
        recovered: None,
    };
    (Arc::new(collection), reply)
}

fn compare(given: Option<&Schema>, stored: &Schema, dir: &str) -> Result<(), TercetError> {
    match given.and_then(|schema| schema.difference(stored)) {
        Some((field, difference)) => Err(TercetError::new(
            Code::Schema,
            format!("the schema differs from the one stored in {dir}: {difference}"),
        )
        .field(field)
        .file(dir)
        .expected("the stored schema", "another")),
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
    check_names(&manifest).map_err(corrupt)?;
    let schema = Schema::parse(&manifest.schema).map_err(|e| corrupt(e.to_string()))?;
    Ok(Some((manifest, schema)))
}

/// Whether a name is one that [`next_name`] gives: ten digits or more, and the ending. Nothing else is ever opened or
/// removed, so that a damaged manifest leads to no other file.
fn is_name(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|number| number.len() >= 10 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Every name is one of ours, below the next number, and there once.
fn check_names(manifest: &Manifest) -> Result<(), String> {
    if manifest.layout == 0 || manifest.next_file > NEXT_FILE_MAX {
        return Err(format!("layout {}, next file {}", manifest.layout, manifest.next_file));
    }
    let mut seen = HashSet::new();
    for entry in &manifest.segments {
        let tombstones = entry.tombstones.as_ref().map(|name| (name, ".del"));
        for (name, suffix) in [(&entry.file, ".seg")].into_iter().chain(tombstones) {
            let number = name.trim_end_matches(suffix).parse().unwrap_or(u64::MAX);
            if !is_name(name, suffix) || number >= manifest.next_file {
                return Err(format!("{} is not the name of a file of this collection", shown(&json!(name))));
            }
            if !seen.insert(name) {
                return Err(format!("{name} is named twice"));
            }
        }
    }
    Ok(())
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
            let segment = Segment::open(schema, env, &path).map_err(missing)?;
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
                    ..part.without(&read_tombstones(env, &join(dir, name), entry.rows).map_err(missing)?)
                }),
            }
        })
        .collect()
}

/// A file that the manifest names and that is not there is damage: the collection itself was found.
fn missing(mut error: TercetError) -> TercetError {
    if error.code() == Code::NotFound {
        error.0.code = Code::Corrupt;
        error.0.message = format!("the manifest names a file that is not there: {}", error.0.message);
    }
    error
}

fn read_tombstones(env: &dyn Env, path: &str, rows: u32) -> Result<Bitmap, TercetError> {
    let file = SectionFile::open(env, path)?;
    file.expect_kind(TOMBSTONES)?;
    sections::bitmap(&Within::whole(&file), "rows", rows).map_err(|e| index_error(e, path))
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
            writer: Mutex::new(Writer { lock, next_file }),
            changed: false.into(),
            closed: false.into(),
        }
    }

    /// Makes these parts the collection's: writes what has no file, then the manifest, then shows the parts, then removes
    /// the files that are no longer named. An error has changed nothing that can be seen.
    pub(super) fn write(&self, writer: &mut Writer, mut parts: Vec<Part>) -> Result<(), TercetError> {
        if let Some(dir) = self.dir.as_deref() {
            // Until this is through nobody knows which manifest the disk shows: the next flush must write one.
            self.changed.store(true, Ordering::Release);
            for part in &mut parts {
                self.write_part(writer, dir, part)?;
            }
            self.write_manifest(dir, &parts, writer.next_file)?;
        }
        self.changed.store(false, Ordering::Release);
        self.publish(parts);
        self.dir.iter().for_each(|dir| self.sweep(dir));
        Ok(())
    }

    fn write_part(&self, writer: &mut Writer, dir: &str, part: &mut Part) -> Result<(), TercetError> {
        if part.file.is_none() {
            let name = next_name(writer, "seg");
            part.segment.write(self.env.as_ref(), &join(dir, &name))?;
            part.file = Some(name);
        }
        if let (Some(live), None) = (&part.live, &part.tombstones) {
            let mut gone = Bitmap::clone(live);
            gone.not();
            let name = next_name(writer, "del");
            let mut file = SectionFileWriter::new(TOMBSTONES);
            file.add("rows", array_bytes(gone.words()).map_err(|e| index_error(e, &name))?);
            file.finish(self.env.as_ref(), &join(dir, &name))?;
            part.tombstones = Some(name);
        }
        Ok(())
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
        Ok(write_manifest(self.env.as_ref(), dir, &payload)?)
    }

    /// Removes files of ours that no part names: merged away, or left by a crash.
    fn sweep(&self, dir: &str) {
        let current = self.current();
        let named: HashSet<&String> =
            current.parts.iter().flat_map(|p| [&p.file, &p.tombstones]).flatten().collect();
        for name in self.env.list(dir).unwrap_or_default() {
            if (is_name(&name, ".seg") || is_name(&name, ".del")) && !named.contains(&name) {
                let _ = self.env.remove(&join(dir, &name));
            }
        }
    }

    /// The paths of the files that the last manifest names.
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
