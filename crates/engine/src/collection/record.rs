//! What stands in a record of the log: a small segment, or the ids of removed documents.
//!
//! Byte 0 says which. A segment's file follows as it is: replaying it needs no analysis, it takes the place of older
//! documents with the same ids. Of ids there is a u32 count, then each as a u32 length and its bytes (`id.rs`). Both
//! mean the same on any state that holds what came before them, however its segments were cut or merged.

use bytes::Bytes;
use tercet_store::LogContents;

use super::merging;
use super::part::{Part, without_ids};
use crate::api::Control;
use crate::schema::Schema;
use crate::segment::Segment;
use crate::wire::{Code, TercetError};

const SEGMENT: u8 = 1;
const REMOVED: u8 = 2;

/// The record of a batch.
pub(super) fn upserted(segment: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(segment.len() + 1);
    record.push(SEGMENT);
    record.extend_from_slice(segment);
    record
}

/// The record of a removal.
pub(super) fn removed<'a>(
    ids: impl Iterator<Item = Result<&'a [u8], TercetError>>,
) -> Result<Vec<u8>, TercetError> {
    let mut record = vec![REMOVED, 0, 0, 0, 0];
    let mut count = 0u32;
    for id in ids {
        let id = id?;
        record.extend_from_slice(&(id.len() as u32).to_le_bytes());
        record.extend_from_slice(id);
        count += 1;
    }
    record[1..5].copy_from_slice(&count.to_le_bytes());
    Ok(record)
}

/// What the records of a log made of the parts.
pub(super) struct Replay {
    pub(super) parts: Vec<Part>,
    /// How many records were taken in.
    pub(super) batches: u64,
    /// Where the first one that was not begins.
    pub(super) end: u64,
}

/// Takes the records of the log named `label` into `parts`, in their order.
///
/// A record that was never durable may be torn and pass its checksum all the same: a segment ends with a frame that holds
/// its own checksum, and no sum of the same kind over both tells one such frame from another, which a disk that mixes
/// old sectors with new ones can put there. Such a record cannot be opened; it ends the log like any torn tail.
pub(super) fn replay_all(
    schema: &Schema,
    parts: Vec<Part>,
    found: &LogContents,
    label: &str,
) -> Result<Replay, TercetError> {
    let mut done = Replay { parts, batches: 0, end: found.end };
    for (record, start) in found.records.iter().zip(&found.starts) {
        // As when they were committed: thousands of small parts would make each other slow.
        let next = replay(schema, done.parts.clone(), record, label)
            .and_then(|parts| merging::settle(schema, parts, &Control::new()));
        match next {
            Ok(parts) => done.parts = parts,
            Err(error) if error.code() == Code::Corrupt && *start >= found.durable => {
                done.end = *start;
                break;
            }
            Err(error) => return Err(error),
        }
        done.batches += 1;
    }
    Ok(done)
}

/// Takes a record of the log named `label` into `parts`.
pub(super) fn replay(
    schema: &Schema,
    parts: Vec<Part>,
    record: &Bytes,
    label: &str,
) -> Result<Vec<Part>, TercetError> {
    let corrupt = |what: &str| TercetError::new(Code::Corrupt, format!("{label}: {what}")).file(label);
    match record.first() {
        Some(&SEGMENT) => {
            let segment = Segment::from_bytes(schema, record.slice(1..), label)?;
            let ids = || (0..segment.rows).map(|row| segment.id(row));
            let (mut parts, _) = without_ids(&parts, ids)?;
            parts.push(Part::new(segment, None));
            Ok(parts)
        }
        Some(&REMOVED) => {
            let ids =
                ids_of(&record[1..]).ok_or_else(|| corrupt("a record of removed ids cannot be read"))?;
            Ok(without_ids(&parts, || ids.iter().copied().map(Ok))?.0)
        }
        _ => Err(corrupt("a record of no known kind")),
    }
}

fn ids_of(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = bytes.split_first_chunk::<4>()?;
    let count = u32::from_le_bytes(*count) as usize;
    // Each takes four bytes at least: a larger claim is refused before anything is allocated.
    let mut ids = Vec::with_capacity(count.min(rest.len() / 4));
    for _ in 0..count {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (id, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        ids.push(id);
        rest = after;
    }
    rest.is_empty().then_some(ids)
}
