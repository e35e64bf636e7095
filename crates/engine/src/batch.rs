//! A batch on its way in: staged aside, shown all at once or not at all.
//!
//! Chunks of a batch are checked and indexed independently, on as many threads as the binding gives; each becomes a
//! small segment that nobody sees. `commit` hands them to the collection in the order of their numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::api::{Array, Control, Handle, Reply, components};
use crate::collection::{Collection, Part};
use crate::document;
use crate::segment::{Job, Segment, SegmentBuilder};
use crate::verb::{parse, reply, unknown_verb};
use crate::wire::{Code, CommitReply, StageRequest, TercetError, shown};

/// Documents between two looks at the control.
const DOCUMENTS_PER_STEP: u64 = 64;
/// Positions are counted by numbers that JavaScript holds exactly.
const POSITION_MAX: u64 = crate::id::SAFE_INTEGER_MAX as u64;

#[derive(Default)]
struct Staged {
    /// Chunks in memory.
    chunks: BTreeMap<u32, Segment>,
    /// Their bytes.
    bytes: u64,
    /// Chunks 0 to `next`, without it, that were merged into files because memory ran short.
    spilled: Vec<Part>,
    next: u32,
    /// The position of every id so far.
    ids: HashMap<Box<[u8]>, u64>,
    /// Set by an error, a commit or an abort: nothing more may happen.
    over: bool,
    /// The error that ended the batch. Chunks that are checked beside it answer with it, unless they have their own.
    failure: Option<TercetError>,
}

/// The handle of a batch.
pub(crate) struct Batch {
    collection: Arc<Collection>,
    staged: Mutex<Staged>,
}

impl Batch {
    /// An empty batch; fails when the collection is closed or for reading only.
    pub(crate) fn begin(collection: Arc<Collection>) -> Result<Self, TercetError> {
        collection.writable()?;
        Ok(Batch { collection, staged: Mutex::default() })
    }

