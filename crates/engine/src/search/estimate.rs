//! What a search will cost, before it runs: so that a binding can choose between its own thread and the pool.
//!
//! Handing a call to another thread costs 11 microseconds where that thread is awake and over 200 where it is not
//! (docs/decisions/0001), and a call on the calling thread stops the event loop: so the estimate counts what the search
//! will really touch. Document frequencies say how many postings; they are read, not walked.

use serde::Deserialize;

use super::expand::sparse_field;
use super::lexical::{QUERY_BYTES_MAX, chosen};
use crate::api::{Array, components};
use crate::collection::{Part, Snapshot};
use crate::sparse::Unknown;
use crate::wire::{BooleanQuery, ExpandQuery, FieldSpec, MatchQuery, Query, SearchRequest};

/// An estimate under this is not worth refining.
const ROUGH_US: u64 = 150;
/// Kinds of query whose cost follows from the size of the collection.
const PLAIN: [&str; 3] = ["match", "near", "all"];
/// A search of nothing: reading the request, writing the reply.
const FIXED_NS: u64 = 20_000;
/// A posting decoded and added to a score.
const POSTING_NS: u64 = 2;
/// A word of the dictionary passed by a misspelled one two letters away: 1.5 ms in the 30,000 of SciFact.
const FUZZY_TERM_NS: u64 = 50;
/// A hit whose document is fetched: a block decompressed, its JSON read and written.
const DOCUMENT_NS: u64 = 8_000;
/// A hit without its document.
const HIT_NS: u64 = 250;

/// Microseconds of a search.
pub(crate) fn estimate_us(snapshot: &Snapshot, json: &str, arrays: &[Array]) -> u64 {
    let rough = rough_us(snapshot, arrays);
    // Tokens are many: what a document has is not known from the outside.
    let tokens = snapshot.schema.fields.iter().any(|f| matches!(f.spec, FieldSpec::Multi(_)));
    if rough < ROUGH_US && !tokens && is_plain(json) {
        return rough;
    }
    match serde_json::from_str(json) {
        Ok(request) => request_ns(snapshot, &request) / 1_000,
        // It will be refused at once.
        Err(_) => 0,
    }
}

/// Of a request only what kind of query it is: everything else is passed over unread.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    query: Kind<'a>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    kind: &'a str,
}

/// Whether a request needs no closer look. Cost: a pass over the JSON that builds nothing.
fn is_plain(json: &str) -> bool {
    serde_json::from_str::<Glance<'_>>(json).is_ok_and(|request| PLAIN.contains(&request.query.kind))
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
    let depth = request.offset.saturating_add(request.limit);
    FIXED_NS + page + filter + query_ns(snapshot, &request.query, depth, request.filter.is_some())
}

/// What the readers say; a filter's share is not known yet, so the dearest of some.
fn near_ns(snapshot: &Snapshot, field: usize, k: usize, exact: bool, filtered: bool) -> u64 {
    let of_part = |part: &Part| {
        let Some(reader) = part.segment.dense(field) else { return 0 };
        let dims =
            if let FieldSpec::Dense(spec) = &snapshot.schema.fields[field].spec { spec.dims } else { 0 };
        if exact {
            return (reader.len() as u64).saturating_mul(dims.into()) / 5;
        }
        let shares: &[usize] = if filtered { &[1, 4, 16, 64] } else { &[1] };
        let cost = |share: &usize| {
            let narrowed = *share > 1 || part.live.is_some();
            reader.cost_ns(k, narrowed.then(|| part.documents() as usize / share))
        };
        shares.iter().map(cost).max().unwrap_or(0)
    };
    snapshot.parts.iter().map(of_part).sum()
}

/// What the readers say. The arrays are not here to be looked at: without the terms, what a usual query costs.
fn expand_ns(snapshot: &Snapshot, query: &ExpandQuery, k: usize) -> u64 {
    let Ok((at, spec)) = sparse_field(snapshot, &query.field) else { return 0 };
    let most = tercet_index::QUERY_TERMS_MAX;
    let terms = crate::sparse::vector(&query.field, spec, &query.vector, &[], most, Unknown::Ignored);
    let readers = snapshot.parts.iter().filter_map(|part| part.segment.sparse(at));
    match terms {
        Ok(terms) => readers.map(|reader| reader.cost_ns(&terms, k)).sum(),
        Err(_) => readers.map(|reader| u64::from(reader.rows()) + k as u64 * 20).sum(),
    }
}

