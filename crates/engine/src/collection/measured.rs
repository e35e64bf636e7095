//! A field under measurement: its queries, given or made of stored documents at even distances, and searches for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use tercet_index::multi::{MultiQuery, QUERY_TOKENS_MAX, QueryTokens};
use tercet_index::{Counters, Effort, QUERY_TERMS_MAX, SparseEffort, Values};

use super::Snapshot;
use crate::api::{Array, Control};
use crate::dense;
use crate::document::check_vector;
use crate::error::index_error;
use crate::multi;
use crate::offsets::{Offsets, at_row, floats, integers};
use crate::probe::{self, Probe};
use crate::recall::{self, cost};
use crate::search::compile::kind_error;
use crate::search::expand::{self, Expand};
use crate::search::maxsim::{self, MaxSim};
use crate::search::near::{self, Near};
use crate::search::rank::Ranking;
use crate::search::{Context, Place, allowed, bounded};
use crate::sparse::{self, SparseVector};
use crate::wire::{
    Code, DenseSpec, FieldSpec, MetricName, MultiIndexSpec, MultiSpec, SparseSpec, TercetError,
};

/// The most neighbours that are measured.
const K_MAX: i64 = 10_000;
/// The most queries.
const QUERIES_MAX: i64 = 100_000;
/// The most tokens of a probe: as many as a usual query has.
const PROBE_TOKENS: usize = 32;
/// Rows between two looks at whether to go on.
const ROWS_A_LOOK: u32 = 1 << 16;

/// What is searched for.
enum Queries<'a> {
    /// Vectors one after the other, of so many components.
    Vectors(&'a [f32], usize),
    /// Probes of documents' vectors: where they are, and how far the k-th neighbour lies.
    Moved(Vec<((usize, u32), f64)>),
    /// Sparse vectors, each with the document that it must not find.
    Sparse(Vec<(SparseVector, Option<Place>)>),
    /// Token vectors one after another, and where those of each query begin; of so many components.
    Tokens(Offsets<'a>, &'a [f32], usize),
    /// Probes of documents' tokens.
    Some(Vec<(usize, u32)>),
}

/// A field under measurement.
pub(super) struct Measured<'a> {
    snapshot: &'a Snapshot,
    pub(super) field: usize,
    name: &'a str,
    pub(super) k: usize,
    queries: Queries<'a>,
    clock: &'a (dyn Fn() -> u64 + Sync),
    control: &'a Control,
}

/// How hard the searches of a measurement try.
#[derive(Clone, Copy)]
pub(super) enum Trying {
    /// As a number of the ladder says, or exactly.
    Effort(Effort),
    /// As bounds of sparse vectors say.
    Slack(SparseEffort),
}

/// Scores of each query, best first, and the cost of all.
pub(super) struct Found {
    scores: Vec<Vec<f32>>,
    cost: u64,
}

