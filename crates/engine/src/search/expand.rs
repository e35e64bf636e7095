//! `expand`: sparse vectors, the inner product with those of every segment, through its reader.

use tercet_index::{Counters, Slack, SparseEffort, SparseSearch, TopK};

use super::compile::kind_error;
use super::rank::{Ranking, best};
use super::{Context, DEPTH_MAX, bounded};
use crate::api::Array;
use crate::collection::Snapshot;
use crate::sparse::{self, SparseVector};
use crate::wire::{Code, ExpandQuery, FieldSpec, SparseSpec, TercetError};

/// The most cells that may be asked for.
const CELLS_MAX: i64 = 1 << 24;

/// A compiled `expand`.
pub(crate) struct Expand {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) terms: SparseVector,
    k: usize,
    effort: SparseEffort,
}

/// The position and the settings of a sparse field.
pub(super) fn sparse_field<'s>(
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
    let terms = sparse::vector(&query.field, spec, &query.vector, arrays, most)?;
    let k = match query.k {
        Some(k) => bounded("k", k, 1, DEPTH_MAX)?,
        None => depth,
    };
    let share = |name: &str, value: Option<f32>, usual: f32, fits: fn(f32) -> bool, rule: &str| match value {
        Some(value) if !fits(value) => {
            let message = format!("{name} must be {rule}, found {value}");
            Err(TercetError::new(Code::Limit, message).field(name).expected(rule, value.to_string()))
        }
        value => Ok(value.unwrap_or(usual)),
    };
    let slack = Slack {
        alpha: share("alpha", query.alpha, 1.0, |x| x > 0.0 && x <= 1.0, "above 0, at most 1")?,
        beta: share("beta", query.beta, 0.0, |x| (0.0..1.0).contains(&x), "0 to below 1")?,
        cells: query.cells.map_or(Ok(0), |cells| bounded("cells", cells, 1, CELLS_MAX))? as u32,
    };
    let exact = slack == Slack::default();
    let effort = if exact { SparseEffort::Exact } else { SparseEffort::Slack(slack) };
    Ok(Expand { field, name: query.field.clone(), terms, k, effort })
}

/// The best `k` documents.
pub(super) fn rank(query: &Expand, context: &mut Context<'_>, k: usize) -> Result<Ranking, TercetError> {
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
