//! Queries by words, checked against the schema and made ready: words analysed, statistics gathered.

use std::cell::Cell;

use indexmap::IndexMap;
use tercet_index::{Bm25, Levenshtein, TermId, idf};

use super::computed::{
    Budget, EDITS_MAX, EXPANSIONS_MAX, Listed, PHRASE_WORDS_MAX, SLOP_MAX, expanded, phrase,
};
use super::{Boolean, Clause, Source, Term, Words, WordsField};
use crate::api::Control;
use crate::collection::Snapshot;
use crate::schema::Field;
use crate::search::bounded;
use crate::search::compile::{NESTING_MAX, WEIGHT_MAX, kind_error};
use crate::wire::{
    BooleanQuery, Code, FieldBoosts, FieldSpec, FuzzyQuery, MatchQuery, Operator, PhraseQuery, PrefixQuery,
    Query, TercetError, TermsQuery, TextSpec,
};

/// The most distinct words of a query in one field.
const QUERY_TERMS_MAX: usize = 1_024;
/// The longest query text, in bytes.
pub(in crate::search) const QUERY_BYTES_MAX: usize = 64 << 10;
/// The most clauses of a query, at all levels together.
const CLAUSES_MAX: usize = 1_024;
/// The largest product of boosts around a word: with it no score leaves the range of f32.
const SCALE_MAX: f32 = 1e12;

/// What a query is compiled within.
pub(super) struct Within<'s> {
    pub(super) snapshot: &'s Snapshot,
    /// Ends the walk over a dictionary.
    pub(super) control: &'s Control,
    /// How many words the computed ones may still stand for, in all clauses together.
    pub(super) expansions: Cell<usize>,
    /// How many rows their lists may still hold.
    pub(super) listed: Listed,
}

/// Compiles a query by words; nothing for one of another kind.
pub(in crate::search) fn compile(
    snapshot: &Snapshot,
    query: &Query,
    control: &Control,
) -> Result<Option<Clause>, TercetError> {
    if matches!(query, Query::Near(_) | Query::MaxSim(_) | Query::Expand(_) | Query::Fuse(_) | Query::All(_))
    {
        return Ok(None);
    }
    bounded("clauses of a query", count(query) as i64, 0, CLAUSES_MAX as i64)?;
    let listed = Listed::of(snapshot.documents());
    let within = Within { snapshot, control, expansions: Cell::new(EXPANSIONS_MAX), listed };
    clause(&within, query, 1.0, NESTING_MAX).map(Some)
}

fn count(query: &Query) -> usize {
    let Query::Boolean(query) = query else { return 1 };
    let lists = [&query.must, &query.should, &query.must_not, &query.filter];
    1 + lists.into_iter().flatten().map(count).sum::<usize>()
}

fn clause(within: &Within<'_>, query: &Query, scale: f32, nesting: usize) -> Result<Clause, TercetError> {
    within.control.step(0)?;
    Ok(match query {
        Query::Match(query) => Clause::Words(matching(within, query, scaled(scale, query.boost)?)?),
        Query::Terms(query) => Clause::Words(weighted(within, query, scaled(scale, query.boost)?)?),
        Query::Phrase(query) => Clause::Words(phrased(within, query, scaled(scale, query.boost)?)?),
        Query::Prefix(query) => Clause::Words(prefixed(within, query, scaled(scale, query.boost)?)?),
        Query::Fuzzy(query) => Clause::Words(fuzzy(within, query, scaled(scale, query.boost)?)?),
        Query::Boolean(query) => {
            Clause::Boolean(boolean(within, query, scaled(scale, query.boost)?, nesting)?)
        }
        Query::All(_) => Clause::All,
        Query::Near(_) | Query::MaxSim(_) | Query::Expand(_) | Query::Fuse(_) => {
            let found = match query {
                Query::Near(_) => "near",
                Query::MaxSim(_) => "maxsim",
                Query::Expand(_) => "expand",
                _ => "fuse",
            };
            return Err(TercetError::new(
                Code::Query,
                format!("a boolean combines queries by words; found `{found}`, which belongs in a fusion beside it"),
            )
            .expected("match, terms, phrase, prefix, fuzzy, boolean or all", found));
        }
    })
}

/// A boost within another.
fn scaled(scale: f32, boost: Option<f32>) -> Result<f32, TercetError> {
    let boost = boost.unwrap_or(1.0);
    weight("boost", boost)?;
    let scale = scale * boost;
    if scale > SCALE_MAX {
        let message = format!("boosts within one another multiply to at most {SCALE_MAX:e}, found {scale:e}");
        return Err(TercetError::new(Code::Limit, message)
            .field("boost")
            .expected(format!("at most {SCALE_MAX:e}"), format!("{scale:e}")));
    }
    Ok(scale)
}

