//! Sparse vectors as the values of an index.

use std::collections::BTreeMap;

use tercet_index::{
    Answered, Counters, Effort, IndexError, MemorySections, QUERY_TERMS_MAX, RowMap, SectionSink,
    SectionSource, Sections, SparseEffort, SparseInput, SparseKind, SparseReader, SparseSearch, TopK, Work,
};

use super::content::{Asked, Content, Search};
use super::merge::Merging;
use super::samples::Samples;
use super::{Index, State, offsets_of};
use crate::api::{Array, View};
use crate::effort::Steps;
use crate::error::index_error;
use crate::offsets::{Offsets, at_row, floats, integers};
use crate::search::expand;
use crate::sparse::{self, SparseVector};
use crate::wire::{Code, IndexSizes, SparseAbout, SparseIndexInfo, SparseSpec, TercetError, TermsIndexSpec};

/// Sparse vectors, checked.
#[derive(Clone)]
pub(crate) struct Sparse {
    spec: SparseSpec,
    kind: &'static SparseKind,
    index: tercet_index::SparseSpec,
}

/// Sparse vectors, row after row.
#[derive(Clone, Copy)]
pub(crate) struct SparseRows<'a> {
    offsets: Offsets<'a>,
    terms: &'a [u32],
    weights: &'a [f32],
}

impl SparseRows<'_> {
    fn pairs(&self, row: u32) -> SparseVector {
        let range = self.offsets.range(row);
        self.terms[range.clone()].iter().copied().zip(self.weights[range].iter().copied()).collect()
    }
}

impl Sparse {
    pub(super) fn new(spec: SparseSpec) -> Result<Self, TercetError> {
        if let Some(vocabulary) = &spec.vocabulary {
            vocabulary.check("vocabulary", spec.terms).map_err(|mut error| {
                error.0.code = Code::Argument;
                error
            })?;
        }
        sparse::check("terms", &spec).map_err(|error| TercetError::new(Code::Limit, error.0.message))?;
        let kind = sparse::kind(&spec.index).map_err(|e| index_error(e, "(index)"))?;
        Ok(Sparse { kind, index: sparse::field_spec(&spec), spec })
    }

    /// Rows in arrays of offsets, terms and weights; each with at most so many terms.
    fn checked<'a>(
        &self,
        what: &str,
        arrays: &'a [Array],
        most: usize,
    ) -> Result<SparseRows<'a>, TercetError> {
        if arrays.is_empty() {
            return Ok(SparseRows { offsets: Offsets::NONE, terms: &[], weights: &[] });
        }
        let (offsets, terms) = (integers(arrays.first(), "offsets")?, integers(arrays.get(1), "indices")?);
        let weights = floats(arrays.get(2), "values")?;
        let offsets = offsets_of(what, offsets, terms.len(), "indices")?;
        let rows = SparseRows { offsets, terms, weights };
        if weights.len() != terms.len() {
            let (expected, found) = (format!("{} values", terms.len()), weights.len().to_string());
            let message = format!("{} indices take as many values, found {found}", terms.len());
            return Err(TercetError::new(Code::Dimension, message).field("values").expected(expected, found));
        }
        for row in 0..Self::count(&rows) {
            self.check_row(what, &rows.pairs(row), most).map_err(|e| at_row(e, row))?;
        }
        Ok(rows)
    }

    fn check_row(&self, what: &str, pairs: &[(u32, f32)], most: usize) -> Result<(), TercetError> {
        if pairs.is_empty() {
            let message = format!("field `{what}`: a sparse vector has at least one term");
            return Err(TercetError::new(Code::Required, message).field(what).expected("a term", "none"));
        }
        sparse::check_pairs(what, &self.spec, pairs, most)?;
        let Some(at) = pairs.windows(2).position(|pair| pair[0].0 >= pair[1].0) else { return Ok(()) };
        let (before, found) = (pairs[at].0, pairs[at + 1].0);
        let wrong = if before == found { "stands twice" } else { "stands after a larger one" };
        let message = format!("field `{what}`: index {} of the sparse vector, {found}, {wrong}", at + 1);
        Err(TercetError::new(Code::Argument, message)
            .field(what)
            .expected(format!("above {before}"), found.to_string()))
    }

    fn input<T>(&self, rows: &SparseRows<'_>, take: impl FnOnce(&SparseInput<'_>) -> T) -> T {
        let (all, ends) = rows.offsets.ends();
        take(&SparseInput {
            rows: ends.len() as u32,
            present: None,
            ends: &ends,
            terms: &rows.terms[all.clone()],
            weights: &rows.weights[all],
        })
    }
}

