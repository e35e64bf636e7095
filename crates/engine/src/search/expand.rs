//! `expand`: sparse vectors, the inner product with those of every segment, through its reader.

use tercet_index::{Counters, Slack, SparseEffort, SparseSearch, TopK};

use super::compile::kind_error;
use super::near::effort_for_curve;
use super::rank::{Ranking, best};
use super::{Context, DEPTH_MAX, bounded};
use crate::api::Array;
use crate::collection::Snapshot;
use crate::sparse::{self, SparseVector, Unknown};
use crate::wire::{Code, ExpandQuery, FieldSpec, SparseSpec, TercetError};

/// The most cells that may be asked for.
const CELLS_MAX: f64 = 16_777_216.0;

/// A compiled `expand`.
pub(crate) struct Expand {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) terms: SparseVector,
    pub(crate) k: usize,
    pub(crate) effort: SparseEffort,
}

/// The position and the settings of a sparse field.
pub(crate) fn sparse_field<'s>(
    snapshot: &'s Snapshot,
    name: &str,
) -> Result<(usize, &'s SparseSpec), TercetError> {
    let schema = &snapshot.schema;
    let at = schema.require(name)?;
    match &schema.fields[at].spec {
        FieldSpec::Sparse(spec) => Ok((at, spec)),
        _ => {
            let there = schema.names(|s| matches!(s, FieldSpec::Sparse(_)));
            Err(kind_error(&schema.fields[at], "sparse", there))
        }
    }
}

/// Checks an `expand` for a page that reaches `depth` hits.
pub(super) fn compile(
    snapshot: &Snapshot,
    query: &ExpandQuery,
    arrays: &[Array],
    depth: usize,
) -> Result<Expand, TercetError> {
    let (field, spec) = sparse_field(snapshot, &query.field)?;
    let most = tercet_index::QUERY_TERMS_MAX;
    let terms = sparse::vector(&query.field, spec, &query.vector, arrays, most, Unknown::Ignored)?;
    let k = match query.k {
        Some(k) => bounded("k", k, 1, DEPTH_MAX)?,
        None => depth,
    };
    let effort = slack(query.alpha.map(f64::from), query.beta.map(f64::from), query.cells.map(|n| n as f64))?;
    let effort = by_recall(snapshot, field, effort, query.recall, k.min(depth))?;
    Ok(Expand { field, name: query.field.clone(), terms, k, effort })
}

/// The effort that was asked for, or the one for a recall.
pub(crate) fn by_recall(
    snapshot: &Snapshot,
    field: usize,
    asked: SparseEffort,
    recall: Option<f64>,
    k: usize,
) -> Result<SparseEffort, TercetError> {
    let Some(recall) = recall else { return Ok(asked) };
    if asked != SparseEffort::Usual {
        let message = "an expand takes `recall` or some of alpha, beta and cells";
        return Err(TercetError::new(Code::Query, message)
            .field(&snapshot.schema.fields[field].name)
            .expected("recall, or alpha, beta and cells", "both"));
    }
    Ok(sparse::by_effort(effort_for_curve(snapshot, field, recall, k)?))
}

/// What may be skipped, as it was asked for; nothing given: nothing is.
pub(crate) fn slack(
    alpha: Option<f64>,
    beta: Option<f64>,
    cells: Option<f64>,
) -> Result<SparseEffort, TercetError> {
    let within = |name: &str, value: Option<f64>, usual: f64, fits: fn(f64) -> bool, rule: &str| match value {
        Some(value) if !fits(value) => {
            let message = format!("{name} must be {rule}, found {value}");
            Err(TercetError::new(Code::Limit, message).field(name).expected(rule, value.to_string()))
        }
        value => Ok(value.unwrap_or(usual)),
    };
    let whole = |x: f64| x.fract() == 0.0 && (1.0..=CELLS_MAX).contains(&x);
    let slack = Slack {
        alpha: within("alpha", alpha, 1.0, |x| x > 0.0 && x <= 1.0, "above 0, at most 1")? as f32,
        beta: within("beta", beta, 0.0, |x| (0.0..1.0).contains(&x), "0 to below 1")? as f32,
        cells: within("cells", cells, 0.0, whole, "a whole number from 1 to 16777216")? as u32,
    };
    // As f32 a share below 1 may be 1.
    let slack = Slack {
        beta: slack.beta.min(1.0 - f32::EPSILON),
        alpha: slack.alpha.max(f32::MIN_POSITIVE),
        ..slack
    };
    Ok(if slack == Slack::default() { SparseEffort::Usual } else { SparseEffort::Slack(slack) })
}

/// The best `k` documents.
pub(crate) fn rank(query: &Expand, context: &mut Context<'_>, k: usize) -> Result<Ranking, TercetError> {
    let k = k.min(query.k);
    let control = context.control;
    let stop = || control.is_cancelled();
    let (mut exact, mut found, mut segments) = (true, Vec::new(), Vec::new());
    for (at, part) in context.snapshot.parts.iter().enumerate() {
        let Some(reader) = part.segment.sparse(query.field) else { continue };
        let search = SparseSearch {
            terms: &query.terms,
            effort: query.effort,
            allowed: context.allowed[at].as_deref(),
            stop: Some(&stop),
        };
        let (mut top, mut counters) = (TopK::new(k), Counters::default());
        let answered = reader.search(&search, &mut top, &mut counters).map_err(|e| part.segment.error(e))?;
        exact &= answered.exact && answered.complete;
        segments.push(context.answered(at, answered, counters));
        found.push((at as u32, top));
    }
    control.step(0)?;
    let candidates = best(found, k)?;
    Ok(Ranking { candidates, exact, complete: true, segments, parts: Vec::new() })
}