/// A weight within its documented range.
fn weight(name: &str, weight: f32) -> Result<(), TercetError> {
    if weight > 0.0 && weight <= WEIGHT_MAX {
        return Ok(());
    }
    let message = format!("{name} must be above 0 and at most {WEIGHT_MAX}, found {weight}");
    Err(TercetError::new(Code::Limit, message)
        .field(name)
        .expected(format!("above 0, at most {WEIGHT_MAX}"), weight.to_string()))
}

fn boolean(
    within: &Within<'_>,
    query: &BooleanQuery,
    scale: f32,
    nesting: usize,
) -> Result<Boolean, TercetError> {
    let nesting = nesting.checked_sub(1).ok_or_else(|| {
        TercetError::new(Code::Limit, format!("booleans nest at most {NESTING_MAX} deep"))
            .expected(format!("at most {NESTING_MAX}"), "more")
    })?;
    let all = |queries: &[Query]| {
        queries.iter().map(|one| clause(within, one, scale, nesting)).collect::<Result<Vec<_>, _>>()
    };
    let alone = query.must.is_empty() && query.filter.is_empty() && !query.should.is_empty();
    let least = match query.minimum_should_match {
        Some(least) => bounded("minimumShouldMatch", least, 0, query.should.len() as i64)?,
        None => alone.into(),
    };
    Ok(Boolean {
        must: all(&query.must)?,
        should: all(&query.should)?,
        must_not: all(&query.must_not)?,
        filter: all(&query.filter)?,
        least,
    })
}

fn no_words(kind: &str, field: &str) -> TercetError {
    TercetError::new(Code::Query, format!("a {kind} needs words, found none"))
        .field(field)
        .expected("words", "an empty text")
}

fn matching(within: &Within<'_>, query: &MatchQuery, scale: f32) -> Result<Words, TercetError> {
    check_text("match", &query.text)?;
    let least = Least::of(query.operator, query.minimum_should_match)?;
    let mut fields = Vec::new();
    for (name, boost) in chosen(within.snapshot, query)? {
        let (at, spec) = text_field(within.snapshot, &name)?;
        let mut field = Statistics::of(within, at, spec, boost.unwrap_or(spec.boost) * scale)?;
        for (text, times) in words(field.schema, &query.text)? {
            field.add(text, times as f32)?;
        }
        fields.push(field.finish(least));
    }
    Ok(Words { kind: "match", text: query.text.clone(), fields })
}

fn weighted(within: &Within<'_>, query: &TermsQuery, scale: f32) -> Result<Words, TercetError> {
    bounded("terms", query.terms.len() as i64, 1, QUERY_TERMS_MAX as i64)?;
    let least = Least::of(Operator::Or, query.minimum_should_match)?;
    let (at, spec) = text_field(within.snapshot, &query.field)?;
    let mut field = Statistics::of(within, at, spec, spec.boost * scale)?;
    for (text, times) in &query.terms {
        weight(&format!("the weight of term `{text}`"), *times)?;
        field.add(text.clone(), *times)?;
    }
    let text = query.terms.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
    Ok(Words { kind: "terms", text, fields: vec![field.finish(least)] })
}

fn phrased(within: &Within<'_>, query: &PhraseQuery, scale: f32) -> Result<Words, TercetError> {
    check_text("phrase", &query.text)?;
    let slop = bounded("slop", query.slop, 0, SLOP_MAX)? as u32;
    let (at, spec) = text_field(within.snapshot, &query.field)?;
    if !spec.positions {
        return Err(TercetError::new(
            Code::Query,
            format!(
                "a phrase needs the positions of words, which field `{}` does not keep: declare it with `positions: true`",
                query.field
            ),
        )
        .field(&query.field)
        .expected("a text field with `positions: true`", "a text field without"));
    }
    let mut field = Statistics::of(within, at, spec, spec.boost * scale)?;
    let mut words: Vec<(String, u32)> = Vec::new();
    if let Some(analyzer) = &field.schema.analyzer {
        analyzer.analyze(&query.text, &mut |token| words.push((token.term.to_owned(), token.position)));
    }
    bounded("words of a phrase", words.len() as i64, 0, PHRASE_WORDS_MAX)?;
    let first = words.first().map_or(0, |word| word.1);
    words.iter_mut().for_each(|word| word.1 -= first);
    if !words.is_empty() {
        let mut idf = 0.0;
        for (word, _) in &words {
            idf += field.look_up(word)?.0;
        }
        let lists = phrase(within, at, &words, slop)?;
        let about = words.iter().map(|word| word.0.as_str()).collect::<Vec<_>>().join(" ");
        field.add_computed(about, 1.0, Some(idf), lists, Source::Phrase { words, slop });
    }
    Ok(Words { kind: "phrase", text: query.text.clone(), fields: vec![field.finish(Least::Any)] })
}

