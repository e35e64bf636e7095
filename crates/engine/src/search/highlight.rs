//! Where a hit's text holds the words of the query.
//!
//! The text is analysed again as its field is, and a token is marked when its term is one of the query's for that
//! field: so "stars" is marked for "star" where the analyzer stems. Computed words are told again from the tokens: those
//! that begin so, those that are near, and the words of a phrase where they match it. What a query must not match is not
//! looked for. Only the hits of the page are analysed.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tercet_index::{PhraseWord, phrase_matches, twins};
use tercet_text::{Analyzer, utf16_offsets};

use super::compile::Compiled;
use super::lexical::{Clause, Source};
use crate::collection::Snapshot;
use crate::wire::{Code, FieldSpec, TercetError};

/// What to mark, field by field.
pub(super) struct Highlighter<'a> {
    snapshot: &'a Snapshot,
    fields: Vec<(usize, Wanted<'a>)>,
}

/// What to mark in one field.
#[derive(Default)]
struct Wanted<'a> {
    words: HashSet<&'a str>,
    computed: Vec<&'a Source>,
}

type Marks = IndexMap<String, Vec<(u32, u32)>>;

impl<'a> Highlighter<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        names: &[String],
        query: &'a Compiled<'_>,
    ) -> Result<Self, TercetError> {
        let schema = &snapshot.schema;
        let mut fields: Vec<(usize, Wanted<'a>)> = Vec::new();
        for name in names {
            let at = schema.require(name)?;
            if fields.iter().any(|(field, _)| *field == at) {
                continue;
            }
            if !matches!(schema.fields[at].spec, FieldSpec::Text(_)) {
                let there = schema.names(|spec| matches!(spec, FieldSpec::Text(_)));
                let kind = schema.fields[at].spec.type_name();
                return Err(TercetError::new(
                    Code::Query,
                    format!("highlight: `{name}` is a {kind} field; the text fields are {there}"),
                )
                .field(name)
                .expected("a text field", format!("a {kind} field")));
            }
            let mut wanted = Wanted::default();
            collect(query, at, &mut wanted);
            fields.push((at, wanted));
        }
        Ok(Highlighter { snapshot, fields })
    }

    /// Whether no field was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The ranges of a hit, a list a field; `None` when no field was asked for.
    pub(super) fn mark(&self, stored: &Map<String, Value>) -> Option<Marks> {
        if self.is_empty() {
            return None;
        }
        let mut out = Marks::with_capacity(self.fields.len());
        for (at, wanted) in &self.fields {
            let field = &self.snapshot.schema.fields[*at];
            let text = stored.get(&field.name).and_then(Value::as_str).unwrap_or_default();
            let ranges = field.analyzer.map(|analyzer| wanted.ranges(analyzer, text)).unwrap_or_default();
            out.insert(field.name.clone(), utf16(text, &ranges));
        }
        Some(out)
    }
}

impl Wanted<'_> {
    /// The ranges of bytes to mark, ascending; overlapping ones (of bigrams) are joined.
    fn ranges(&self, analyzer: Analyzer, text: &str) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        let is_one = |term: &str| {
            self.words.contains(term)
                || self.computed.iter().any(|of| match of {
                    Source::Prefix(prefix) => term.starts_with(prefix),
                    Source::Near(near) => near.distance(term).is_some(),
                    Source::Phrase { .. } => false,
                })
        };
        analyzer.analyze(text, &mut |token| {
            if is_one(token.term) {
                join(&mut ranges, (token.start, token.end));
            }
        });
        let alone = ranges.len();
        for of in &self.computed {
            if let Source::Phrase { words, slop } = of {
                mark_phrase(words, *slop, analyzer, text, &mut ranges);
            }
        }
        if ranges.len() > alone {
            ranges.sort_unstable();
            let mut joined = Vec::with_capacity(ranges.len());
            ranges.into_iter().for_each(|range| join(&mut joined, range));
            return joined;
        }
        ranges
    }
}

/// Appends the ranges of the words of every match of a phrase.
fn mark_phrase(
    words: &[(String, u32)],
    slop: u32,
    analyzer: Analyzer,
    text: &str,
    ranges: &mut Vec<(u32, u32)>,
) {
    let mut places: Vec<Vec<u32>> = vec![Vec::new(); words.len()];
    let mut tokens: Vec<(u32, (u32, u32))> = Vec::new();
    analyzer.analyze(text, &mut |token| {
        let mut wanted = false;
        for ((word, _), places) in words.iter().zip(&mut places) {
            if word == token.term {
                places.push(token.position);
                wanted = true;
            }
        }
        if wanted {
            tokens.push((token.position, (token.start, token.end)));
        }
    });
    let same = twins(&words.iter().map(|word| &word.0).collect::<Vec<_>>());
    let phrase: Vec<PhraseWord<'_>> = words
        .iter()
        .zip(same)
        .zip(&places)
        .map(|((&(_, offset), same), positions)| PhraseWord { offset, same, positions })
        .collect();
    phrase_matches(&phrase, slop, &mut |_, found| {
        for position in found {
            let at = tokens.partition_point(|token| token.0 < *position);
            ranges.extend(tokens.get(at).map(|token| token.1));
        }
    });
}

/// Overlapping bigrams become one range.
fn join(ranges: &mut Vec<(u32, u32)>, next: (u32, u32)) {
    match ranges.last_mut() {
        Some(last) if next.0 < last.1 => last.1 = last.1.max(next.1),
        _ => ranges.push(next),
    }
}

/// Ranges of bytes as ranges of UTF-16 code units.
fn utf16(text: &str, ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let flat: Vec<u32> = ranges.iter().flat_map(|(start, end)| [*start, *end]).collect();
    utf16_offsets(text, &flat).chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn collect<'a>(query: &'a Compiled<'_>, field: usize, wanted: &mut Wanted<'a>) {
    match query {
        Compiled::Words(clause) => collect_clause(clause, field, wanted),
        Compiled::Fuse { parts, .. } => parts.iter().for_each(|part| collect(part, field, wanted)),
        Compiled::Near { .. } | Compiled::MaxSim(_) | Compiled::Expand(_) | Compiled::All => {}
    }
}

fn collect_clause<'a>(clause: &'a Clause, field: usize, wanted: &mut Wanted<'a>) {
    match clause {
        Clause::Words(words) => {
            for term in words.fields.iter().filter(|f| f.field == field).flat_map(|f| &f.terms) {
                match &term.computed {
                    Some(computed) => wanted.computed.push(&computed.of),
                    None => _ = wanted.words.insert(&term.text),
                }
            }
        }
        Clause::Boolean(query) => {
            let found = query.must.iter().chain(&query.should).chain(&query.filter);
            found.for_each(|clause| collect_clause(clause, field, wanted));
        }
        Clause::All => {}
    }
}
