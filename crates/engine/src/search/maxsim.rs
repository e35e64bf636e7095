//! `maxsim`: the documents whose tokens are nearest to those of a query, segment by segment.

use tercet_index::multi::{MultiQuery, MultiSearch, QUERY_TOKENS_MAX, QueryTokens};
use tercet_index::{Counters, Effort, TopK};

use super::compile::{WEIGHT_MAX, kind_error};
use super::near::effort_for_curve;
use super::rank::{Ranking, best};
use super::{Context, DEPTH_MAX, Place, bounded};
use crate::api::Array;
use crate::collection::Snapshot;
use crate::effort::EF_MAX;
use crate::multi::{self, index_spec};
use crate::recall::check_recall;
use crate::wire::{self, Code, FieldSpec, HitExplain, MaxSimQuery, MultiIndexSpec, TercetError};

/// A compiled `maxsim`.
pub(crate) struct MaxSim {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) query: MultiQuery,
    pub(crate) k: usize,
    pub(crate) effort: Effort,
    pub(crate) by_unit: bool,
}

/// The position and the settings of a multi field.
pub(crate) fn multi_field<'s>(
    snapshot: &'s Snapshot,
    name: &str,
) -> Result<(usize, &'s wire::MultiSpec), TercetError> {
    let schema = &snapshot.schema;
    let at = schema.require(name)?;
    match &schema.fields[at].spec {
        FieldSpec::Multi(spec) => Ok((at, spec)),
        _ => {
            let there = schema.names(|s| matches!(s, FieldSpec::Multi(_)));
            Err(kind_error(&schema.fields[at], "multi", there))
        }
    }
}

/// Checks a `maxsim` for a page that reaches `depth` hits.
pub(super) fn compile(
    snapshot: &Snapshot,
    query: &MaxSimQuery,
    arrays: &[Array],
    depth: usize,
) -> Result<MaxSim, TercetError> {
    let (field, spec) = multi_field(snapshot, &query.field)?;
    let k = match query.k {
        Some(k) => bounded("k", k, 1, DEPTH_MAX)?,
        None => depth,
    };
    let value =
        serde_json::to_value(&query.tokens).map_err(|e| TercetError::new(Code::Query, e.to_string()))?;
    let tokens = multi::tokens(&query.field, spec, &value, arrays, QUERY_TOKENS_MAX)?;
    if let Some(weights) = &query.weights {
        check_weights(weights, tokens.values.len() / spec.dims as usize)?;
    }
    if let Some(least) = query.carve.filter(|least| !least.is_finite()) {
        return Err(TercetError::new(Code::Limit, format!("carve must be finite, found {least}"))
            .field("carve")
            .expected("a finite inner product", least.to_string()));
    }
    let given = QueryTokens {
        tokens: &tokens.values,
        weights: query.weights.as_deref(),
        mean: query.mean,
        carve: query.carve,
    };
    let ready = index_spec(spec).and_then(|spec| MultiQuery::new(&spec, given)).map_err(multi::error)?;
    let asked = (query.candidates, query.recall, query.exact);
    Ok(MaxSim {
        field,
        name: query.field.clone(),
        query: ready,
        k,
        effort: effort(snapshot, field, spec, asked, k.min(depth))?,
        by_unit: query.units,
    })
}

/// A weight for each token, in its range, and one above 0.
pub(crate) fn check_weights(weights: &[f32], tokens: usize) -> Result<(), TercetError> {
    if weights.len() != tokens {
        let message = format!("{tokens} tokens take as many weights, found {}", weights.len());
        return Err(TercetError::new(Code::Query, message)
            .field("weights")
            .expected(tokens.to_string(), weights.len().to_string()));
    }
    if let Some(weight) = weights.iter().find(|weight| !(0.0..=WEIGHT_MAX).contains(*weight)) {
        let message = format!("the weights of tokens are 0 to {WEIGHT_MAX}, found {weight}");
        return Err(TercetError::new(Code::Limit, message)
            .field("weights")
            .expected(format!("0 to {WEIGHT_MAX}"), weight.to_string()));
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        let message = "all weights are 0: no token is left to compare";
        return Err(TercetError::new(Code::Query, message)
            .field("weights")
            .expected("a weight above 0", "none"));
    }
    Ok(())
}