fn prefixed(within: &Within<'_>, query: &PrefixQuery, scale: f32) -> Result<Words, TercetError> {
    bounded("bytes of a prefix", query.prefix.len() as i64, 0, QUERY_BYTES_MAX as i64)?;
    let mut budget = Budget::new(expansions(query.max_expansions)?);
    let (at, spec) = text_field(within.snapshot, &query.field)?;
    let mut field = Statistics::of(within, at, spec, spec.boost * scale)?;
    let normal = |analyzer: &tercet_text::Analyzer| analyzer.normalize(query.prefix.trim());
    let prefix = field.schema.analyzer.as_ref().map(normal).unwrap_or_default();
    if prefix.is_empty() {
        return Err(no_words("prefix", "prefix"));
    }
    let of = Source::Prefix(prefix.clone());
    let lists = expanded(within, at, &of, &prefix, &mut budget)?;
    field.add_computed(format!("{prefix}*"), 1.0, None, lists, of);
    Ok(Words { kind: "prefix", text: query.prefix.clone(), fields: vec![field.finish(Least::Any)] })
}

fn fuzzy(within: &Within<'_>, query: &FuzzyQuery, scale: f32) -> Result<Words, TercetError> {
    check_text("fuzzy", &query.text)?;
    let mut budget = Budget::new(expansions(query.max_expansions)?);
    let distance = query.distance.map(|edits| bounded("distance", edits, 0, EDITS_MAX)).transpose()?;
    let fixed = bounded("prefixLength", query.prefix_length, 0, 255)?;
    let (at, spec) = text_field(within.snapshot, &query.field)?;
    let mut field = Statistics::of(within, at, spec, spec.boost * scale)?;
    let words = words(field.schema, &query.text)?;
    bounded("distinct words of a fuzzy query", words.len() as i64, 0, PHRASE_WORDS_MAX)?;
    for (word, times) in words {
        let usual = match word.chars().count() {
            0..=2 => 0,
            3..=5 => 1,
            _ => 2,
        };
        let distance = distance.unwrap_or(usual) as u8;
        let of = Source::Near(Levenshtein::new(&word, distance, fixed, query.transpositions));
        let lists = expanded(within, at, &of, &word, &mut budget)?;
        field.add_computed(format!("{word}~{distance}"), times as f32, None, lists, of);
    }
    let least = Least::of(query.operator, None)?;
    Ok(Words { kind: "fuzzy", text: query.text.clone(), fields: vec![field.finish(least)] })
}

fn expansions(most: Option<i64>) -> Result<usize, TercetError> {
    bounded("maxExpansions", most.unwrap_or(1_024), 1, EXPANSIONS_MAX as i64)
}

fn check_text(kind: &str, text: &str) -> Result<(), TercetError> {
    if text.trim().is_empty() {
        return Err(no_words(kind, "text"));
    }
    bounded(&format!("bytes of a {kind}'s text"), text.len() as i64, 1, QUERY_BYTES_MAX as i64).map(drop)
}

/// How many words of a field must match.
#[derive(Clone, Copy)]
enum Least {
    Any,
    All,
    Words(usize),
    Share(f64),
}

impl Least {
    fn of(operator: Operator, least: Option<f64>) -> Result<Least, TercetError> {
        let wrong = |message: &str, found: String| {
            Err(TercetError::new(Code::Query, format!("{message}, found {found}"))
                .field("minimumShouldMatch")
                .expected("a whole number from 1, or a share below 1", found))
        };
        match (operator, least) {
            (Operator::Or, None) => Ok(Least::Any),
            (Operator::And, None) => Ok(Least::All),
            (Operator::And, Some(least)) => wrong("`and` wants every word already", least.to_string()),
            (Operator::Or, Some(share)) if share > 0.0 && share < 1.0 => Ok(Least::Share(share)),
            (Operator::Or, Some(least)) if least >= 1.0 && least.fract() == 0.0 => {
                Ok(Least::Words(least as usize))
            }
            (Operator::Or, Some(least)) => {
                wrong("minimumShouldMatch is a whole number from 1, or a share below 1", least.to_string())
            }
        }
    }

