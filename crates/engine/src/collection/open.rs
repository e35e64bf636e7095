//! Opening and making collections.
//!
//! A writer takes the lock, reads the manifest, opens its segments, replays the log, and makes a checkpoint of what the
//! log held: what an earlier process left half-done is settled before anything new begins. A reader does the same
//! without the lock and without writing; see `reader.rs`.

use std::sync::Arc;

use tercet_index::Bitmap;
use tercet_store::{Env, LockGuard, MemoryEnv, SectionFile, join, read_log};

use super::checkpoint::{TOMBSTONE_ROWS, TOMBSTONES};
use super::manifest::{Manifest, SegmentEntry, State, any_file_number};
use super::part::Part;
use super::reader;
use super::writer::{Log, Writer};
use super::{Collection, Options, Parts, Snapshot, record};
use crate::api::Executor;
use crate::error::index_error;
use crate::evolve::evolve;
use crate::schema::Schema;
use crate::sections::{self, Within};
use crate::segment::Segment;
use crate::snapshot::settle_unfinished;
use crate::wire::{Code, OpenReply, OpenRequest, Recovered, TercetError, VerifyMode};

/// The path that stands for no folder at all.
const MEMORY: &str = ":memory:";

/// How many numbers a crash may have used that no manifest knows of.
const NUMBERS_LEFT_MAX: u64 = 1 << 32;

/// A collection, and what is said about opening it.
pub(crate) type Opened = (Arc<Collection>, OpenReply);

/// Opens or makes a collection.
pub(crate) fn open(
    env: &Arc<dyn Env>,
    executor: Option<Arc<dyn Executor>>,
    request: &OpenRequest,
) -> Result<Opened, TercetError> {
    let given = request.schema.as_ref().map(Schema::parse).transpose()?;
    let options = Options::of(request)?;
    if request.path == MEMORY {
        let schema = given.ok_or_else(|| needs_schema(MEMORY))?;
        let collection = Collection::assemble(Parts {
            env: Arc::new(MemoryEnv::new()),
            dir: None,
            read_only: false,
            options,
            executor,
            snapshot: Snapshot::empty(schema, 0),
            writer: Writer::none(),
            reader: None,
        });
        return Ok(opened(collection, true, None));
    }
    let dir = folder(&request.path)?;
    // The manifest is looked at before anything is made or locked, so that a refusal leaves no trace.
    let existing = Manifest::read(env.as_ref(), dir)?;
    let read_only = request.read_only || request.version.is_some();
    if existing.is_none() && (!request.create || read_only) {
        return Err(TercetError::new(Code::NotFound, format!("there is no collection in {dir}")).file(dir));
    }
    if existing.is_none() && given.is_none() {
        return Err(needs_schema(dir));
    }
    if read_only {
        let (snapshot, reader) = reader::open(env, dir, request.version.as_ref())?;
        agree(&snapshot.schema, request, dir)?;
        if request.verify == VerifyMode::Full {
            verify_parts(&snapshot.parts)?;
        }
        let writer = Writer::none();
        let (dir, env) = (Some(dir.to_owned()), env.clone());
        let parts = Parts { env, dir, read_only, options, executor, snapshot, writer, reader: Some(reader) };
        return Ok(opened(Collection::assemble(parts), false, None));
    }
    if let Some(manifest) = &existing {
        target(&manifest.newest().schema(dir)?, given.as_ref(), request, dir)?;
    }
    env.create_dir_all(dir)?;
    let lock = env.lock(&join(dir, "LOCK"))?;
    // Read again under the lock: another writer may have finished in between.
    let Some(manifest) = Manifest::read(env.as_ref(), dir)? else {
        let schema = given.ok_or_else(|| needs_schema(dir))?;
        settle_unfinished(env.as_ref(), dir)?;
        let manifest = Manifest::new(&schema, env.now_ms())?;
        manifest.write(env.as_ref(), dir)?;
        let snapshot = Snapshot::empty(schema, 1);
        let writer = Writer::new(Some(lock), Some(manifest), Vec::new());
        let (dir, env) = (Some(dir.to_owned()), env.clone());
        let parts = Parts { env, dir, read_only, options, executor, snapshot, writer, reader: None };
        return Ok(opened(Collection::assemble(parts), true, None));
    };
    let next = target(&manifest.newest().schema(dir)?, given.as_ref(), request, dir)?;
    let full = request.verify == VerifyMode::Full;
    open_to_write(Folder { env, dir, executor, options }, manifest, lock, next, full)
}

/// Where a collection is to be opened, and how.
struct Folder<'a> {
    env: &'a Arc<dyn Env>,
    dir: &'a str,
    executor: Option<Arc<dyn Executor>>,
    options: Options,
}

