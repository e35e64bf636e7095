//! Where a score comes from, and what the search did.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use tercet_index::{Effort, IndexError, InvertedReader};

use super::compile::Compiled;
use super::expand::Expand;
use super::lexical::{Boolean, Clause, Computed, Term, Words, WordsField, each_word, factor};
use super::maxsim;
use super::near::Near;
use super::rank::Ranking;
use super::{Candidate, Context, Place};
use crate::sparse;
use crate::wire::{FieldSpec, HitExplain, PageExplain, PlanStep, TercetError};

pub(super) fn part(name: &str, about: impl Into<String>) -> HitExplain {
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
        Compiled::Words(query) => clause(query, context, place)?.0,
        Compiled::Near(near) => part("near", &near.name),
        Compiled::MaxSim(query) => {
            let mut out = part("maxsim", &query.name);
            maxsim::explain(query, context, place, &mut out)?;
            out
        }
        Compiled::Expand(query) => expand(query, context, place)?,
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

/// What a clause gives one document, and whether it matches it. Scores are summed in the order in which a search sums them.
fn clause(query: &Clause, context: &Context<'_>, place: Place) -> Result<(HitExplain, bool), TercetError> {
    match query {
        Clause::Words(query) => words(query, context, place),
        Clause::Boolean(query) => boolean(query, context, place),
        Clause::All => {
            let mut out = part("all", "every document");
            out.score = Some(0.0);
            Ok((out, true))
        }
    }
}

fn boolean(query: &Boolean, context: &Context<'_>, place: Place) -> Result<(HitExplain, bool), TercetError> {
    let mut out = part("boolean", "");
    let (mut sum, mut matches, mut should) = (0.0, true, 0);
    let lists = [("must", &query.must), ("should", &query.should), ("filter", &query.filter)];
    for (role, clauses) in lists {
        for one in clauses {
            let (mut inner, matched) = clause(one, context, place)?;
            inner.about = format!("{role}: {}", inner.about);
            match role {
                "should" => should += usize::from(matched),
                _ => matches &= matched,
            }
            if role == "filter" {
                // A filter adds nothing, whatever its words are worth.
                inner.score = None;
                inner.parts.clear();
            } else if matched {
                sum += inner.score.unwrap_or(0.0);
            }
            if matched {
                out.parts.push(inner);
            }
        }
    }
    for one in &query.must_not {
        matches &= !clause(one, context, place)?.1;
    }
    matches &= should >= query.least;
    out.about = format!("{} of {} should", should, query.should.len());
    out.score = matches.then_some(sum);
    Ok((out, matches))
}

fn words(query: &Words, context: &Context<'_>, place: Place) -> Result<(HitExplain, bool), TercetError> {
    let mut out = part(query.kind, &query.text);
    let (mut sum, mut matches) = (0.0, false);
    for field in &query.fields {
        let inner = words_field(field, context, place)?;
        if inner.parts.len() >= field.least {
            matches = true;
            if field.least > 1 {
                sum += inner.score.unwrap_or(0.0);
            } else {
                inner.parts.iter().for_each(|term| sum += term.score.unwrap_or(0.0));
            }
        }
        out.parts.push(inner);
    }
    out.score = matches.then_some(sum);
    Ok((out, matches))
}

/// How often a document has a word, and how many words its field has.
fn frequency(reader: &InvertedReader, term: &Term, place: Place) -> Result<Option<(f32, u32)>, IndexError> {
    if let Some(computed) = &term.computed {
        let list = computed.lists.get(place.0 as usize).map(Vec::as_slice).unwrap_or_default();
        let Ok(at) = list.binary_search_by_key(&place.1, |entry| entry.0) else { return Ok(None) };
        return Ok(reader.length(place.1)?.map(|length| (list[at].1, length)));
    }
    let Some(id) = reader.term(&term.text)? else { return Ok(None) };
    Ok(reader.explain(id, place.1)?.map(|(tf, length)| (tf as f32, length)))
}

fn words_field(field: &WordsField, context: &Context<'_>, place: Place) -> Result<HitExplain, TercetError> {
    let mut out = part("field", &field.name);
    let segment = &context.snapshot.parts[place.0 as usize].segment;
    let mut sum = 0.0;
    for term in &field.terms {
        let Some(reader) = segment.text(field.field) else { continue };
        let found = frequency(reader, term, place).map_err(|e| segment.error(e))?;
        let Some((tf, length)) = found else { continue };
        let score = field.bm25.part(term.weight, tf, length, field.average_length);
        sum += score;
        let mut inner = part("term", &term.text);
        inner.score = Some(score);
        inner.details = details([
            ("tf", f64::from(tf)),
            ("idf", f64::from(term.idf)),
            ("length", f64::from(length)),
            ("impact", f64::from(field.bm25.impact(tf, length, field.average_length))),
            ("boost", f64::from(field.boost)),
            ("weight", f64::from(term.weight)),
        ]);
        if let Some(computed) = &term.computed {
            inner.parts = stands_for(reader, computed, place.1, context).map_err(|e| segment.error(e))?;
        }
        out.parts.push(inner);
    }
    out.score = (out.parts.len() >= field.least).then_some(sum);
    out.details = details([
        ("boost", f64::from(field.boost)),
        ("averageLength", f64::from(field.average_length)),
        ("k1", f64::from(field.bm25.k1)),
        ("b", f64::from(field.bm25.b)),
    ]);
    Ok(out)
}

/// The words of a document that a computed one stands for.
fn stands_for(
    reader: &InvertedReader,
    computed: &Computed,
    row: u32,
    context: &Context<'_>,
) -> Result<Vec<HitExplain>, IndexError> {
    let (mut out, mut failed) = (Vec::new(), None);
    each_word(reader, &computed.of, &|| context.control.is_cancelled(), &mut |id, text, edits| {
        match reader.explain(id, row) {
            Ok(Some((tf, _))) => {
                let mut word = part("word", text);
                word.details = details([("tf", f64::from(tf)), ("counts", f64::from(factor(edits)))]);
                out.push(word);
            }
            Ok(None) => {}
            Err(error) => failed = Some(error),
        }
        failed.is_none()
    })?;
    failed.map_or(Ok(out), Err)
}

/// What each term of a sparse vector gives one document.
fn expand(query: &Expand, context: &Context<'_>, place: Place) -> Result<HitExplain, TercetError> {
    let mut out = part("expand", &query.name);
    let segment = &context.snapshot.parts[place.0 as usize].segment;
    let Some(reader) = segment.sparse(query.field) else { return Ok(out) };
    let called = |term| match &context.snapshot.schema.fields[query.field].spec {
        FieldSpec::Sparse(spec) => sparse::called(spec, term),
        _ => term.to_string(),
    };
    for &(term, q) in &query.terms {
        let weight = reader.weight(term, place.1).map_err(|e| segment.error(e))?;
        if let Some(weight) = weight {
            let mut inner = part("term", called(term));
            inner.score = Some(weight * q);
            inner.details = details([("weight", f64::from(weight)), ("query", f64::from(q))]);
            out.parts.push(inner);
        }
    }
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
        ("blocksBounded", context.counters.blocks_bounded),
        ("blocksScored", context.counters.blocks_scored),
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
        Compiled::Words(query) => {
            let (kind, terms) = size(query);
            format!("{kind}: {terms} terms, term at a time over {segments} segments")
        }
        Compiled::Near(near) => near_step(near, ranking, context),
        Compiled::MaxSim(query) => maxsim::step(query, ranking),
        Compiled::Expand(query) => {
            let paths: IndexSet<&str> =
                ranking.segments.iter().map(|segment| segment.path.as_str()).collect();
            let (terms, paths) = (query.terms.len(), Vec::from_iter(paths).join(" and "));
            format!(
                "expand: {terms} terms in `{}`, {paths} over {} segments",
                query.name,
                ranking.segments.len()
            )
        }
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

/// The kind of a clause, and how many words it has in all fields.
fn size(query: &Clause) -> (&'static str, usize) {
    match query {
        Clause::Words(words) => (words.kind, words.fields.iter().map(|f| f.terms.len()).sum()),
        Clause::Boolean(query) => {
            let all = query.must.iter().chain(&query.should).chain(&query.must_not).chain(&query.filter);
            ("boolean", all.map(|clause| size(clause).1).sum())
        }
        Clause::All => ("all", 0),
    }
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