    fn among(self, words: usize) -> usize {
        let least = match self {
            Least::Any => 1,
            Least::All => words,
            Least::Words(least) => least.min(words),
            Least::Share(share) => (words as f64 * share) as usize,
        };
        least.max(1)
    }
}

/// The fields to search, each with the boost that the query gives it.
pub(in crate::search) fn chosen(
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
    for (name, boost) in &chosen {
        if let Some(boost) = boost {
            weight(&format!("the boost of field `{name}`"), *boost).map_err(|error| error.field(name))?;
        }
    }
    if chosen.is_empty() {
        return Err(TercetError::new(Code::Query, "a match needs a text field, and there is none")
            .field("fields")
            .expected("a text field", "none"));
    }
    Ok(chosen)
}

/// The position and the settings of a text field.
fn text_field<'s>(snapshot: &'s Snapshot, name: &str) -> Result<(usize, &'s TextSpec), TercetError> {
    let schema = &snapshot.schema;
    let at = schema.require(name)?;
    match &schema.fields[at].spec {
        FieldSpec::Text(spec) => Ok((at, spec)),
        _ => {
            let there = schema.names(|s| matches!(s, FieldSpec::Text(_)));
            Err(kind_error(&schema.fields[at], "text", there))
        }
    }
}

/// The distinct words of a text, in their order, and how often each stands there.
fn words(field: &Field, text: &str) -> Result<IndexMap<String, u32>, TercetError> {
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
    Ok(times)
}

/// A field while its words are gathered.
struct Statistics<'s> {
    within: &'s Within<'s>,
    schema: &'s Field,
    documents: u64,
    field: WordsField,
}

impl<'s> Statistics<'s> {
    fn of(within: &'s Within<'s>, at: usize, spec: &TextSpec, boost: f32) -> Result<Self, TercetError> {
        let snapshot = within.snapshot;
        let schema = &snapshot.schema.fields[at];
        let (mut documents, mut words) = (0, 0);
        for part in &snapshot.parts {
            let lengths = part.lengths(at)?;
            (documents, words) = (documents + lengths.documents, words + lengths.words);
        }
        let field = WordsField {
            field: at,
            name: schema.name.clone(),
            bm25: Bm25 { k1: spec.k1, b: spec.b },
            boost,
            average_length: if documents == 0 { 0.0 } else { (words as f64 / documents as f64) as f32 },
            terms: Vec::new(),
            least: 1,
        };
        Ok(Statistics { within, schema, documents, field })
    }

    /// The idf of a word, and its number in each segment.
    fn look_up(&self, word: &str) -> Result<(f32, Vec<Option<TermId>>), TercetError> {
        let snapshot = self.within.snapshot;
        let (mut frequency, mut ids) = (0, Vec::with_capacity(snapshot.parts.len()));
        for part in &snapshot.parts {
            // Without its deleted documents a list may be counted, which is a pass over it.
            self.within.control.step(0)?;
            let error = |e| part.segment.error(e);
            let reader = part.segment.text(self.field.field);
            let id = reader.map(|reader| reader.term(word)).transpose().map_err(error)?.flatten();
            if let (Some(reader), Some(id)) = (reader, id) {
                frequency += reader.doc_freq(id, part.live.as_deref()).map_err(error)?;
            }
            ids.push(id);
        }
        Ok((self.idf(frequency), ids))
    }

    fn idf(&self, frequency: u64) -> f32 {
        if frequency == 0 { 0.0 } else { idf(self.documents, frequency) }
    }

    fn add(&mut self, text: String, times: f32) -> Result<(), TercetError> {
        let (idf, ids) = self.look_up(&text)?;
        self.field.terms.push(Term {
            text,
            idf,
            weight: self.field.boost * idf * times,
            ids,
            computed: None,
        });
        Ok(())
    }

    /// Adds a computed word; its idf is that of a word in as many documents as there are in the lists, unless given.
    fn add_computed(
        &mut self,
        text: String,
        times: f32,
        idf: Option<f32>,
        lists: Vec<tercet_index::Frequencies>,
        of: Source,
    ) {
        let frequency = lists.iter().map(|list| list.len() as u64).sum();
        let idf = idf.unwrap_or_else(|| self.idf(frequency));
        let weight = self.field.boost * idf * times;
        let computed = Some(super::Computed { lists, of });
        self.field.terms.push(Term { text, idf, weight, ids: Vec::new(), computed });
    }

    fn finish(mut self, least: Least) -> WordsField {
        self.field.terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        self.field.least = least.among(self.field.terms.len());
        self.field
    }
}
