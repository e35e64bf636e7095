//! What a search will cost, before it runs: so that a binding can choose between its own thread and the pool.
//!
//! Handing a call to another thread costs 11 microseconds where that thread is awake and over 200 where it is not
//! (docs/decisions/0001), and a call on the calling thread stops the event loop: so the estimate counts what the search
//! will really touch. Document frequencies say how many postings; they are read, not walked.

use super::compile::{QUERY_BYTES_MAX, chosen};
use crate::api::{Array, components};
use crate::collection::Snapshot;
use crate::wire::{FieldSpec, MatchQuery, Query, SearchRequest};

/// An estimate under this is not worth refining.
const ROUGH_US: u64 = 150;
/// A search of nothing: reading the request, writing the reply.
const FIXED_NS: u64 = 20_000;
/// A posting decoded and added to a score.
const POSTING_NS: u64 = 2;
/// A hit whose document is fetched: a block decompressed, its JSON read and written.
const DOCUMENT_NS: u64 = 8_000;
/// A hit without its document.
const HIT_NS: u64 = 250;

/// Microseconds of a search.
pub(crate) fn estimate_us(snapshot: &Snapshot, json: &str, arrays: &[Array]) -> u64 {
    let rough = rough_us(snapshot, arrays);
    if rough < ROUGH_US {
        return rough;
    }
    match serde_json::from_str(json) {
        Ok(request) => request_ns(snapshot, &request) / 1_000,
        // It will be refused at once.
        Err(_) => 0,
    }
}

/// From the size of the collection alone: every word in every document, vectors at an eighth of a nanosecond a component.
fn rough_us(snapshot: &Snapshot, arrays: &[Array]) -> u64 {
    let components = components(arrays);
    let dense = snapshot.schema.fields.iter().any(|f| matches!(f.spec, FieldSpec::Dense(_)));
    // A vector inside the JSON is not counted here: its dimension stands in for it.
    let components = if components == 0 && dense { 64 } else { components };
    60 + snapshot.documents().saturating_mul(3 + components / 8) / 1_000
}

fn request_ns(snapshot: &Snapshot, request: &SearchRequest) -> u64 {
    let documents = snapshot.documents();
    let hits = (request.limit.max(0) as u64).min(documents);
    let bare = request.select.as_ref().is_some_and(Vec::is_empty) && request.highlight.is_none();
    let page = hits.saturating_mul(if bare { HIT_NS } else { DOCUMENT_NS });
    let filter = if request.filter.is_some() { documents * 4 } else { 0 };
    FIXED_NS + page + filter + query_ns(snapshot, &request.query)
}

fn query_ns(snapshot: &Snapshot, query: &Query) -> u64 {
    match query {
        Query::Match(query) => match_ns(snapshot, query),
        Query::Near(query) => {
            let field = snapshot.schema.position(&query.field).map(|at| &snapshot.schema.fields[at].spec);
            let dims = if let Some(FieldSpec::Dense(spec)) = field { u64::from(spec.dims) } else { 0 };
            snapshot.documents().saturating_mul(dims) / 5
        }
        Query::All(_) => 0,
        // Every candidate passes through a table of places.
        Query::Fuse(query) => query.queries.iter().map(|part| query_ns(snapshot, part) + 20_000).sum(),
    }
}

fn match_ns(snapshot: &Snapshot, query: &MatchQuery) -> u64 {
    if query.text.len() > QUERY_BYTES_MAX {
        return 0;
    }
    let mut postings = 0;
    for (name, _) in chosen(snapshot, query).unwrap_or_default() {
        let Some(at) = snapshot.schema.position(&name) else { continue };
        let Some(analyzer) = &snapshot.schema.fields[at].analyzer else { continue };
        analyzer.analyze(&query.text, &mut |token| {
            for reader in snapshot.parts.iter().filter_map(|part| part.segment.text(at)) {
                // Damage is for the search to find.
                if let Ok(Some(term)) = reader.term(token.term) {
                    postings += reader.doc_freq(term, None).unwrap_or(0);
                }
            }
        });
    }
    // Collecting the best looks at a flag for every 64 rows.
    postings * POSTING_NS + snapshot.documents() / 20
}
