//! The verbs of a collection.

use std::sync::Arc;

use super::{Collection, Part};
use crate::api::{Array, Control, Handle, Reply};
use crate::batch::Batch;
use crate::filter::Filter;
use crate::id;
use crate::search::{Projector, estimate_us, search};
use crate::snapshot;
use crate::verb::{parse, reply, to_json, unknown_verb};
use crate::wire::{
    Code, CountReply, FlushReply, GetReply, GetRequest, IdsRequest, RemoveReply, SearchRequest, TagRequest,
    TercetError, WhereRequest,
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
            documents.push(match snapshot.find(&encoded)? {
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
        let removed =
            self.remove_by(|part| ids.iter().filter_map(|id| part.row(id).transpose()).collect())?;
        Ok(RemoveReply { removed })
    }

    fn remove_where(&self, request: &WhereRequest) -> Result<RemoveReply, TercetError> {
        let filter = request.filter.as_ref().ok_or_else(|| {
            TercetError::new(Code::Filter, "removeWhere needs a filter; `{}` removes everything")
                .expected("a filter", "none")
        })?;
        let filter = Filter::parse(&self.schema(), filter)?;
        let removed = self.remove_by(|part| Ok(filter.select(&part.segment)?.iter().collect()))?;
        Ok(RemoveReply { removed })
    }

    fn count(&self, request: &WhereRequest) -> Result<CountReply, TercetError> {
        let snapshot = self.snapshot()?;
        let Some(filter) = &request.filter else {
            return Ok(CountReply { count: snapshot.documents() });
        };
        let filter = Filter::parse(&snapshot.schema, filter)?;
        let live = |part: &Part| {
            let mut rows = filter.select(&part.segment)?;
            if let Some(live) = &part.live {
                rows.and(live);
            }
            Ok::<_, TercetError>(u64::from(rows.count()))
        };
        Ok(CountReply { count: snapshot.parts.iter().map(live).sum::<Result<_, _>>()? })
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
                search(&*collection.snapshot()?, &request, &arrays, collection.env(), control)
            }
            "get" => collection.get(&parse(json)?),
            "count" => reply(&collection.count(&parse(json)?)?),
            "begin" => {
                let batch = Batch::begin(collection.clone())?;
                Ok(Reply { handle: Some(Arc::new(batch)), ..nothing() })
            }
            "remove" => reply(&collection.remove(&parse(json)?)?),
            "removeWhere" => reply(&collection.remove_where(&parse(json)?)?),
            "flush" => {
                control.step(0)?;
                reply(&FlushReply { version: collection.flush()? })
            }
            "sync" => collection.sync().map(|()| nothing()),
            "close" => collection.finish().map(|()| nothing()),
            "refresh" => reply(&collection.refresh()?),
            "versions" => reply(&collection.versions()?),
            "tag" => reply(&collection.tag(&parse::<TagRequest>(json)?.name)?),
            "untag" => reply(&collection.untag(&parse::<TagRequest>(json)?.name)?),
            "compact" => reply(&collection.compact(control)?),
            "export" => snapshot::export(collection, &parse(json)?, control),
            "verify" => reply(&collection.verify(control)?),
            "tune" => reply(&collection.tune(&parse(json)?, &arrays, control)?),
            "measure" => reply(&collection.measure(&parse(json)?, &arrays, control)?),
            "stats" => reply(&collection.stats()?),
            "schema" => reply(&collection.snapshot()?.schema.spec()),
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
            "schema" | "begin" => 1,
            _ => u64::MAX,
        }
    }

    fn close(&self) {
        self.0.close();
    }
}

fn nothing() -> Reply {
    Reply { json: String::from("{}"), ..Reply::default() }
}

/// A malformed search is a malformed query, unless its text is not Unicode.
fn as_query_error(mut error: TercetError) -> TercetError {
    if error.code() == Code::Argument {
        error.0.code = Code::Query;
    }
    error
}