impl<'a> Measured<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        (name, k, sample): (&'a str, i64, i64),
        arrays: &'a [Array],
        clock: &'a (dyn Fn() -> u64 + Sync),
        control: &'a Control,
    ) -> Result<Self, TercetError> {
        let field = snapshot.schema.require(name)?;
        let k = bounded("k", k, 1, K_MAX)?;
        let sample = bounded("sample", sample, 1, QUERIES_MAX)?;
        let places = || stored(snapshot, field, sample, control);
        let queries = match &snapshot.schema.fields[field].spec {
            FieldSpec::Dense(spec) => match arrays {
                [] => Queries::Moved(places()?.into_iter().map(|place| (place, 0.0)).collect()),
                [Array::F32(values)] => vectors(name, spec, values)?,
                _ => return Err(not_one()),
            },
            FieldSpec::Sparse(spec) => Queries::Sparse(match arrays {
                [] => sparse_probes(snapshot, field, &places()?, control)?,
                given => sparse_given(name, spec, given)?,
            }),
            FieldSpec::Multi(spec) => match arrays {
                [] => Queries::Some(places()?),
                given => tokens(name, spec, given)?,
            },
            _ => {
                let there = |s: &FieldSpec| {
                    matches!(s, FieldSpec::Dense(_) | FieldSpec::Sparse(_) | FieldSpec::Multi(_))
                };
                let names = snapshot.schema.names(there);
                return Err(kind_error(&snapshot.schema.fields[field], "dense, sparse or multi", names));
            }
        };
        Ok(Measured { snapshot, field, name, k, queries, clock, control })
    }

    pub(super) fn spec(&self) -> &'a FieldSpec {
        &self.snapshot.schema.fields[self.field].spec
    }

    /// Whether every search is exact, however hard it tries.
    pub(super) fn is_exact(&self) -> Result<bool, TercetError> {
        Ok(match self.spec() {
            FieldSpec::Dense(spec) => dense::kind(&spec.index)?.capabilities.exact,
            FieldSpec::Multi(spec) => matches!(spec.index, MultiIndexSpec::Scan {}),
            _ => false,
        })
    }

    /// The efforts to measure, rising.
    pub(super) fn rungs(&self) -> Vec<u32> {
        match self.spec() {
            FieldSpec::Sparse(spec) => sparse::rungs(&spec.index, self.k),
            _ => recall::ladder(self.k).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.queries {
            Queries::Vectors(values, dims) => values.len() / dims,
            Queries::Moved(places) => places.len(),
            Queries::Sparse(queries) => queries.len(),
            Queries::Tokens(offsets, ..) => offsets.rows() as usize,
            Queries::Some(places) => places.len(),
        }
    }

    pub(super) fn are_probes(&self) -> bool {
        match &self.queries {
            Queries::Vectors(..) | Queries::Tokens(..) => false,
            Queries::Moved(_) | Queries::Some(_) => true,
            Queries::Sparse(queries) => queries.iter().any(|(_, itself)| itself.is_some()),
        }
    }

    /// Finds how far the k-th neighbour of each stored vector lies.
    pub(super) fn reach(&mut self) -> Result<(), TercetError> {
        let (Queries::Moved(places), FieldSpec::Dense(spec)) = (&self.queries, self.spec()) else {
            return Ok(());
        };
        let mut context = self.context()?;
        let mut reached = Vec::with_capacity(places.len());
        for &(place, _) in places {
            self.control.step(1)?;
            let Some(vector) = self.vector(place)? else { continue };
            let mut near = Near::usual(self.field, self.name, vector.clone(), self.k);
            near.exclude(place);
            let ranking = near::rank(&near, &mut context, self.k)?;
            let last = ranking.candidates.last().map(|last| (last.place.0 as usize, last.place.1));
            let last = last.map(|place| self.vector(place)).transpose()?.flatten();
            let away = last.map_or(0.0, |last| {
                let (vector, last) = (Values::F32(&vector), Values::F32(&last));
                probe::distance(vector, last, spec.metric == MetricName::Cosine)
            });
            reached.push((place, away));
        }
        self.queries = Queries::Moved(reached);
        Ok(())
    }

    fn context(&self) -> Result<Context<'_>, TercetError> {
        Ok(Context {
            snapshot: self.snapshot,
            allowed: allowed(self.snapshot, None)?,
            counters: Counters::default(),
            clock: self.clock,
            control: self.control,
        })
    }

    /// Searches for every query.
    pub(super) fn run(&self, trying: Trying) -> Result<Found, TercetError> {
        let mut context = self.context()?;
        let mut scores = Vec::with_capacity(self.len());
        for at in 0..self.len() {
            let Some((ranking, itself)) = self.search(at, trying, &mut context)? else { continue };
            let others = ranking.candidates.iter().filter(|candidate| Some(candidate.place) != itself);
            scores.push(others.take(self.k).map(|candidate| candidate.score).collect());
            self.control.step(1)?;
        }
        Ok(Found { scores, cost: cost(&context.counters) })
    }

    /// One search, and what it must not find; `None` where a probe's document has no vector.
    fn search(
        &self,
        at: usize,
        trying: Trying,
        context: &mut Context<'_>,
    ) -> Result<Option<(Ranking, Option<Place>)>, TercetError> {
        let effort = match trying {
            Trying::Effort(effort) => effort,
            Trying::Slack(_) => Effort::Exact,
        };
        match &self.queries {
            Queries::Vectors(values, dims) => {
                let vector = Cow::Borrowed(&values[at * dims..(at + 1) * dims]);
                self.near(vector, effort, context).map(|ranking| Some((ranking, None)))
            }
            Queries::Moved(places) => {
                let (place, away) = places[at];
                let Some(vector) = self.vector(place)? else { return Ok(None) };
                let probe = Probe::new(Values::F32(&vector), away, at as u64);
                let vector = Cow::Owned(probe.values().to_f32());
                self.near(vector, effort, context).map(|ranking| Some((ranking, None)))
            }
            Queries::Sparse(queries) => {
                let (terms, itself) = &queries[at];
                let effort = match trying {
                    Trying::Effort(effort) => sparse::by_effort(effort),
                    Trying::Slack(effort) => effort,
                };
                let k = self.k + usize::from(itself.is_some());
                let (field, name) = (self.field, self.name.to_owned());
                let query = Expand { field, name, terms: terms.clone(), k, effort };
                Ok(Some((expand::rank(&query, context, k)?, *itself)))
            }
            Queries::Tokens(offsets, tokens, dims) => {
                let range = offsets.range(at as u32);
                let range = range.start * dims..range.end * dims;
                let ranking = self.maxsim(&tokens[range], effort, self.k, context)?;
                Ok(Some((ranking, None)))
            }
            Queries::Some(places) => {
                let (part, row) = places[at];
                let segment = &self.snapshot.parts[part].segment;
                let (Some(reader), FieldSpec::Multi(spec)) = (segment.multi(self.field), self.spec()) else {
                    return Ok(None);
                };
                let Some(kept) = reader.stored(row).map_err(|e| segment.error(e))? else { return Ok(None) };
                let tokens = multi::padded(&kept, reader.dims(), spec.dims as usize, PROBE_TOKENS);
                let ranking = self.maxsim(&tokens, effort, self.k + 1, context)?;
                Ok(Some((ranking, Some((part as u32, row)))))
            }
        }
    }

    fn near(
        &self,
        vector: Cow<'_, [f32]>,
        effort: Effort,
        context: &mut Context<'_>,
    ) -> Result<Ranking, TercetError> {
        let near = Near { effort, ..Near::usual(self.field, self.name, vector, self.k) };
        near::rank(&near, context, self.k)
    }

    fn maxsim(
        &self,
        tokens: &[f32],
        effort: Effort,
        k: usize,
        context: &mut Context<'_>,
    ) -> Result<Ranking, TercetError> {
        let FieldSpec::Multi(spec) = self.spec() else {
            return Err(TercetError::new(Code::Internal, "tokens for another field"));
        };
        let query = multi::index_spec(spec).and_then(|spec| MultiQuery::new(&spec, QueryTokens::new(tokens)));
        let query = query.map_err(multi::error)?;
        let (field, name) = (self.field, self.name.to_owned());
        let maxsim = MaxSim { field, name, query, k, effort, by_unit: false };
        maxsim::rank(&maxsim, context, k)
    }

    fn vector(&self, (part, row): (usize, u32)) -> Result<Option<Cow<'a, [f32]>>, TercetError> {
        let segment = &self.snapshot.parts[part].segment;
        let vector = segment.dense(self.field).map(|reader| reader.vector(row)).transpose();
        Ok(vector.map_err(|e| segment.error(e))?.flatten())
    }
}

