//! From a snapshot to a folder.
//!
//! A folder is a collection once it has a manifest, and the manifest comes last. What tells the remains of an import
//! that was cut off from a collection whose manifest was lost is the file `IMPORT`: it is there, durably, before the
//! segment, and goes when the manifest is there. Remains are removed by the next import into the folder or by the next
//! opening that makes a collection there; segments without manifest and `IMPORT` are never touched.

use std::sync::Arc;

use tercet_store::{Env, SectionFile, StoreError, join};

use super::{COLLECTION, Source};
use crate::api::{Array, Control};
use crate::collection::folder;
use crate::collection::manifest::{Manifest, SegmentEntry, any_file_number, file_name};
use crate::wire::{Code, ImportReply, ImportRequest, TercetError};

/// Says that the segments beside it are of an import that has not ended.
pub(crate) const UNFINISHED: &str = "IMPORT";

/// Makes a collection of a snapshot.
pub(crate) fn import(
    env: &Arc<dyn Env>,
    request: &ImportRequest,
    mut arrays: Vec<Array>,
    control: &Control,
) -> Result<ImportReply, TercetError> {
    let env = env.as_ref();
    let dir = folder(&request.path)?;
    if Manifest::read(env, dir)?.is_some() {
        return Err(exists(dir));
    }
    let source = match (&request.from, arrays.pop()) {
        (Some(path), None) => Source::open(SectionFile::open(env, path)?)?,
        (None, Some(Array::U8(bytes))) if arrays.is_empty() => Source::of_bytes(bytes)?,
        _ => {
            return Err(TercetError::new(Code::Argument, "a snapshot comes as `from` or as bytes")
                .field("from")
                .expected("either a file or one array of bytes", "neither or both"));
        }
    };
    source.verify()?;
    control.step(0)?;
    env.create_dir_all(dir)?;
    let lock = env.lock(&join(dir, "LOCK"))?;
    if Manifest::read(env, dir)?.is_some() {
        return Err(exists(dir));
    }
    settle_unfinished(env, dir)?;
    let reply = write(env, dir, &source, control)?;
    drop(lock);
    Ok(reply)
}

fn exists(dir: &str) -> TercetError {
    TercetError::new(Code::Exists, format!("there is a collection in {dir}")).file(dir)
}

fn write(env: &dyn Env, dir: &str, source: &Source, control: &Control) -> Result<ImportReply, TercetError> {
    let documents = source.about.documents;
    let mut manifest = Manifest::new(&source.schema, env.now_ms())?;
    manifest.first_curves(source.about.curves.clone());
    let mark = join(dir, UNFINISHED);
    let mut bytes = 0;
    if documents > 0 {
        env.create(&mark)?.sync()?;
        let name = file_name(manifest.next_file, ".seg");
        let path = join(dir, &name);
        let copied = env.sync_dir(dir).map_err(TercetError::from).and_then(|()| {
            let bytes = source.segment.copy_to_file(COLLECTION, control, env, &path)?;
            env.sync_dir(dir)?;
            Ok((bytes, SectionFile::open(env, &path)?.seal()))
        });
        if copied.is_err() {
            // In this order: while the segment is there, so is the mark.
            if matches!(env.remove(&path), Ok(()) | Err(StoreError::NotFound { .. })) {
                let _ = env.remove(&mark);
            }
        }
        let (copied, seal) = copied?;
        bytes = copied;
        let rows = source.segment.rows;
        manifest.first_segment(SegmentEntry { file: name, seal, rows, deleted: 0, tombstones: None });
    }
    // When this fails the folder may have a manifest or not: the segment stays, and the mark says what it is.
    manifest.write(env, dir)?;
    let _ = env.remove(&mark);
    Ok(ImportReply { documents, bytes })
}

/// Makes a folder without a manifest ready for a new collection: what an import left goes. The caller holds the lock.
pub(crate) fn settle_unfinished(env: &dyn Env, dir: &str) -> Result<(), TercetError> {
    let names = env.list(dir)?;
    let unfinished = names.iter().any(|name| name == UNFINISHED);
    if !unfinished && let Some(name) = names.iter().find(|name| any_file_number(name).is_some()) {
        let message = format!(
            "{dir} holds {name}, but no manifest that names it: a damaged collection, which `repair` may rebuild"
        );
        return Err(TercetError::new(Code::Corrupt, message).file(dir).expected("a manifest", "none"));
    }
    for name in names.iter().filter(|name| any_file_number(name).is_some()) {
        env.remove(&join(dir, name))?;
    }
    if unfinished {
        env.sync_dir(dir)?;
        env.remove(&join(dir, UNFINISHED))?;
    }
    Ok(())
}
