//! Where a score comes from, and what the search did.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use tercet_index::{Effort, IndexError};

use super::compile::{Compiled, Lexical, LexicalField};
use super::near::Near;
use super::rank::Ranking;
use super::{Candidate, Context, Place};
use crate::segment::Segment;
use crate::wire::{HitExplain, PageExplain, PlanStep, TercetError};

fn part(name: &str, about: impl Into<String>) -> HitExplain {
    HitExplain {
        part: name.to_owned(),
        about: about.into(),
        score: None,
        rank: None,
        details: IndexMap::new(),
        parts: Vec::new(),
    }
}

fn details<const N: usize>(pairs: [(&str, f64); N]) -> IndexMap<String, f64> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A ranking that is asked for many places, in the query's shape.
pub(super) struct Ranks<'r> {
    candidates: &'r [Candidate],
    positions: HashMap<Place, usize>,
    parts: Vec<Ranks<'r>>,
}

impl<'r> Ranks<'r> {
    pub(super) fn of(ranking: &'r Ranking) -> Self {
        Ranks {
            candidates: &ranking.candidates,
            positions: ranking.candidates.iter().enumerate().map(|(at, c)| (c.place, at)).collect(),
            parts: ranking.parts.iter().map(Ranks::of).collect(),
        }
    }
}

/// What each part of the query gave one hit.
pub(super) fn hit(
    query: &Compiled<'_>,
    ranks: &Ranks<'_>,
    context: &Context<'_>,
    place: Place,
) -> Result<HitExplain, TercetError> {
    let mut out = match query {
        Compiled::Match(query) => lexical(query, context, place)?,
        Compiled::Near(near) => part("near", &near.name),
        Compiled::All => part("all", "every document"),
        Compiled::Fuse { k, weights, parts, .. } => {
            let mut out = part("rrf", format!("{} rankings", parts.len()));
            out.details = details([("k", f64::from(*k))]);
            for ((query, ranks), weight) in parts.iter().zip(&ranks.parts).zip(weights) {
                let mut inner = hit(query, ranks, context, place)?;
                inner.details.insert(String::from("weight"), f64::from(*weight));
                out.parts.push(inner);
            }
            out
        }
    };
    if let Some(at) = ranks.positions.get(&place) {
        out.rank = Some(*at as u32 + 1);
        out.score = Some(ranks.candidates[*at].score);
    }
    Ok(out)
}

fn lexical(query: &Lexical, context: &Context<'_>, place: Place) -> Result<HitExplain, TercetError> {
    let mut out = part("match", &query.text);
    let fields = query.fields.iter().map(|field| lexical_field(field, context, place));
    out.parts = fields.collect::<Result<_, _>>()?;
    Ok(out)
}

/// How often a document has a word, and how many words its field has.
fn frequency(
    segment: &Segment,
    field: usize,
    word: &str,
    row: u32,
) -> Result<Option<(u32, u32)>, IndexError> {
    let Some(reader) = segment.text(field) else { return Ok(None) };
    match reader.term(word)? {
        Some(term) => reader.explain(term, row),
        None => Ok(None),
    }
}

fn lexical_field(
    field: &LexicalField,
    context: &Context<'_>,
    place: Place,
) -> Result<HitExplain, TercetError> {
    let mut out = part("field", &field.name);
    let segment = &context.snapshot.parts[place.0 as usize].segment;
    let mut sum = 0.0;
    for term in &field.terms {
        let found = frequency(segment, field.field, &term.text, place.1).map_err(|e| segment.error(e))?;
        let Some((tf, length)) = found else { continue };
        let score = field.bm25.contribution(term.weight, tf, length, field.average_length);
        sum += score;
        let mut inner = part("term", &term.text);
        inner.score = Some(score);
        inner.details = details([
            ("tf", f64::from(tf)),
            ("idf", f64::from(term.idf)),
            ("weight", f64::from(term.weight)),
            ("length", f64::from(length)),
        ]);
        out.parts.push(inner);
    }
    out.score = (!out.parts.is_empty()).then_some(sum);
    out.details = details([
        ("boost", f64::from(field.boost)),
        ("averageLength", f64::from(field.average_length)),
        ("k1", f64::from(field.bm25.k1)),
        ("b", f64::from(field.bm25.b)),
    ]);
    Ok(out)
}

/// The steps that ran and the work they did.
pub(super) fn page(query: &Compiled<'_>, ranking: &Ranking, context: &Context<'_>) -> PageExplain {
    let mut plan = Vec::new();
    steps(query, ranking, context, &mut plan);
    let allowed = context.snapshot.parts.iter().zip(&context.allowed).map(|(part, rows)| match rows {
        Some(rows) => u64::from(rows.count()),
        None => u64::from(part.segment.rows),
    });
    let counters = [
        ("segments", context.snapshot.parts.len() as u64),
        ("documents", context.snapshot.documents()),
        ("allowed", allowed.sum()),
        ("postingsScored", context.counters.postings_scored),
        ("vectorsScored", context.counters.vectors_scored),
        ("hops", context.counters.hops),
    ];
    PageExplain {
        plan,
        counters: counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
    }
}

fn steps(query: &Compiled<'_>, ranking: &Ranking, context: &Context<'_>, plan: &mut Vec<PlanStep>) {
    let segments = context.snapshot.parts.len();
    let step = match query {
        Compiled::Match(query) => {
            let words: usize = query.fields.iter().map(|f| f.terms.len()).sum();
            format!("match: {words} terms, term at a time over {segments} segments")
        }
        Compiled::Near(near) => near_step(near, ranking, context),
        Compiled::All => format!("all: {segments} segments in the order of insertion"),
        Compiled::Fuse { parts, .. } => {
            for (query, ranking) in parts.iter().zip(&ranking.parts) {
                steps(query, ranking, context, plan);
            }
            format!("rrf: fusion of {} rankings", parts.len())
        }
    };
    plan.push(PlanStep {
        step,
        exact: ranking.exact,
        candidates: ranking.candidates.len() as u64,
        segments: ranking.segments.clone(),
    });
}

/// The kind, the ways that were taken, and how hard it tried.
fn near_step(near: &Near<'_>, ranking: &Ranking, context: &Context<'_>) -> String {
    let kind = match &context.snapshot.schema.fields[near.field].spec {
        crate::wire::FieldSpec::Dense(spec) => spec.index.kind(),
        _ => "no",
    };
    let paths: IndexSet<&str> = ranking.segments.iter().map(|segment| segment.path.as_str()).collect();
    let paths = if paths.is_empty() { String::from("scan") } else { Vec::from_iter(paths).join(" and ") };
    let effort = match near.effort {
        Effort::Ef(ef) => format!(", ef {ef}"),
        Effort::Probes { lists, candidates: 0 } => format!(", {lists} lists"),
        Effort::Probes { lists, candidates } => format!(", {lists} lists, {candidates} candidates"),
        Effort::Exact | Effort::Usual => String::new(),
    };
    let stopped = if ranking.complete { "" } else { ", stopped by the time limit" };
    let segments = ranking.segments.len();
    format!("near: {kind} {paths} of `{}`{effort} over {segments} segments{stopped}", near.name)
}