impl Found {
    /// Of each query's true best, the share that was found.
    pub(super) fn shares(&self, truth: &Found) -> Vec<f64> {
        let pairs = truth.scores.iter().zip(&self.scores);
        pairs.filter_map(|(truth, found)| recall::share(truth, found.iter().copied())).collect()
    }

    /// The cost of a query.
    pub(super) fn cost(&self, queries: usize) -> f64 {
        self.cost as f64 / queries.max(1) as f64
    }
}

fn not_one() -> TercetError {
    TercetError::new(Code::Argument, "queries are one array of f32")
        .field("queries")
        .expected("one Float32Array", "other arrays")
}

/// Queries from the caller, checked like those of a search.
fn vectors<'a>(name: &str, spec: &DenseSpec, values: &'a [f32]) -> Result<Queries<'a>, TercetError> {
    let dims = spec.dims as usize;
    if values.is_empty() || !values.len().is_multiple_of(dims) {
        let (rule, found) =
            (format!("a multiple of {dims} components"), format!("{} components", values.len()));
        let message = format!("queries of `{name}` are {rule}, found {found}");
        return Err(TercetError::new(Code::Dimension, message).field("queries").expected(rule, found));
    }
    let count = values.len() / dims;
    bounded("queries", count as i64, 1, QUERIES_MAX)?;
    for (at, vector) in values.chunks_exact(dims).enumerate() {
        check_vector("queries", spec.dims, spec.metric, vector).map_err(|error| error.position(at as u64))?;
    }
    Ok(Queries::Vectors(values, dims))
}

