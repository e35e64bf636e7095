//! The verbs of a collection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use indexmap::IndexMap;
use tercet_store::{SectionFile, StoreError};

use super::{Collection, Part};
use crate::api::{Array, Control, Handle, Reply};
use crate::batch::Batch;
use crate::filter::Filter;
use crate::id;
use crate::search::{Projector, estimate_us, search};
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{
    Code, CountReply, FieldStats, GetReply, GetRequest, IdsRequest, Problem, RemoveReply, SearchRequest,
    SegmentStats, StatsReply, TercetError, VerifyReply, WhereRequest,
};

/// The handle of an open collection.
pub(crate) struct CollectionHandle(pub(crate) Arc<Collection>);

impl Collection {
    fn get(&self, request: &GetRequest) -> Result<Reply, TercetError> {
        let snapshot = self.snapshot()?;
        let mut projector = Projector::new(&snapshot, request.select.as_deref(), true)?;
        let mut documents = Vec::with_capacity(request.ids.len());
        let mut arrays = Vec::new();
        for id in &request.ids {
            let encoded = id::encode(Some(id))?;
            documents.push(match snapshot.find(&encoded) {
                Some((part, row)) => {
                    let stored = projector.needed(part, row)?;
                    projector.project(part, row, stored, &mut arrays)?
                }
                None => serde_json::Value::Null,
            });
        }
        Ok(Reply { json: to_json(&GetReply { documents })?, arrays, handle: None })
    }

    fn remove(&self, request: &IdsRequest) -> Result<RemoveReply, TercetError> {
        let ids = request.ids.iter().map(|id| id::encode(Some(id))).collect::<Result<Vec<_>, _>>()?;
        let removed = self.remove_by(|part| ids.iter().filter_map(|id| part.row(id)).collect())?;
        Ok(RemoveReply { removed })
    }

    fn remove_where(&self, request: &WhereRequest) -> Result<RemoveReply, TercetError> {
        let filter = request.filter.as_ref().ok_or_else(|| {
            TercetError::new(Code::Filter, "removeWhere needs a filter; `{}` removes everything")
                .expected("a filter", "none")
        })?;
        let filter = Filter::parse(&self.schema, filter)?;
        let removed = self.remove_by(|part| filter.rows(&part.segment).iter().collect())?;
        Ok(RemoveReply { removed })
    }

    fn count(&self, request: &WhereRequest) -> Result<CountReply, TercetError> {
        let snapshot = self.snapshot()?;
        let Some(filter) = &request.filter else {
            return Ok(CountReply { count: snapshot.documents() });
        };
        let filter = Filter::parse(&self.schema, filter)?;
        let live = |part: &Part| {
            let mut rows = filter.rows(&part.segment);
            if let Some(live) = &part.live {
                rows.and(live);
            }
            u64::from(rows.count())
        };
        Ok(CountReply { count: snapshot.parts.iter().map(live).sum() })
    }

    fn stats(&self) -> Result<StatsReply, TercetError> {
        let snapshot = self.snapshot()?;
        let parts = &snapshot.parts;
        let fields: IndexMap<String, FieldStats> = self
            .schema
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| {
                let documents = parts.iter().map(|part| documents_with(part, at)).sum();
                let bytes = parts.iter().map(|part| part.segment.field_bytes(&field.name)).sum();
                let kind = field.spec.type_name().to_owned();
                (field.name.clone(), FieldStats { kind, documents, bytes, memory_bytes: 0 })
            })
            .collect();
        let segments: Vec<SegmentStats> = parts
            .iter()
            .map(|part| SegmentStats {
                file: part.file.clone(),
                rows: part.segment.rows.into(),
                deleted: part.deleted.into(),
                bytes: part.segment.file.file_len(),
            })
            .collect();
        let bytes: u64 = segments.iter().map(|s| s.bytes).sum();
        let of_fields: u64 = fields.values().map(|f| f.bytes).sum();
        let unflushed = self.dir.is_some() && self.changed.load(Ordering::Acquire);
        Ok(StatsReply {
            documents: snapshot.documents(),
            deleted: parts.iter().map(|part| u64::from(part.deleted)).sum(),
            document_bytes: bytes.saturating_sub(of_fields),
            bytes,
            memory_bytes: 0,
            disk_bytes: bytes,
            log_bytes: 0,
            version: 0,
            unflushed,
            fields,
            segments,
        })
    }

    /// Reads the files again, so that what is checked is the disk and not the memory.
    fn verify(&self, control: &Control) -> Result<VerifyReply, TercetError> {
        self.snapshot()?;
        let files = self.files();
        control.begin(files.len() as u64);
        let mut out = VerifyReply { files: 0, bytes: 0, problems: Vec::new() };
        for path in files {
            let checked = SectionFile::open(self.env.as_ref(), &path)
                .and_then(|file| file.verify().map(|()| file.file_len()));
            match checked {
                Ok(bytes) => (out.bytes, out.files) = (out.bytes + bytes, out.files + 1),
                // A flush or a compaction beside us has removed it.
                Err(StoreError::NotFound { .. }) if !self.files().contains(&path) => {}
                Err(error) => {
                    out.problems.push(Problem { file: path.clone(), section: None, what: error.to_string() });
                    out.files += 1;
                }
            }
            control.step(1)?;
        }
        Ok(out)
    }
}

fn documents_with(part: &Part, field: usize) -> u64 {
    match &part.segment.fields[field].present {
        None => part.documents(),
        Some(present) => {
            let mut rows = present.clone();
            if let Some(live) = &part.live {
                rows.and(live);
            }
            rows.count().into()
        }
    }
}

impl Handle for CollectionHandle {
    fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        let collection = &self.0;
        match verb {
            "search" => {
                let request: SearchRequest = parse(json).map_err(as_query_error)?;
                search(&*collection.snapshot()?, &request, &arrays)
            }
            "get" => collection.get(&parse(json)?),
            "count" => reply(&collection.count(&parse(json)?)?),
            "begin" => {
                let batch = Batch::begin(collection.clone())?;
                Ok(Reply { json: String::from("{}"), handle: Some(Arc::new(batch)), ..Reply::default() })
            }
            "remove" => reply(&collection.remove(&parse(json)?)?),
            "removeWhere" => reply(&collection.remove_where(&parse(json)?)?),
            "flush" => {
                collection.flush(control)?;
                Ok(Reply { json: String::from("{}"), ..Reply::default() })
            }
            "compact" => reply(&collection.compact(control)?),
            "verify" => reply(&collection.verify(control)?),
            "stats" => reply(&collection.stats()?),
            "schema" => {
                collection.snapshot()?;
                reply(&collection.schema.spec())
            }
            other => Err(unknown_verb(other, "a collection")),
        }
    }

    fn estimate_us(&self, verb: &str, json: &str, arrays: &[Array]) -> u64 {
        let snapshot = self.0.current();
        match verb {
            "search" => estimate_us(&snapshot, json, arrays),
            // A block is decompressed for each document.
            "get" => 10 + json.len() as u64 * 4,
            "count" => 5 + snapshot.documents() / 500,
            "stats" | "schema" | "begin" => 1,
            _ => u64::MAX,
        }
    }

    fn close(&self) {
        self.0.close();
    }
}

/// A malformed search is a malformed query, unless its text is not Unicode.
fn as_query_error(mut error: TercetError) -> TercetError {
    if error.code() == Code::Argument {
        error.0.code = Code::Query;
    }
    error
}