/// `next` is the schema to change to.
fn open_to_write(
    folder: Folder<'_>,
    manifest: Manifest,
    lock: Box<dyn LockGuard>,
    next: Option<Schema>,
    full: bool,
) -> Result<Opened, TercetError> {
    let Folder { env, dir, executor, options } = folder;
    let schema = manifest.newest().schema(dir)?;
    let stored = read_parts(env.as_ref(), dir, &schema, manifest.newest(), &[])?;
    if full {
        verify_parts(&stored)?;
    }
    let replayed = replay_log(env.as_ref(), dir, &schema, &manifest, stored)?;
    let recovered = replayed.recovered.filter(|r| *r != Recovered { batches: 0, dropped_bytes: 0 });
    // What a crash left may be removed only when the manifest that does not name it is on the disk for good.
    env.sync_dir(dir)?;
    let snapshot = Snapshot {
        schema: Arc::new(schema),
        parts: replayed.parts.clone(),
        version: manifest.newest().version,
        curves: Arc::new(manifest.newest().curves.clone()),
    };
    let had_log = manifest.log.is_some();
    let mut writer = Writer::new(Some(lock), Some(manifest), replayed.parts.clone());
    writer.next_file = unused(env.as_ref(), dir, writer.next_file)?;
    if had_log {
        writer.log = Log::Lost;
    }
    let (folder, env) = (Some(dir.to_owned()), env.clone());
    let collection = Collection::assemble(Parts {
        env,
        dir: folder,
        read_only: false,
        options,
        executor,
        snapshot,
        writer,
        reader: None,
    });
    let mut writer = collection.lock_writer();
    match next.map(Arc::new) {
        Some(next) => {
            collection.checkpoint_as(&mut writer, replayed.parts, &next)?;
            collection.reopen_under(&mut writer, dir, &next)?;
        }
        None if had_log => collection.checkpoint(&mut writer, replayed.parts)?,
        None => collection.sweep(&mut writer, dir),
    }
    drop(writer);
    Ok(opened(collection, false, recovered))
}

impl Collection {
    /// Opens the newest state again, so that its segments are seen under `schema`.
    fn reopen_under(&self, writer: &mut Writer, dir: &str, schema: &Arc<Schema>) -> Result<(), TercetError> {
        if let Some(manifest) = &writer.manifest {
            let parts = read_parts(self.env.as_ref(), dir, schema, manifest.newest(), &[])?;
            writer.head.clone_from(&parts);
            let newest = manifest.newest();
            let (version, curves) = (newest.version, Arc::new(newest.curves.clone()));
            self.show(Snapshot { schema: schema.clone(), parts, version, curves });
        }
        Ok(())
    }
}

/// The first number from `next` on that no file has. What a crash left under a number that no manifest knows of may
/// resist being removed; numbers far off are no crash's.
pub(crate) fn unused(env: &dyn Env, dir: &str, next: u64) -> Result<u64, TercetError> {
    let near = next..next + NUMBERS_LEFT_MAX;
    let left = env.list(dir)?;
    let used =
        left.iter().filter_map(|name| any_file_number(name)).filter(|number| near.contains(number)).max();
    Ok(used.map_or(next, |number| number + 1))
}

/// The path of a folder, without what may stand behind it.
pub(crate) fn folder(path: &str) -> Result<&str, TercetError> {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => Err(TercetError::new(Code::Argument, "the path is empty")
            .expected("a folder or :memory:", "an empty string")),
        "" => Ok("/"),
        path => Ok(path),
    }
}

fn needs_schema(path: &str) -> TercetError {
    TercetError::new(
        Code::Schema,
        format!("there is no collection in {path} yet, and making one needs a schema"),
    )
    .expected("a schema", "none")
}

/// The reply to opening.
pub(crate) fn opened(collection: Arc<Collection>, created: bool, recovered: Option<Recovered>) -> Opened {
    let snapshot = collection.current();
    let reply = OpenReply {
        schema: snapshot.schema.spec(),
        created,
        documents: snapshot.documents(),
        version: snapshot.version,
        read_only: collection.read_only,
        recovered,
    };
    (collection, reply)
}

/// The schema that the collection is to have after opening, where it differs from the stored one.
fn target(
    stored: &Schema,
    given: Option<&Schema>,
    request: &OpenRequest,
    dir: &str,
) -> Result<Option<Schema>, TercetError> {
    let next = match (&request.evolve, given) {
        (Some(steps), Some(given)) => evolve(stored, given, steps)?,
        (Some(_), None) => {
            return Err(TercetError::new(Code::Schema, "`evolve` needs the schema to arrive at")
                .field("evolve")
                .expected("a schema", "none"));
        }
        (None, given) => given.and_then(|given| stored.with_words_of(given)),
    };
    compare(given, next.as_ref().unwrap_or(stored), dir)?;
    Ok(next)
}

/// A reader changes nothing: the schema must have been changed before.
pub(crate) fn agree(stored: &Schema, request: &OpenRequest, dir: &str) -> Result<(), TercetError> {
    let given = request.schema.as_ref().map(Schema::parse).transpose()?;
    match target(stored, given.as_ref(), request, dir)? {
        None => Ok(()),
        Some(_) => {
            Err(TercetError::new(Code::Unsupported, "the schema cannot be changed by opening for reading")
                .field("evolve"))
        }
    }
}

