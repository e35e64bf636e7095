//! A query checked against the schema and made ready: words analysed, statistics gathered, vectors fetched.

use indexmap::IndexMap;
use tercet_index::{Bm25, IndexError, idf};

use super::near::{self, Near};
use super::{DEPTH_MAX, bounded};
use crate::api::Array;
use crate::collection::{Part, Snapshot};
use crate::schema::Field;
use crate::wire::{
    Code, FieldBoosts, FieldSpec, FuseQuery, MatchQuery, Operator, Query, TercetError, TextSpec,
};

/// The most rankings in one fusion.
const RANKINGS_MAX: usize = 32;
/// The deepest nesting of fusions.
const NESTING_MAX: usize = 8;
/// The most distinct words of a query in one field.
pub(crate) const QUERY_TERMS_MAX: usize = 1_024;
/// The longest query text, in bytes.
pub(crate) const QUERY_BYTES_MAX: usize = 64 << 10;

/// The largest boost of a field, in a query as in a schema, and the largest weight of a ranking: with it no score leaves
/// the range of f32.
const WEIGHT_MAX: f32 = 1e6;

/// A compiled query.
pub(crate) enum Compiled<'a> {
    Match(Lexical),
    Near(Box<Near<'a>>),
    All,
    Fuse { k: f32, weights: Vec<f32>, depth: usize, parts: Vec<Compiled<'a>> },
}

/// A compiled `match`.
pub(crate) struct Lexical {
    pub(crate) text: String,
    pub(crate) all_words: bool,
    pub(crate) fields: Vec<LexicalField>,
}

/// One field of a `match`.
pub(crate) struct LexicalField {
    pub(crate) field: usize,
    pub(crate) name: String,
    pub(crate) bm25: Bm25,
    pub(crate) boost: f32,
    /// Mean length of the field over the live documents that have it.
    pub(crate) average_length: f32,
    /// Distinct words, in the order of the query.
    pub(crate) terms: Vec<Term>,
}

/// One word of a query.
pub(crate) struct Term {
    pub(crate) text: String,
    /// Inverse document frequency over the whole collection; 0 where no live document has the word.
    pub(crate) idf: f32,
    /// boost x idf x times the word stands in the query.
    pub(crate) weight: f32,
}

/// Compiles a query for a page that reaches `depth` hits.
pub(crate) fn compile<'a>(
    snapshot: &Snapshot,
    query: &Query,
    arrays: &'a [Array],
    depth: usize,
) -> Result<Compiled<'a>, TercetError> {
    compile_within(snapshot, query, arrays, depth, NESTING_MAX)
}

fn compile_within<'a>(
    snapshot: &Snapshot,
    query: &Query,
    arrays: &'a [Array],
    depth: usize,
    nesting: usize,
) -> Result<Compiled<'a>, TercetError> {
    match query {
        Query::Match(query) => Ok(Compiled::Match(lexical(snapshot, query)?)),
        Query::Near(query) => Ok(Compiled::Near(Box::new(near::compile(snapshot, query, arrays, depth)?))),
        Query::All(_) => Ok(Compiled::All),
        Query::Fuse(query) => fuse(snapshot, query, arrays, depth, nesting),
    }
}

fn fuse<'a>(
    snapshot: &Snapshot,
    query: &FuseQuery,
    arrays: &'a [Array],
    depth: usize,
    nesting: usize,
) -> Result<Compiled<'a>, TercetError> {
    let nesting = nesting.checked_sub(1).ok_or_else(|| {
        TercetError::new(Code::Limit, format!("fusions nest at most {NESTING_MAX} deep"))
            .expected(format!("at most {NESTING_MAX}"), "more")
    })?;
    bounded("queries of a fusion", query.queries.len() as i64, 1, RANKINGS_MAX as i64)?;
    if !(query.k > 0.0 && query.k.is_finite()) {
        return Err(TercetError::new(
            Code::Limit,
            format!("k of a fusion must be above 0, found {}", query.k),
        )
        .field("k")
        .expected("above 0", query.k.to_string()));
    }
    let weights = query.weights.clone().unwrap_or_else(|| vec![1.0; query.queries.len()]);
    if weights.len() != query.queries.len() {
        return Err(TercetError::new(
            Code::Query,
            format!(
                "a fusion of {} queries takes as many weights, found {}",
                query.queries.len(),
                weights.len()
            ),
        )
        .field("weights")
        .expected(query.queries.len().to_string(), weights.len().to_string()));
    }
    if let Some(weight) = weights.iter().find(|w| !(0.0..=WEIGHT_MAX).contains(*w)) {
        return Err(TercetError::new(
            Code::Limit,
            format!("the weights of a fusion are 0 to {WEIGHT_MAX}, found {weight}"),
        )
        .field("weights")
        .expected(format!("0 to {WEIGHT_MAX}"), weight.to_string()));
    }
    let depth = match query.depth {
        Some(depth) => bounded("depth", depth, 1, DEPTH_MAX)?,
        None => depth.max(100),
    };
    let parts = query
        .queries
        .iter()
        .map(|part| compile_within(snapshot, part, arrays, depth, nesting))
        .collect::<Result<_, _>>()?;
    Ok(Compiled::Fuse { k: query.k, weights, depth, parts })
}

