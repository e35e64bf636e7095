//! Dense vectors as the values of an index: what differs between its kinds is in the registry's entry.

use tercet_index::{
    Answered, Counters, DenseInput, DenseReader, DenseSearch, DenseSource, DenseStream, EachVector, Effort,
    IndexError, SectionSink, SectionSource, Sections, Stored, TopK, Values, Work,
};

use super::content::{Asked, Content, QUERIES_WALKED, Search};
use super::merge::{Lies, Merging};
use super::recall::side_by_side;
use super::samples::Samples;
use super::search::{Ask, Query, Scratch};
pub(super) use super::spec::Dense;
use super::spec::Vectors;
use super::{Index, State};
use crate::api::{Array, View};
use crate::dense;
use crate::effort::Steps;
use crate::error::index_error;
use crate::probe::{self, Probe};
use crate::recall;
use crate::wire::{IndexInfo, IndexSizes, MetricName, TercetError, VectorAbout};

/// Queries that one thread takes at once where all take the same time and share what is done for them together.
const QUERIES_SCANNED: usize = 256;

/// How a search of dense vectors goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DenseWay {
    effort: Effort,
    patience: Option<u32>,
}

/// A query made of a stored vector.
pub(crate) enum DenseProbe {
    /// The vector itself, in its own type.
    Stored(Array, bool),
    /// Moved.
    Moved(Probe),
}

impl DenseProbe {
    fn new(stored: &Stored<'_>) -> Self {
        let values = stored.values();
        DenseProbe::Stored(owned(values), matches!(values, Values::Bits(_)))
    }

    fn values(&self) -> Values<'_> {
        match self {
            DenseProbe::Moved(probe) => probe.values(),
            DenseProbe::Stored(Array::F32(values), _) => Values::F32(values),
            DenseProbe::Stored(Array::U16(values), _) => Values::F16(values),
            DenseProbe::Stored(Array::I8(values), _) => Values::I8(values),
            DenseProbe::Stored(Array::U8(values), true) => Values::Bits(values),
            DenseProbe::Stored(Array::U8(values), false) => Values::U8(values),
            DenseProbe::Stored(Array::U32(_), _) => Values::F32(&[]),
        }
    }
}

fn owned(values: Values<'_>) -> Array {
    match values {
        Values::F32(values) => Array::F32(values.to_vec()),
        Values::F16(values) => Array::U16(values.to_vec()),
        Values::I8(values) => Array::I8(values.to_vec()),
        Values::U8(values) | Values::Bits(values) => Array::U8(values.to_vec()),
    }
}

impl Content for Dense {
    type Values<'a> = Vectors<'a>;
    type Query<'a> = Values<'a>;
    type Probe = DenseProbe;
    type Reader = Box<dyn DenseReader>;
    type Way = DenseWay;
    type About = VectorAbout;
    type Info = IndexInfo;

    const ARRAYS: usize = 1;

    fn about(&self) -> VectorAbout {
        let Dense { dims, metric, dtype, index, .. } = self.clone();
        VectorAbout { dims, metric, dtype, index }
    }

    fn info(&self, sizes: IndexSizes) -> IndexInfo {
        IndexInfo { about: self.about(), sizes }
    }

    fn from_about(VectorAbout { dims, metric, dtype, index }: VectorAbout) -> Result<Self, TercetError> {
        Dense::new(dims, metric, dtype, index)
    }

    fn is_exact(&self) -> bool {
        self.kind.capabilities.exact
    }

    fn at_once(&self, for_each_thread: usize) -> usize {
        if self.is_exact() { for_each_thread.clamp(1, QUERIES_SCANNED) } else { QUERIES_WALKED }
    }

