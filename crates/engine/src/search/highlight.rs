//! Where a hit's text holds the words of the query.
//!
//! The text is analysed again as its field is, and a token is marked when its term is one of the query's for that
//! field: so "stars" is marked for "star" where the analyzer stems. Only the hits of the page are analysed.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tercet_text::utf16_offsets;

use super::compile::Compiled;
use crate::collection::Snapshot;
use crate::wire::{Code, FieldSpec, TercetError};

/// The words to mark, a set a field.
pub(super) struct Highlighter<'a> {
    snapshot: &'a Snapshot,
    fields: Vec<(usize, HashSet<String>)>,
}

type Marks = IndexMap<String, Vec<(u32, u32)>>;

impl<'a> Highlighter<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        names: &[String],
        query: &Compiled<'_>,
    ) -> Result<Self, TercetError> {
        let schema = &snapshot.schema;
        let mut fields: Vec<(usize, HashSet<String>)> = Vec::new();
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
            let mut words = HashSet::new();
            collect(query, at, &mut words);
            fields.push((at, words));
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
        for (at, words) in &self.fields {
            let field = &self.snapshot.schema.fields[*at];
            let text = stored.get(&field.name).and_then(Value::as_str).unwrap_or_default();
            let mut ranges: Vec<(u32, u32)> = Vec::new();
            if let Some(analyzer) = &field.analyzer {
                analyzer.analyze(text, &mut |token| {
                    if words.contains(token.term) {
                        join(&mut ranges, (token.start, token.end));
                    }
                });
            }
            out.insert(field.name.clone(), utf16(text, &ranges));
        }
        Some(out)
    }
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

fn collect(query: &Compiled<'_>, field: usize, words: &mut HashSet<String>) {
    match query {
        Compiled::Match(query) => {
            let terms = query.fields.iter().filter(|f| f.field == field).flat_map(|f| &f.terms);
            words.extend(terms.map(|term| term.text.clone()));
        }
        Compiled::Fuse { parts, .. } => parts.iter().for_each(|part| collect(part, field, words)),
        Compiled::Near { .. } | Compiled::All => {}
    }
}