impl Content for Sparse {
    type Values<'a> = SparseRows<'a>;
    type Query<'a> = SparseVector;
    type Probe = SparseVector;
    type Reader = Box<dyn SparseReader>;
    type Way = SparseEffort;
    type About = SparseAbout;
    type Info = SparseIndexInfo;

    const ARRAYS: usize = 3;

    fn about(&self) -> SparseAbout {
        SparseAbout { index: TermsIndexSpec::Sparse(self.spec.clone()) }
    }

    fn info(&self, sizes: IndexSizes) -> SparseIndexInfo {
        SparseIndexInfo { about: self.about(), sizes }
    }

    fn from_about(
        SparseAbout { index: TermsIndexSpec::Sparse(spec) }: SparseAbout,
    ) -> Result<Self, TercetError> {
        Sparse::new(spec)
    }

    fn is_exact(&self) -> bool {
        false
    }

    fn values<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<SparseRows<'a>, TercetError> {
        self.checked(what, arrays, sparse::VECTOR_TERMS_MAX)
    }

    fn queries<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<SparseRows<'a>, TercetError> {
        self.checked(what, arrays, QUERY_TERMS_MAX)
    }

    fn count(values: &SparseRows<'_>) -> u32 {
        values.offsets.rows()
    }

    fn part<'a>(values: &Self::Values<'a>, place: u32, count: u32) -> Self::Values<'a> {
        SparseRows { offsets: values.offsets.part(place, count), ..*values }
    }

    fn query<'a>(
        &self,
        queries: &Self::Values<'a>,
        at: u32,
        _: &SparseEffort,
    ) -> Result<Self::Query<'a>, TercetError> {
        Ok(queries.pairs(at))
    }

    /// A query in one array of f32: its weights, then as many terms by their bits.
    fn query_of<'a>(&self, view: View<'a>, _: &SparseEffort) -> Result<SparseVector, TercetError> {
        let both = match view {
            View::F32(both) if both.len().is_multiple_of(2) => both,
            _ => {
                let message =
                    "a sparse query comes as one Float32Array: its values, then the bits of its indices";
                return Err(TercetError::new(Code::Type, message).field("query"));
            }
        };
        let (weights, terms) = both.split_at(both.len() / 2);
        let pairs: SparseVector =
            terms.iter().map(|term| term.to_bits()).zip(weights.iter().copied()).collect();
        self.check_row("query", &pairs, QUERY_TERMS_MAX)?;
        Ok(pairs)
    }

    fn way(&self, asked: &Asked, k: usize) -> Result<SparseEffort, TercetError> {
        asked.refuse_lists()?;
        let effort = &asked.effort;
        if effort.exact {
            return Ok(SparseEffort::Exact);
        }
        let slack = expand::slack(effort.alpha, effort.beta, effort.cells)?;
        let steps = Steps { ef: effort.ef, ..Steps::default() };
        match steps.effort(k)? {
            None => Ok(slack),
            Some(ef) if slack == SparseEffort::Usual => Ok(sparse::by_effort(ef)),
            Some(_) => Err(TercetError::new(
                Code::Argument,
                "`ef` and alpha, beta or cells say the same thing in two ways",
            )
            .field("ef")
            .expected("one of them", "both")),
        }
    }

    fn by_effort(&self, _: SparseEffort, effort: Effort) -> SparseEffort {
        sparse::by_effort(effort)
    }

    fn rungs(&self, k: usize) -> Vec<u32> {
        sparse::rungs(&self.spec.index, k)
    }

    fn build(&self, values: &SparseRows<'_>, _: &Samples, work: &Work<'_>) -> Result<Sections, IndexError> {
        self.input(values, |input| (self.kind.build)(&self.index, input, work))
    }

    fn merge(
        &self,
        span: u32,
        merging: &Merging<'_, '_, Self>,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        let maps = merging.parts.iter().map(|part| merging.map(part)).collect::<Result<Vec<_>, _>>()?;
        let fresh = merging.fresh.map(|fresh| {
            let sections = self.build(&fresh.values, merging.samples(), work)?;
            Ok((self.open(Self::count(&fresh.values), &MemorySections::new(&sections))?, merging.fresh_map()))
        });
        let fresh = fresh.transpose()?;
        let parts = merging.parts.iter().map(|part| part.stored.reader.as_ref()).zip(&maps);
        let fresh = fresh.iter().map(|(reader, map)| (reader.as_ref(), map));
        let inputs: Vec<(&dyn SparseReader, &RowMap)> = parts.chain(fresh).collect();
        (self.kind.merge)(&self.index, &inputs, span, sink, work)
    }

    fn open(&self, span: u32, source: &dyn SectionSource) -> Result<Self::Reader, IndexError> {
        (self.kind.open)(&self.index, span, source)
    }

    fn len(_: &Self::Reader) -> Option<u64> {
        None
    }

    fn facts(reader: &Self::Reader) -> Vec<(&'static str, f64)> {
        vec![("postings", reader.postings() as f64), ("terms", f64::from(reader.term_count()))]
    }

    fn search(
        &self,
        reader: &Self::Reader,
        query: &SparseVector,
        search: &Search<'_, Self>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        let Search { way, allowed, stop } = *search;
        reader.search(&SparseSearch { terms: query, effort: *way, allowed, stop }, top, counters)
    }

    /// As the index keeps it. Cost: a look into the list of every term, or at the row where rows are kept as such.
    fn stored(&self, reader: &Self::Reader, row: u32) -> Result<Option<Vec<Array>>, IndexError> {
        let (terms, weights) = self.probe_of(reader, row)?.unwrap_or_default().into_iter().unzip();
        Ok(Some(vec![Array::U32(terms), Array::F32(weights)]))
    }

    fn probe_of(&self, reader: &Self::Reader, row: u32) -> Result<Option<SparseVector>, IndexError> {
        let mut pairs = Vec::new();
        if reader.row(row, &mut pairs)? {
            return Ok(Some(pairs));
        }
        for at in 0..reader.term_count() {
            let Some(term) = reader.term(at)? else { break };
            if let Some(weight) = reader.weight(term, row)? {
                pairs.push((term, weight));
            }
        }
        Ok(Some(pairs))
    }

    fn probe<'a>(&self, probe: &'a SparseVector, _: &SparseEffort) -> Result<Self::Query<'a>, TercetError> {
        if probe.len() > QUERY_TERMS_MAX {
            let (rule, found) = (format!("at most {QUERY_TERMS_MAX} terms"), probe.len().to_string());
            let message = format!("a query has {rule}, the vector of the row has {found}");
            return Err(TercetError::new(Code::Limit, message).field("row").expected(rule, found));
        }
        Ok(probe.clone())
    }

    /// Stored vectors, a share of the terms of each, which then must not be found itself. Cost: a pass over all postings.
    fn probes(
        _: &Index<Self>,
        state: &State<Self>,
        rows: &[u32],
        _: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<(SparseVector, Option<u32>)>, TercetError> {
        let mut made: BTreeMap<u32, SparseVector> = rows.iter().map(|row| (*row, Vec::new())).collect();
        for part in &state.parts {
            let failed = |e| index_error(e, part.stored.file.label());
            let all = rows.len() as u64;
            let mut step = || work.step(step.0 * all, step.1 * all);
            let place = |row| if part.lives(row) { Some(part.first + row) } else { None };
            sparse::gather(part.stored.reader.as_ref(), &place, &mut made, &mut step).map_err(failed)?;
        }
        let probes = made.into_iter().map(|(row, mut pairs)| {
            sparse::shorten(&mut pairs, row.into());
            (pairs, Some(row))
        });
        Ok(probes.filter(|(pairs, _)| !pairs.is_empty()).collect())
    }
}
