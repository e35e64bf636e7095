//! `near`: the nearest vectors of every segment, through its reader, which picks its way (scan, graph, filtered graph).
//!
//! What is left out (`exclude`, the document that is searched by) is dropped from the answer while it is little, so that
//! no set of rows is made for it and a graph is walked as if unfiltered; more of it is taken out of the allowed rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tercet_index::{Bitmap, Counters, DenseSearch, Effort, TopK, Values};

use super::compile::kind_error;
use super::rank::{Ranking, best};
use super::{Candidate, Context, DEPTH_MAX, bounded};
use crate::api::Array;
use crate::collection::Snapshot;
use crate::dense;
use crate::document::dense_vector;
use crate::effort::Steps;
use crate::id;
use crate::recall::check_recall;
use crate::wire::{Code, DenseSpec, FieldSpec, MetricName, NearQuery, TercetError, VectorRef, shown};

/// Up to so many rows of a segment to leave out are dropped from its answer.
const EXCLUDED_FEW: usize = 64;
/// The most ids to leave out.
const EXCLUDED_MAX: usize = 100_000;
/// The largest patience, and the longest time limit in milliseconds.
const STEPS_MAX: i64 = (1 << 31) - 1;

/// A compiled `near`.
pub(crate) struct Near<'a> {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) vector: Cow<'a, [f32]>,
    pub(crate) k: usize,
    pub(crate) effort: Effort,
    /// The least score of a hit.
    pub(crate) least: f32,
    pub(crate) patience: Option<u32>,
    pub(crate) time_limit_ms: Option<u64>,
    /// Rows that are not to be found, ascending, by segment.
    pub(crate) excluded: BTreeMap<u32, Vec<u32>>,
}

impl<'a> Near<'a> {
    /// The usual search for the best `k`.
    pub(crate) fn usual(field: usize, name: &str, vector: Cow<'a, [f32]>, k: usize) -> Self {
        Near {
            field,
            name: name.to_owned(),
            vector,
            k,
            effort: Effort::Usual,
            least: f32::NEG_INFINITY,
            patience: None,
            time_limit_ms: None,
            excluded: BTreeMap::new(),
        }
    }

    /// Leaves a document out.
    pub(crate) fn exclude(&mut self, (part, row): (usize, u32)) {
        let rows = self.excluded.entry(part as u32).or_default();
        if let Err(at) = rows.binary_search(&row) {
            rows.insert(at, row);
        }
    }
}

/// The position and the settings of a dense field.
pub(crate) fn dense_field<'s>(
    snapshot: &'s Snapshot,
    name: &str,
) -> Result<(usize, &'s DenseSpec), TercetError> {
    let schema = &snapshot.schema;
    let at = schema.require(name)?;
    match &schema.fields[at].spec {
        FieldSpec::Dense(spec) => Ok((at, spec)),
        _ => {
            let there = schema.names(|s| matches!(s, FieldSpec::Dense(_)));
            Err(kind_error(&schema.fields[at], "dense", there))
        }
    }
}