    fn values<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<Vectors<'a>, TercetError> {
        self.vectors(what, arrays.first().map(Array::view))
    }

    fn queries<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<Vectors<'a>, TercetError> {
        self.asked(what, arrays.first().map(Array::view))
    }

    fn count(values: &Vectors<'_>) -> u32 {
        values.count
    }

    fn part<'a>(values: &Self::Values<'a>, place: u32, count: u32) -> Self::Values<'a> {
        values.part(place, count)
    }

    fn query<'a>(
        &self,
        queries: &Self::Values<'a>,
        at: u32,
        _: &DenseWay,
    ) -> Result<Self::Query<'a>, TercetError> {
        Ok(queries.at(at).unwrap_or(Values::F32(&[])))
    }

    #[inline]
    fn query_of<'a>(&self, view: View<'a>, _: &DenseWay) -> Result<Values<'a>, TercetError> {
        self.one(view)
    }

    #[inline]
    fn way(&self, asked: &Asked, k: usize) -> Result<DenseWay, TercetError> {
        asked.refuse_slack()?;
        let &Asked { effort, patience, .. } = asked;
        let steps =
            Steps { ef: effort.ef, nprobe: effort.nprobe, candidates: effort.candidates, oversample: None };
        let effort = if effort.exact { Effort::Exact } else { steps.effort(k)?.unwrap_or_default() };
        Ok(DenseWay { effort, patience })
    }

    #[inline]
    fn by_effort(&self, way: DenseWay, effort: Effort) -> DenseWay {
        DenseWay { effort, ..way }
    }

    fn rungs(&self, k: usize) -> Vec<u32> {
        recall::ladder(k).collect()
    }

    fn samples(&self, queries: Option<Vectors<'_>>) -> Result<Samples, TercetError> {
        Samples::new(self, queries)
    }

    fn open_samples(&self, source: &dyn SectionSource) -> Result<Option<Samples>, IndexError> {
        Samples::open(self, source)
    }

    fn check_build(&self, count: u32) -> Result<(), TercetError> {
        dense::check_trained(&self.index, count)
    }

    fn build(
        &self,
        values: &Vectors<'_>,
        samples: &Samples,
        work: &Work<'_>,
    ) -> Result<Sections, IndexError> {
        let Vectors { values, count, .. } = *values;
        let input = DenseInput { queries: samples.values(), rows: count, present: None, values };
        (self.kind.build)(&self.dense, &input, work)
    }

    fn merge(
        &self,
        span: u32,
        merging: &Merging<'_, '_, Self>,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        (self.kind.merge)(&self.dense, span, merging, sink, work)
    }

    fn open(&self, span: u32, source: &dyn SectionSource) -> Result<Self::Reader, IndexError> {
        (self.kind.open)(&self.dense, span, source)
    }

    fn spare(reader: &Self::Reader) {
        reader.spare_vectors();
    }

    fn len(reader: &Self::Reader) -> Option<u64> {
        Some(reader.len() as u64)
    }

    fn facts(reader: &Self::Reader) -> Vec<(&'static str, f64)> {
        reader.facts()
    }

    #[inline]
    fn search(
        &self,
        reader: &Self::Reader,
        query: &Values<'_>,
        search: &Search<'_, Self>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        reader.search(&of(*query, search), top, counters)
    }

    fn search_batch(
        &self,
        reader: &Self::Reader,
        (values, queries): (&Vectors<'_>, &[Values<'_>]),
        search: &Search<'_, Self>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        let Some(first) = queries.first() else { return Ok(Answered::SCAN) };
        reader.search_batch(values.values, &of(*first, search), tops, counters, work)
    }

    fn stored(&self, reader: &Self::Reader, row: u32) -> Result<Option<Vec<Array>>, IndexError> {
        Ok(reader.stored(row)?.map(|stored| vec![owned(stored.values())]))
    }

    fn probe_of(&self, reader: &Self::Reader, row: u32) -> Result<Option<DenseProbe>, IndexError> {
        Ok(reader.stored(row)?.as_ref().map(DenseProbe::new))
    }

    fn probe<'a>(&self, probe: &'a DenseProbe, _: &DenseWay) -> Result<Values<'a>, TercetError> {
        Ok(probe.values())
    }

    /// Stored vectors moved by how far their k-th neighbours lie (`probe.rs`).
    fn probes(
        index: &Index<Self>,
        state: &State<Self>,
        rows: &[u32],
        k: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Vec<(DenseProbe, Option<u32>)>, TercetError> {
        let ask = Ask::new(k, DenseWay::default());
        let cosine = index.spec.metric == MetricName::Cosine;
        let made = side_by_side(rows.len(), work, step, &|at| {
            let row = rows[at];
            Scratch::with(|scratch| {
                index.search(state, Query::Row(row), &ask, scratch)?;
                let last = scratch.found.last().map(|hit| vector(state, hit.row)).transpose()?.flatten();
                let Some(itself) = vector(state, row)? else { return Ok(None) };
                let away = last.map_or(0.0, |last| probe::distance(itself.values(), last.values(), cosine));
                Ok(Some(DenseProbe::Moved(Probe::new(itself.values(), away, row.into()))))
            })
        })?;
        Ok(made.into_iter().flatten().map(|probe| (probe, None)).collect())
    }
}

#[inline]
fn of<'a>(query: Values<'a>, search: &Search<'a, Dense>) -> DenseSearch<'a> {
    let DenseWay { effort, patience } = *search.way;
    DenseSearch { query, effort, allowed: search.allowed, patience, stop: search.stop }
}

/// The vector of a row; `None` where there is no such row.
fn vector(state: &State<Dense>, row: u32) -> Result<Option<Stored<'_>>, TercetError> {
    let Some((part, own)) = state.find(row) else { return Ok(None) };
    part.stored.reader.stored(own).map_err(|e| index_error(e, part.stored.file.label()))
}

impl DenseStream for Merging<'_, '_, Dense> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        let missing = |row| move || IndexError::corrupt("rows", format!("row {row} has no vector"));
        for (to, lies) in self.rows() {
            match lies {
                Lies::Part(part, row) => {
                    let stored = self.parts[part].stored.reader.stored(row)?.ok_or_else(missing(row))?;
                    each(to, stored.values())?;
                }
                Lies::Fresh(at) => {
                    let vector = self.fresh.and_then(|fresh| fresh.values.at(at)).ok_or_else(missing(at))?;
                    each(to, vector)?;
                }
            }
        }
        Ok(())
    }

    fn queries(&self) -> Option<Values<'_>> {
        self.samples().values()
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        if self.is_anew() {
            return Vec::new();
        }
        let source = |part| {
            let part: &super::IndexPart<Dense> = part;
            DenseSource { reader: part.stored.reader.as_ref(), kept: Box::new(self.kept(part)) }
        };
        self.parts.iter().copied().map(source).collect()
    }
}