fn query_ns(snapshot: &Snapshot, query: &Query, depth: i64, filtered: bool) -> u64 {
    match query {
        Query::Match(query) => match_ns(snapshot, query),
        Query::Near(query) => {
            let k = query.k.unwrap_or(depth).max(query.ef.unwrap_or(0)).clamp(1, super::DEPTH_MAX) as usize;
            match snapshot.schema.position(&query.field) {
                Some(at) => near_ns(snapshot, at, k, query.exact, filtered),
                None => 0,
            }
        }
        Query::MaxSim(query) => {
            let k = query.k.unwrap_or(depth).max(query.candidates.unwrap_or(0) / 16);
            let k = k.clamp(1, super::DEPTH_MAX) as usize;
            let Some(at) = snapshot.schema.position(&query.field) else { return 0 };
            let readers = snapshot.parts.iter().filter_map(|part| part.segment.multi(at));
            readers.map(|reader| reader.cost_ns(k, None, query.exact)).sum()
        }
        Query::Expand(query) => {
            let k = query.k.unwrap_or(depth).clamp(1, super::DEPTH_MAX) as usize;
            expand_ns(snapshot, query, k)
        }
        Query::All(_) => 0,
        Query::Terms(query) => {
            let terms = query.terms.keys().map(String::as_str);
            word_ns(snapshot, &query.field, terms)
        }
        Query::Phrase(query) => 4 * analysed_ns(snapshot, &query.field, &query.text),
        Query::Prefix(query) => prefix_ns(snapshot, &query.field, &query.prefix),
        Query::Fuzzy(query) => fuzzy_ns(snapshot, &query.field, &query.text),
        Query::Boolean(query) => boolean_ns(snapshot, query, filtered),
        // Every candidate passes through a table of places.
        Query::Fuse(query) => {
            let depth = query.depth.unwrap_or(depth.max(100));
            let of_part = |part| query_ns(snapshot, part, depth, filtered) + 20_000;
            query.queries.iter().map(of_part).sum()
        }
    }
}

/// Clauses and, for each, a pass over what it found.
fn boolean_ns(snapshot: &Snapshot, query: &BooleanQuery, filtered: bool) -> u64 {
    let lists = [&query.must, &query.should, &query.must_not, &query.filter];
    lists.into_iter().flatten().map(|clause| 2 * query_ns(snapshot, clause, 0, filtered) + 2_000).sum()
}

/// The postings of some terms.
fn word_ns<'t>(snapshot: &Snapshot, field: &str, terms: impl Iterator<Item = &'t str>) -> u64 {
    let Some(at) = snapshot.schema.position(field) else { return 0 };
    let mut postings = 0;
    for term in terms {
        for reader in snapshot.parts.iter().filter_map(|part| part.segment.text(at)) {
            if let Ok(Some(term)) = reader.term(term) {
                postings += reader.doc_freq(term, None).unwrap_or(0);
            }
        }
    }
    postings * POSTING_NS + snapshot.documents() / 20
}

fn analysed_ns(snapshot: &Snapshot, field: &str, text: &str) -> u64 {
    let analyzer = snapshot.schema.position(field).and_then(|at| snapshot.schema.fields[at].analyzer);
    let Some(analyzer) = analyzer.filter(|_| text.len() <= QUERY_BYTES_MAX) else { return 0 };
    let mut words = Vec::new();
    analyzer.analyze(text, &mut |token| words.push(token.term.to_owned()));
    word_ns(snapshot, field, words.iter().map(String::as_str))
}

/// The postings of all words with a beginning are read, sorted and scored.
fn prefix_ns(snapshot: &Snapshot, field: &str, prefix: &str) -> u64 {
    let Some(at) = snapshot.schema.position(field) else { return 0 };
    let Some(analyzer) = &snapshot.schema.fields[at].analyzer else { return 0 };
    let prefix = analyzer.normalize(prefix.trim());
    let mut postings = 0;
    for reader in snapshot.parts.iter().filter_map(|part| part.segment.text(at)) {
        for term in reader.terms_with_prefix(&prefix).unwrap_or_default() {
            postings += reader.doc_freq(tercet_index::TermId(term), None).unwrap_or(0);
        }
    }
    postings * POSTING_NS * 8
}

/// Some of the dictionary is walked for every word; what is found is mostly rare.
fn fuzzy_ns(snapshot: &Snapshot, field: &str, text: &str) -> u64 {
    let Some(at) = snapshot.schema.position(field) else { return 0 };
    let words = text.split_whitespace().count().min(64) as u64;
    let terms: u64 = snapshot
        .parts
        .iter()
        .filter_map(|part| part.segment.text(at))
        .map(|reader| u64::from(reader.term_count()))
        .sum();
    words * (20_000 + terms * FUZZY_TERM_NS)
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

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_glance_sees_the_kind_and_nothing_else() {
        assert!(is_plain(
            r#"{ "query": { "kind": "match", "text": "\"fuzzy\" and \"kind\":\"boolean\"" }, "limit": 3 }"#
        ));
        assert!(is_plain(r#"{ "select": ["fuzzy", "phrase"], "query": { "text": "x", "kind": "match" } }"#));
        for dear in ["fuzzy", "prefix", "phrase", "boolean", "terms", "expand", "fuse", "maxsim", "nonsense"]
        {
            assert!(!is_plain(&format!(r#"{{ "query": {{ "kind": "{dear}" }} }}"#)), "{dear}");
        }
        for bad in ["", "{}", "[]", r#"{ "query": 3 }"#, r#"{ "query": { "kind": "mat\u0063h" } }"#] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