    fn staged(&self) -> Result<MutexGuard<'_, Staged>, TercetError> {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        match &staged.failure {
            Some(failure) => Err(failure.clone()),
            None if staged.over => {
                Err(TercetError::new(Code::Closed, "the batch is over: it was committed or aborted"))
            }
            None => Ok(staged),
        }
    }

    fn stage(&self, request: &StageRequest, arrays: &[Array], control: &Control) -> Result<(), TercetError> {
        let documents = request.documents.len() as u64;
        if request.first.checked_add(documents).is_none_or(|end| end > POSITION_MAX) {
            return Err(TercetError::new(
                Code::Limit,
                format!("first must be at most {POSITION_MAX} less the documents, found {}", request.first),
            )
            .field("first")
            .expected(format!("at most {POSITION_MAX}"), request.first.to_string()));
        }
        let schema = &*self.collection.schema();
        control.begin(documents);
        let mut builder = SegmentBuilder::new(schema);
        let mut ids = Vec::with_capacity(request.documents.len());
        for (at, value) in request.documents.iter().enumerate() {
            let position = request.first + at as u64;
            let document = document::check(schema, value, arrays).map_err(|e| placed(e, position, value))?;
            ids.push((Box::<[u8]>::from(document.id.as_slice()), position));
            builder.push(document);
            if (at as u64 + 1).is_multiple_of(DOCUMENTS_PER_STEP) {
                control.step(DOCUMENTS_PER_STEP)?;
            }
        }
        let sections = builder.finish().map_err(|e| crate::error::index_error(e, "(batch)"))?;
        let segment = Segment::from_sections(schema, &sections)?;
        control.step(0)?;
        let mut staged = self.staged()?;
        if request.chunk < staged.next || staged.chunks.contains_key(&request.chunk) {
            return Err(TercetError::new(
                Code::Argument,
                format!("chunk {} was staged before", request.chunk),
            )
            .field("chunk")
            .expected("each chunk once", request.chunk.to_string()));
        }
        for (id, position) in ids {
            if let Some(first) = staged.ids.insert(id, position) {
                let id = request
                    .documents
                    .get((position - request.first) as usize)
                    .and_then(|d| d.get("id"))
                    .cloned()
                    .unwrap_or_default();
                return Err(duplicate(&id, first, position));
            }
        }
        staged.bytes += segment.file.file_len();
        staged.chunks.insert(request.chunk, segment);
        self.spill(&mut staged, control)
    }

    /// Writes the first chunks to a file when those in memory have grown beyond their share of the budget. Others that
    /// are staged meanwhile wait, so a batch never grows without bound.
    fn spill(&self, staged: &mut Staged, control: &Control) -> Result<(), TercetError> {
        if self.collection.spill_bytes().is_none_or(|limit| staged.bytes <= limit) {
            return Ok(());
        }
        let ready =
            (staged.next..).zip(staged.chunks.keys()).take_while(|(next, chunk)| next == *chunk).count();
        let ready = staged.next + ready as u32;
        let later = staged.chunks.split_off(&ready);
        let first = std::mem::replace(&mut staged.chunks, later);
        if first.is_empty() {
            return Ok(());
        }
        staged.bytes = staged.chunks.values().map(|segment| segment.file.file_len()).sum();
        staged.next = ready;
        let parts: Vec<Part> =
            first.into_values().filter(|s| s.rows > 0).map(|s| Part::new(s, None)).collect();
        if !parts.is_empty() {
            staged.spilled.push(self.collection.write_apart(&parts, &Job::plain(control))?);
        }
        Ok(())
    }

    fn commit(&self, control: &Control) -> Result<CommitReply, TercetError> {
        let Staged { chunks, spilled, next, .. } = {
            let mut staged = self.staged()?;
            // In one step with the taking: a chunk that comes now finds the batch over.
            std::mem::replace(&mut *staged, Staged { over: true, ..Staged::default() })
        };
        let missing = (next..).zip(chunks.keys()).find(|(wanted, chunk)| wanted != *chunk);
        if let Some((missing, found)) = missing {
            self.collection.discard(&spilled);
            return Err(TercetError::new(
                Code::Argument,
                format!("chunk {missing} was not staged, but chunk {found} was"),
            )
            .field("chunk")
            .expected(missing.to_string(), found.to_string()));
        }
        self.collection.commit(spilled, chunks.into_values().collect(), control)
    }

    /// Frees what was staged. The first reason to end stays.
    fn end(&self, failure: Option<&TercetError>) {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = if staged.over { staged.failure.take() } else { failure.cloned() };
        let before = std::mem::replace(&mut *staged, Staged { over: true, failure, ..Staged::default() });
        drop(staged);
        self.collection.discard(&before.spilled);
    }
}

/// Adds where in the call the document stood.
fn placed(error: TercetError, position: u64, value: &Value) -> TercetError {
    let mut error = error.position(position);
    let id = value.get("id").filter(|id| id.is_string() || id.is_number());
    if let Some(id) = id {
        error = error.id(id.clone());
    }
    let name = id.map_or_else(String::new, |id| format!(" (id {})", shown(id)));
    error.0.message = format!("document {position}{name}: {}", error.0.message);
    error
}

fn duplicate(id: &Value, first: u64, second: u64) -> TercetError {
    let (low, high) = (first.min(second), first.max(second));
    TercetError::new(
        Code::DuplicateId,
        format!("document {high} (id {}) has the same id as document {low} of the batch", shown(id)),
    )
    .field("id")
    .position(high)
    .id(id.clone())
    .expected("an id once in a batch", format!("again at position {high}"))
}

impl Handle for Batch {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        match verb {
            "stage" => {
                let result = parse(json).and_then(|request| self.stage(&request, &arrays, control));
                if let Err(failure) = &result {
                    self.end(Some(failure));
                }
                result.map(|()| Reply { json: String::from("{}"), ..Reply::default() })
            }
            "commit" => reply(&self.commit(control)?),
            "abort" => {
                self.end(None);
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            other => Err(unknown_verb(other, "a batch")),
        }
    }

    fn estimate_us(&self, verb: &str, json: &str, arrays: &[Array]) -> u64 {
        match verb {
            // About 20 ns a byte of JSON (parsing, checking, analysis) and 1 ns a component of a vector.
            "stage" => json.len() as u64 / 50 + components(arrays) / 1_000,
            "commit" => u64::MAX,
            _ => 1,
        }
    }

    fn close(&self) {
        self.end(None);
    }
}