/// Checks a `near` for a page that reaches `depth` hits.
pub(super) fn compile<'a>(
    snapshot: &Snapshot,
    query: &NearQuery,
    arrays: &'a [Array],
    depth: usize,
) -> Result<Near<'a>, TercetError> {
    let (field, spec) = dense_field(snapshot, &query.field)?;
    let k = match query.k {
        Some(k) => bounded("k", k, 1, DEPTH_MAX)?,
        None => depth,
    };
    let (vector, itself) = match &query.vector {
        VectorRef::Document { id } => {
            let (place, vector) = stored_vector(snapshot, field, &query.field, id)?;
            (Cow::Owned(vector), Some(place))
        }
        given => {
            let value =
                serde_json::to_value(given).map_err(|e| TercetError::new(Code::Query, e.to_string()))?;
            (dense_vector(&query.field, spec, &value, arrays)?, None)
        }
    };
    let mut near = Near::usual(field, &query.field, vector, k);
    let asked = Asked {
        steps: Steps {
            ef: query.ef.map(|ef| ef as f64),
            nprobe: query.nprobe.map(|lists| lists as f64),
            candidates: query.candidates.map(|candidates| candidates as f64),
            oversample: query.oversample,
        },
        recall: query.recall,
        exact: query.exact,
    };
    near.effort = effort(snapshot, field, &asked, k.min(depth))?;
    if let Some(radius) = query.radius {
        near.least = least_score(spec.metric, radius)?;
    }
    near.patience =
        query.patience.map(|n| bounded("patience", n, 1, STEPS_MAX)).transpose()?.map(|n| n as u32);
    let limit = query.time_limit_ms.map(|ms| bounded("timeLimitMs", ms, 1, STEPS_MAX)).transpose()?;
    near.time_limit_ms = limit.map(|ms| ms as u64);
    if query.exclude.len() > EXCLUDED_MAX {
        let found = query.exclude.len().to_string();
        let message = format!("exclude takes at most {EXCLUDED_MAX} ids, found {found}");
        return Err(TercetError::new(Code::Limit, message)
            .field("exclude")
            .expected(format!("at most {EXCLUDED_MAX}"), found));
    }
    for id in &query.exclude {
        snapshot.find(&id::encode(Some(id))?)?.into_iter().for_each(|place| near.exclude(place));
    }
    itself.into_iter().for_each(|place| near.exclude(place));
    Ok(near)
}

/// Where a document is, and its vector.
fn stored_vector(
    snapshot: &Snapshot,
    field: usize,
    name: &str,
    id: &serde_json::Value,
) -> Result<((usize, u32), Vec<f32>), TercetError> {
    let place = snapshot.find(&id::encode(Some(id))?)?.ok_or_else(|| {
        TercetError::new(Code::NotFound, format!("there is no document with the id {}", shown(id)))
            .field(name)
            .id(id.clone())
    })?;
    let segment = &snapshot.parts[place.0].segment;
    let vector = segment.dense(field).map(|reader| reader.vector(place.1)).transpose();
    let vector = vector.map_err(|e| segment.error(e))?.flatten().ok_or_else(|| {
        let message = format!("the document with the id {} has no `{name}` to search by", shown(id));
        TercetError::new(Code::Required, message).field(name).id(id.clone())
    })?;
    Ok((place, vector.into_owned()))
}

/// How hard to try, as it was asked for.
pub(crate) struct Asked {
    pub(crate) steps: Steps,
    pub(crate) recall: Option<f64>,
    pub(crate) exact: bool,
}

/// How hard to try: by steps, by the recall wanted, or exactly.
pub(crate) fn effort(
    snapshot: &Snapshot,
    field: usize,
    asked: &Asked,
    k: usize,
) -> Result<Effort, TercetError> {
    let steps = asked.steps.effort(k)?;
    match (steps, asked.recall, asked.exact) {
        (None, None, false) => Ok(Effort::Usual),
        (Some(effort), None, false) => Ok(effort),
        (None, Some(recall), false) => effort_for(snapshot, field, recall, k),
        (None, None, true) => Ok(Effort::Exact),
        _ => Err(TercetError::new(
            Code::Query,
            "a near takes at most one of ef, nprobe (with candidates), recall and exact",
        )
        .field(&snapshot.schema.fields[field].name)
        .expected("one of ef, nprobe, recall, exact", "several")),
    }
}

fn effort_for(snapshot: &Snapshot, field: usize, recall: f64, k: usize) -> Result<Effort, TercetError> {
    let at = &snapshot.schema.fields[field];
    check_recall(recall)?;
    let FieldSpec::Dense(spec) = &at.spec else { return Ok(Effort::Usual) };
    if dense::kind(&spec.index)?.capabilities.exact {
        return Ok(Effort::Usual);
    }
    effort_for_curve(snapshot, field, recall, k)
}

