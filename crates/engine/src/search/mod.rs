//! A search, from the request to the page.
//!
//! 1. The query is checked against the schema and compiled: words analysed, statistics summed over all segments.
//! 2. The filter and the tombstones become one bitmap of allowed rows a segment.
//! 3. Each part of the query ranks documents over all segments; a fusion ranks the rankings of its parts.
//! 4. The page is cut out, and only its documents are fetched, highlighted and explained.
//!
//! A place is (segment, row). Segments are in the order of insertion and so are rows, so comparing places is comparing
//! insertion: that is the tie-breaker everywhere, and it does not depend on how documents were cut into segments.

pub(crate) mod compile;
mod estimate;
pub(crate) mod expand;
mod explain;
mod fuse;
mod highlight;
mod lexical;
pub(crate) mod maxsim;
pub(crate) mod near;
mod page;
pub(crate) mod rank;

use std::borrow::Cow;

use tercet_index::{Answered, Bitmap, Counters};
use tercet_store::Env;

use crate::api::{Array, Control, Reply};
use crate::collection::Snapshot;
use crate::filter::Filter;
use crate::verb::to_json;
use crate::wire::{Code, SearchReply, SearchRequest, SegmentStep, TercetError, WireHit};

pub(crate) use estimate::estimate_us;
pub(crate) use page::Projector;
pub(crate) use rank::check_whole;

/// The largest page.
pub(crate) const LIMIT_MAX: i64 = 10_000;
/// The furthest that a page reaches, and the most candidates of any ranking.
pub(crate) const DEPTH_MAX: i64 = 100_000;

/// A document of a snapshot: the segment's position, then the row.
pub(crate) type Place = (u32, u32);

/// A candidate of a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) place: Place,
    pub(crate) score: f32,
}

/// Best first; of equal scores the older document first.
pub(crate) fn by_rank(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.place.cmp(&b.place))
}

/// What ranking needs beside the query.
pub(crate) struct Context<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// The rows that may come back, a bitmap a segment; `None`: all of that segment.
    pub(crate) allowed: Vec<Option<Cow<'a, Bitmap>>>,
    pub(crate) counters: Counters,
    /// Milliseconds, for time limits.
    pub(crate) clock: &'a (dyn Fn() -> u64 + Sync),
    /// Ends the search.
    pub(crate) control: &'a Control,
}

impl Context<'_> {
    /// Counts what a reader did, and says how its segment was answered.
    fn answered(&mut self, segment: usize, answered: Answered, counters: Counters) -> SegmentStep {
        self.counters += counters;
        SegmentStep {
            segment: segment as u32,
            path: answered.path.name().to_owned(),
            exact: answered.exact,
            vectors_scored: counters.vectors_scored,
            hops: counters.hops,
        }
    }
}

/// Runs a search.
pub(crate) fn search(
    snapshot: &Snapshot,
    request: &SearchRequest,
    arrays: &[Array],
    env: &dyn Env,
    control: &Control,
) -> Result<Reply, TercetError> {
    let limit = bounded("limit", request.limit, 0, LIMIT_MAX)?;
    let offset = bounded("offset", request.offset, 0, DEPTH_MAX)?;
    bounded("offset + limit", request.offset + request.limit, 0, DEPTH_MAX)?;
    let query = compile::compile(snapshot, &request.query, arrays, offset + limit, control)?;
    let filter = request.filter.as_ref().map(|f| Filter::parse(&snapshot.schema, f)).transpose()?;
    let mut projector = Projector::new(snapshot, request.select.as_deref(), false)?;
    let marker =
        highlight::Highlighter::new(snapshot, request.highlight.as_deref().unwrap_or_default(), &query)?;

    let mut context = Context {
        snapshot,
        allowed: allowed(snapshot, filter.as_ref())?,
        counters: Counters::default(),
        clock: &|| env.now_ms(),
        control,
    };
    let ranking = rank::rank(&query, &mut context, offset + limit)?;

    let page: Vec<Candidate> = ranking.candidates.iter().skip(offset).take(limit).copied().collect();
    let mut arrays = vec![Array::F32(page.iter().map(|c| c.score).collect())];
    let ranks = request.explain.then(|| explain::Ranks::of(&ranking));
    let mut hits = Vec::with_capacity(page.len());
    for candidate in &page {
        let (part, row) = (candidate.place.0 as usize, candidate.place.1);
        let stored =
            if marker.is_empty() { projector.needed(part, row)? } else { projector.stored(part, row)? };
        hits.push(WireHit {
            id: projector.id(part, row)?,
            highlights: marker.mark(&stored),
            document: projector.project(part, row, stored, &mut arrays)?,
            explain: ranks
                .as_ref()
                .map(|ranks| explain::hit(&query, ranks, &context, candidate.place))
                .transpose()?,
        });
    }
    let explain = request.explain.then(|| explain::page(&query, &ranking, &context));
    let reply = SearchReply { hits, exact: ranking.exact, complete: ranking.complete, explain };
    Ok(Reply { json: to_json(&reply)?, arrays, handle: None })
}

/// A number of the request within its documented range.
pub(crate) fn bounded(name: &str, value: i64, low: i64, high: i64) -> Result<usize, TercetError> {
    if (low..=high).contains(&value) {
        return Ok(value as usize);
    }
    Err(TercetError::new(Code::Limit, format!("{name} must be {low} to {high}, found {value}"))
        .field(name)
        .expected(format!("{low} to {high}"), value.to_string()))
}

/// The rows that may come back; `None` where all of a segment may.
pub(crate) fn allowed<'a>(
    snapshot: &'a Snapshot,
    filter: Option<&Filter>,
) -> Result<Vec<Option<Cow<'a, Bitmap>>>, TercetError> {
    let rows = |part: &'a crate::collection::Part| {
        Ok(match (filter, &part.live) {
            (None, live) => live.as_deref().map(Cow::Borrowed),
            (Some(filter), live) => {
                let mut rows = filter.select(&part.segment)?;
                if let Some(live) = live {
                    rows.and(live);
                }
                (rows.count() < part.segment.rows).then_some(Cow::Owned(rows))
            }
        })
    };
    snapshot.parts.iter().map(rows).collect()
}