fn sparse_given(
    name: &str,
    spec: &SparseSpec,
    arrays: &[Array],
) -> Result<Vec<(SparseVector, Option<Place>)>, TercetError> {
    let (offsets, terms) = (integers(arrays.first(), "offsets")?, integers(arrays.get(1), "indices")?);
    let weights = floats(arrays.get(2), "values")?;
    let offsets = Offsets::checked("queries", offsets, terms.len(), "indices")?;
    bounded("queries", offsets.rows().into(), 1, QUERIES_MAX)?;
    if weights.len() != terms.len() {
        let (expected, found) = (format!("{} values", terms.len()), weights.len().to_string());
        let message = format!("{} indices take as many values, found {found}", terms.len());
        return Err(TercetError::new(Code::Dimension, message).field("values").expected(expected, found));
    }
    let row = |(at, range): (u32, Range<usize>)| {
        let pairs = terms[range.clone()].iter().copied().zip(weights[range].iter().copied()).collect();
        let checked = sparse::checked(name, spec, pairs, QUERY_TERMS_MAX).map_err(|e| at_row(e, at))?;
        Ok((checked, None))
    };
    (0..).zip(offsets.each()).map(row).collect()
}

/// Documents' vectors, a share of the terms of each.
fn sparse_probes(
    snapshot: &Snapshot,
    field: usize,
    places: &[(usize, u32)],
    control: &Control,
) -> Result<Vec<(SparseVector, Option<Place>)>, TercetError> {
    let mut made: BTreeMap<(usize, u32), SparseVector> =
        places.iter().map(|place| (*place, Vec::new())).collect();
    for (at, part) in snapshot.parts.iter().enumerate() {
        let Some(reader) = part.segment.sparse(field) else { continue };
        let mut step = || control.step(0).map_err(|_| tercet_index::IndexError::Cancelled);
        sparse::gather(reader, &|row| Some((at, row)), &mut made, &mut step)
            .map_err(|e| index_error(e, part.segment.file.label()))?;
    }
    let probes = (0u64..).zip(made).map(|(chance, ((part, row), mut pairs))| {
        sparse::shorten(&mut pairs, chance);
        (pairs, Some((part as u32, row)))
    });
    Ok(probes.filter(|(pairs, _)| !pairs.is_empty()).collect())
}

fn tokens<'a>(name: &str, spec: &MultiSpec, arrays: &'a [Array]) -> Result<Queries<'a>, TercetError> {
    let (offsets, tokens) = (integers(arrays.first(), "offsets")?, floats(arrays.get(1), "queries")?);
    let dims = spec.dims as usize;
    if !tokens.len().is_multiple_of(dims) {
        let (rule, found) = (format!("a multiple of {dims} components"), tokens.len().to_string());
        let message = format!("queries of `{name}` are {rule}, found {found}");
        return Err(TercetError::new(Code::Dimension, message).field("queries").expected(rule, found));
    }
    let offsets = Offsets::checked("queries", offsets, tokens.len() / dims, "tokens")?;
    bounded("queries", offsets.rows().into(), 1, QUERIES_MAX)?;
    for (at, range) in (0..).zip(offsets.each()) {
        let tokens = &tokens[range.start * dims..range.end * dims];
        multi::check_tokens(name, spec, tokens, QUERY_TOKENS_MAX).map_err(|e| at_row(e, at))?;
    }
    Ok(Queries::Tokens(offsets, tokens, dims))
}

/// Documents with the field, at even distances.
fn stored(
    snapshot: &Snapshot,
    field: usize,
    sample: usize,
    control: &Control,
) -> Result<Vec<(usize, u32)>, TercetError> {
    let size = snapshot.documents_with(field)?;
    let wanted = size.min(sample as u64);
    let mut places = Vec::with_capacity(wanted as usize);
    let mut seen = 0;
    for (at, part) in snapshot.parts.iter().enumerate() {
        let segment = &part.segment;
        let set = segment.fields[field].present.set().map_err(|e| segment.error(e))?;
        let there = segment.dense(field).is_some()
            || segment.sparse(field).is_some()
            || segment.multi(field).is_some();
        let has = |row: u32| there && part.lives(row) && set.is_none_or(|set| set.contains(row));
        for row in 0..segment.rows {
            if row % ROWS_A_LOOK == 0 {
                control.step(0)?;
            }
            if !has(row) {
                continue;
            }
            if seen * wanted / size.max(1) >= places.len() as u64 && (places.len() as u64) < wanted {
                places.push((at, row));
            }
            seen += 1;
        }
    }
    Ok(places)
}