/// The effort for a recall by the measured curve of a field of vectors.
pub(crate) fn effort_for_curve(
    snapshot: &Snapshot,
    field: usize,
    recall: f64,
    k: usize,
) -> Result<Effort, TercetError> {
    let at = &snapshot.schema.fields[field];
    check_recall(recall)?;
    if recall >= 1.0 {
        return Ok(Effort::Exact);
    }
    let size = || snapshot.documents_with(field);
    let effort = match snapshot.curves.get(&at.key) {
        Some(curves) => curves.effort(recall, k, size)?,
        None => None,
    };
    effort.ok_or_else(|| {
        let name = &at.name;
        let message =
            format!("nothing was measured yet to search `{name}` by recall: call tune(\"{name}\") once");
        TercetError::new(Code::Argument, message).field("recall").expected("tune() before it", "no curve")
    })
}

/// The least score within a radius: of the similarity itself, or of the Euclidean distance.
fn least_score(metric: MetricName, radius: f64) -> Result<f32, TercetError> {
    let distance = metric == MetricName::L2;
    if !radius.is_finite() || (distance && radius < 0.0) {
        let rule = if distance { "a distance, 0 or more" } else { "a finite similarity" };
        return Err(TercetError::new(Code::Limit, format!("radius must be {rule}, found {radius}"))
            .field("radius")
            .expected(rule, radius.to_string()));
    }
    // A radius outside of f32 lets everything or nothing through, as infinity does.
    Ok(if distance { -(radius * radius) as f32 } else { radius as f32 })
}

/// The best `k` documents.
pub(crate) fn rank(near: &Near<'_>, context: &mut Context<'_>, k: usize) -> Result<Ranking, TercetError> {
    let k = k.min(near.k);
    let (clock, control) = (context.clock, context.control);
    let deadline = near.time_limit_ms.map(|limit| clock().saturating_add(limit));
    let late = || deadline.is_some_and(|deadline| clock() >= deadline);
    let stop = || control.is_cancelled() || late();
    let (mut exact, mut complete, mut left_out) = (true, true, 0);
    let (mut found, mut segments) = (Vec::new(), Vec::new());
    for (at, part) in context.snapshot.parts.iter().enumerate() {
        let Some(reader) = part.segment.dense(near.field) else { continue };
        if !segments.is_empty() && late() {
            (exact, complete) = (false, false);
            break;
        }
        let excluded = near.excluded.get(&(at as u32)).map_or(&[][..], Vec::as_slice);
        let few = excluded.len() <= EXCLUDED_FEW;
        let dropped = if few { excluded.len() } else { 0 };
        let mut allowed = context.allowed[at].as_deref();
        let fewer = (!few).then(|| without(allowed, part.segment.rows, excluded));
        allowed = fewer.as_ref().or(allowed);
        let mut top = TopK::within(k + dropped, near.least);
        let search = DenseSearch {
            query: Values::F32(&near.vector),
            effort: near.effort,
            allowed,
            patience: near.patience,
            stop: Some(&stop),
        };
        let mut counters = Counters::default();
        let answered = reader.search(&search, &mut top, &mut counters).map_err(|e| part.segment.error(e))?;
        exact &= answered.exact && answered.complete;
        complete &= answered.complete;
        left_out += dropped;
        segments.push(context.answered(at, answered, counters));
        found.push((at as u32, top));
    }
    // Some of the best may be those that are dropped.
    control.step(0)?;
    let mut candidates = best(found, k + left_out)?;
    if left_out > 0 {
        candidates.retain(|candidate| !near.leaves_out(candidate));
    }
    candidates.truncate(k);
    Ok(Ranking { candidates, exact, complete, segments, parts: Vec::new() })
}

impl Near<'_> {
    fn leaves_out(&self, candidate: &Candidate) -> bool {
        let (part, row) = candidate.place;
        self.excluded.get(&part).is_some_and(|rows| rows.binary_search(&row).is_ok())
    }
}

fn without(allowed: Option<&Bitmap>, rows: u32, excluded: &[u32]) -> Bitmap {
    let mut left = allowed.cloned().unwrap_or_else(|| Bitmap::full(rows));
    for row in excluded {
        left.clear(*row);
    }
    left
}