/// How hard to try: at most one of `candidates`, `recall` and `exact`.
pub(crate) fn effort(
    snapshot: &Snapshot,
    field: usize,
    spec: &wire::MultiSpec,
    asked: (Option<i64>, Option<f64>, bool),
    k: usize,
) -> Result<Effort, TercetError> {
    match asked {
        (None, None, false) => Ok(Effort::Usual),
        (Some(wanted), None, false) => {
            Ok(Effort::Ef(bounded("candidates", wanted, 1, EF_MAX.into())? as u32))
        }
        (None, Some(recall), false) => {
            check_recall(recall)?;
            if matches!(spec.index, MultiIndexSpec::Scan {}) {
                return Ok(Effort::Exact);
            }
            effort_for_curve(snapshot, field, recall, k)
        }
        (None, None, true) => Ok(Effort::Exact),
        _ => Err(TercetError::new(Code::Query, "a maxsim takes at most one of candidates, recall and exact")
            .field(&snapshot.schema.fields[field].name)
            .expected("one of candidates, recall, exact", "several")),
    }
}

/// The best `k` documents.
pub(crate) fn rank(maxsim: &MaxSim, context: &mut Context<'_>, k: usize) -> Result<Ranking, TercetError> {
    let k = k.min(maxsim.k);
    let control = context.control;
    let stop = || control.is_cancelled();
    let (mut exact, mut found, mut segments) = (true, Vec::new(), Vec::new());
    for (at, part) in context.snapshot.parts.iter().enumerate() {
        let Some(reader) = part.segment.multi(maxsim.field) else { continue };
        let mut top = TopK::new(k);
        let search = MultiSearch {
            effort: maxsim.effort,
            allowed: context.allowed[at].as_deref(),
            stop: Some(&stop),
            by_unit: maxsim.by_unit,
        };
        let mut counters = Counters::default();
        let answered = reader.search(&maxsim.query, &search, &mut top, &mut counters);
        let answered = answered.map_err(|e| part.segment.error(e))?;
        exact &= answered.exact;
        segments.push(context.answered(at, answered, counters));
        found.push((at as u32, top));
    }
    control.step(0)?;
    Ok(Ranking { candidates: best(found, k)?, exact, complete: true, segments, parts: Vec::new() })
}

/// Which token of a hit each token of the query met, and the best unit.
pub(super) fn explain(
    maxsim: &MaxSim,
    context: &Context<'_>,
    place: Place,
    out: &mut HitExplain,
) -> Result<(), TercetError> {
    let segment = &context.snapshot.parts[place.0 as usize].segment;
    let Some(reader) = segment.multi(maxsim.field) else { return Ok(()) };
    for aligned in reader.align(&maxsim.query, place.1).map_err(|e| segment.error(e))? {
        let mut inner = super::explain::part("token", format!("{} -> {}", aligned.query, aligned.token));
        inner.score = Some(aligned.score);
        inner.details.insert(String::from("query"), aligned.query.into());
        inner.details.insert(String::from("token"), aligned.token.into());
        if let Some(unit) = reader.unit(place.1, aligned.token).map_err(|e| segment.error(e))? {
            inner.details.insert(String::from("unit"), unit.into());
        }
        out.parts.push(inner);
    }
    if let Some((unit, score)) = reader.best_unit(&maxsim.query, place.1).map_err(|e| segment.error(e))? {
        out.details.insert(String::from("bestUnit"), unit.into());
        out.details.insert(String::from("bestUnitScore"), score.into());
    }
    Ok(())
}

/// The ways that were taken, and how hard it tried.
pub(super) fn step(maxsim: &MaxSim, ranking: &Ranking) -> String {
    let paths: indexmap::IndexSet<&str> = ranking.segments.iter().map(|step| step.path.as_str()).collect();
    let paths = if paths.is_empty() { String::from("scan") } else { Vec::from_iter(paths).join(" and ") };
    let effort =
        if let Effort::Ef(wanted) = maxsim.effort { format!(", {wanted} candidates") } else { String::new() };
    let (tokens, segments) = (maxsim.query.len(), ranking.segments.len());
    format!("maxsim: {tokens} tokens, {paths} of `{}`{effort} over {segments} segments", maxsim.name)
}