fn compare(given: Option<&Schema>, stored: &Schema, dir: &str) -> Result<(), TercetError> {
    match given.and_then(|schema| schema.difference(stored)) {
        Some((field, difference)) => Err(TercetError::new(
            Code::Schema,
            format!("the schema differs from the one stored in {dir}: {difference}"),
        )
        .field(field)
        .file(dir)
        .expected("the stored schema, or `evolve` with the steps to this one", "another")),
        None => Ok(()),
    }
}

/// The parts of a state. Segments that `known` has open already are taken from there.
pub(super) fn read_parts(
    env: &dyn Env,
    dir: &str,
    schema: &Schema,
    state: &State,
    known: &[Part],
) -> Result<Vec<Part>, TercetError> {
    let open = |entry: &SegmentEntry| {
        let path = join(dir, &entry.file);
        let part = match known.iter().find(|part| part.file.as_ref() == Some(&entry.file)) {
            Some(part) => part.whole(),
            None => {
                let segment = Segment::open(schema, env, &path).map_err(missing)?;
                Part::new(segment, Some(entry.file.clone()))
            }
        };
        let rows = part.segment.rows;
        if rows != entry.rows {
            let message = format!("{path}: the manifest says {} rows, the file {rows}", entry.rows);
            return Err(TercetError::new(Code::Corrupt, message)
                .file(path)
                .expected(format!("{} rows", entry.rows), format!("{rows} rows")));
        }
        sealed(&part.segment.file, entry.seal)?;
        let Some(tombstones) = &entry.tombstones else {
            return Ok(part);
        };
        let path = join(dir, &tombstones.file);
        let gone = read_tombstones(env, &path, rows, tombstones.seal).map_err(missing)?;
        let mut part = part.without(&gone);
        if part.deleted != entry.deleted {
            let message =
                format!("{path}: the manifest says {} rows, the file {}", entry.deleted, part.deleted);
            return Err(TercetError::new(Code::Corrupt, message)
                .file(path)
                .expected(format!("{} rows", entry.deleted), format!("{} rows", part.deleted)));
        }
        part.tombstones = Some(tombstones.clone());
        Ok(part)
    };
    state.segments.iter().map(open).collect()
}

/// A file that the manifest names and that is not there is damage: the collection itself was found.
pub(super) fn missing(mut error: TercetError) -> TercetError {
    if error.code() == Code::NotFound {
        error.0.code = Code::Corrupt;
        error.0.message = format!("the manifest names a file that is not there: {}", error.0.message);
    }
    error
}

/// Refuses a file that is whole but not the one that the manifest means.
pub(super) fn sealed(file: &SectionFile, seal: u32) -> Result<(), TercetError> {
    if file.seal() == seal {
        return Ok(());
    }
    let path = file.label();
    let message = format!("{path} is another file than the one that the manifest names");
    Err(TercetError::new(Code::Corrupt, message)
        .file(path)
        .expected(format!("seal {seal:08x}"), format!("seal {:08x}", file.seal())))
}

pub(super) fn read_tombstones(
    env: &dyn Env,
    path: &str,
    rows: u32,
    seal: u32,
) -> Result<Bitmap, TercetError> {
    let file = SectionFile::open(env, path)?;
    sealed(&file, seal)?;
    file.expect_kind(TOMBSTONES)?;
    sections::bitmap(&Within::whole(&file), TOMBSTONE_ROWS, rows).map_err(|e| index_error(e, path))
}

/// Every checksum and every structure.
pub(super) fn verify_parts(parts: &[Part]) -> Result<(), TercetError> {
    for part in parts {
        part.segment.file.verify()?;
        part.segment.verify_structure()?;
    }
    Ok(())
}

/// What a log made of the parts.
pub(super) struct Replayed {
    pub(super) parts: Vec<Part>,
    /// Where the log goes on.
    pub(super) end: u64,
    /// `None` where the manifest names no log.
    pub(super) recovered: Option<Recovered>,
}

/// The parts with what the manifest's log adds to them.
pub(super) fn replay_log(
    env: &dyn Env,
    dir: &str,
    schema: &Schema,
    manifest: &Manifest,
    parts: Vec<Part>,
) -> Result<Replayed, TercetError> {
    let Some(log) = &manifest.log else {
        return Ok(Replayed { parts, end: 0, recovered: None });
    };
    let path = join(dir, &log.file);
    let found = read_log(env, &path, log.identity, 0).map_err(|e| missing(e.into()))?;
    let done = record::replay_all(schema, parts, &found, &path)?;
    let dropped_bytes = found.dropped + (found.end - done.end);
    let recovered = Recovered { batches: done.batches, dropped_bytes };
    Ok(Replayed { parts: done.parts, end: done.end, recovered: Some(recovered) })
}