pub(super) fn kind_error(field: &Field, wanted: &str, there: String) -> TercetError {
    TercetError::new(
        Code::Query,
        format!(
            "field `{}` is a {} field; the {wanted} fields are {there}",
            field.name,
            field.spec.type_name()
        ),
    )
    .field(&field.name)
    .expected(format!("a {wanted} field"), format!("a {} field", field.spec.type_name()))
}

fn lexical(snapshot: &Snapshot, query: &MatchQuery) -> Result<Lexical, TercetError> {
    let schema = &snapshot.schema;
    if query.text.trim().is_empty() {
        return Err(TercetError::new(Code::Query, "a match needs words, found none")
            .field("text")
            .expected("words", "an empty text"));
    }
    bounded("bytes of a match's text", query.text.len() as i64, 1, QUERY_BYTES_MAX as i64)?;
    let mut fields = Vec::new();
    for (name, boost) in chosen(snapshot, query)? {
        let at = schema.require(&name)?;
        let field = &schema.fields[at];
        let FieldSpec::Text(spec) = &field.spec else {
            return Err(kind_error(field, "text", schema.names(|s| matches!(s, FieldSpec::Text(_)))));
        };
        fields.push(lexical_field(snapshot, at, field, spec, boost.unwrap_or(spec.boost), &query.text)?);
    }
    Ok(Lexical { text: query.text.clone(), all_words: query.operator == Operator::And, fields })
}

/// The fields to search, each with the boost that the query gives it.
pub(super) fn chosen(
    snapshot: &Snapshot,
    query: &MatchQuery,
) -> Result<Vec<(String, Option<f32>)>, TercetError> {
    let chosen: Vec<(String, Option<f32>)> = match &query.fields {
        Some(FieldBoosts::Names(names)) => {
            let distinct: IndexMap<&String, ()> = names.iter().map(|name| (name, ())).collect();
            distinct.into_keys().map(|name| (name.clone(), None)).collect()
        }
        Some(FieldBoosts::Boosts(boosts)) => {
            boosts.iter().map(|(name, boost)| (name.clone(), Some(*boost))).collect()
        }
        None => {
            let text = snapshot.schema.fields.iter().filter(|f| matches!(f.spec, FieldSpec::Text(_)));
            text.map(|f| (f.name.clone(), None)).collect()
        }
    };
    if let Some((name, boost)) =
        chosen.iter().find(|(_, boost)| boost.is_some_and(|b| !(b > 0.0 && b <= WEIGHT_MAX)))
    {
        let found = boost.unwrap_or_default().to_string();
        return Err(TercetError::new(
            Code::Limit,
            format!("the boost of field `{name}` must be above 0 and at most {WEIGHT_MAX}, found {found}"),
        )
        .field(name)
        .expected(format!("above 0, at most {WEIGHT_MAX}"), found));
    }
    if chosen.is_empty() {
        return Err(TercetError::new(Code::Query, "a match needs a text field, and there is none")
            .field("fields")
            .expected("a text field", "none"));
    }
    Ok(chosen)
}

fn lexical_field(
    snapshot: &Snapshot,
    at: usize,
    field: &Field,
    spec: &TextSpec,
    boost: f32,
    text: &str,
) -> Result<LexicalField, TercetError> {
    let mut times: IndexMap<String, u32> = IndexMap::new();
    if let Some(analyzer) = &field.analyzer {
        analyzer.analyze(text, &mut |token| match times.get_mut(token.term) {
            Some(count) => *count += 1,
            None => {
                times.insert(token.term.to_owned(), 1);
            }
        });
    }
    bounded("distinct words of a match", times.len() as i64, 0, QUERY_TERMS_MAX as i64)?;
    let (mut documents, mut words) = (0, 0);
    for part in &snapshot.parts {
        let lengths = part.lengths(at)?;
        (documents, words) = (documents + lengths.documents, words + lengths.words);
    }
    let mut terms = Vec::with_capacity(times.len());
    for (text, times) in times {
        let mut frequency = 0;
        for part in &snapshot.parts {
            frequency += doc_freq(part, at, &text).map_err(|e| part.segment.error(e))?;
        }
        let idf = if frequency == 0 { 0.0 } else { idf(documents, frequency) };
        terms.push(Term { text, idf, weight: boost * idf * times as f32 });
    }
    Ok(LexicalField {
        field: at,
        name: field.name.clone(),
        bm25: Bm25 { k1: spec.k1, b: spec.b },
        boost,
        average_length: if documents == 0 { 0.0 } else { (words as f64 / documents as f64) as f32 },
        terms,
    })
}

/// Live documents of a part that have a word.
fn doc_freq(part: &Part, field: usize, word: &str) -> Result<u64, IndexError> {
    let Some(reader) = part.segment.text(field) else { return Ok(0) };
    match reader.term(word)? {
        Some(term) => reader.doc_freq(term, part.live.as_deref()),
        None => Ok(0),
    }
}
