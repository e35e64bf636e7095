//! What an index holds: a value a row. Dense vectors (`dense.rs`), sparse ones (`sparse.rs`), or several vectors
//! (`multi.rs`); parts, merges, files, searches and measurements are the same for all, and ask here for what differs.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tercet_index::{
    Answered, Bitmap, Counters, Effort, IndexError, SectionSink, SectionSource, Sections, TopK, Work,
};

use super::merge::Merging;
use super::samples::Samples;
use super::{Index, State};
use crate::api::{Array, Reply, View};
use crate::wire::{Code, IndexEffort, IndexSizes, TercetError, TokenReading};

/// The values of an index, and what reads them.
pub(crate) trait Content: Clone + Send + Sync + Sized + 'static {
    /// Values that a call brings, or queries: checked, one after another.
    type Values<'a>: Copy + Send + Sync;
    /// A query, checked.
    type Query<'a>: Send + Sync;
    /// A query made of what is stored, to measure with.
    type Probe: Send + Sync;
    /// Reads a part.
    type Reader: Send + Sync;
    /// How a search goes: how hard it tries, and how a query is read.
    type Way: Clone + Default + Send + Sync;
    /// What a file says of it.
    type About: Serialize + DeserializeOwned;
    /// What `stats` says of it.
    type Info: Serialize;

    /// Arrays that values of a call come in.
    const ARRAYS: usize;
    /// What an error calls them.
    const NAMED: &'static str = "vectors";

    fn about(&self) -> Self::About;
    fn info(&self, sizes: IndexSizes) -> Self::Info;
    /// The reverse, of what a file says.
    fn from_about(about: Self::About) -> Result<Self, TercetError>;
    /// Whether every search is exact.
    fn is_exact(&self) -> bool;
    /// Queries of a batch that one thread takes at once, of so many for each thread.
    fn at_once(&self, for_each_thread: usize) -> usize {
        let _ = for_each_thread;
        QUERIES_WALKED
    }

    /// The values in some arrays, checked; with nothing in them where there are none.
    fn values<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<Self::Values<'a>, TercetError>;
    /// The same of queries.
    fn queries<'a>(&self, what: &str, arrays: &'a [Array]) -> Result<Self::Values<'a>, TercetError>;
    fn count(values: &Self::Values<'_>) -> u32;
    /// `count` of them from a place on; fewer where there are no more.
    fn part<'a>(values: &Self::Values<'a>, place: u32, count: u32) -> Self::Values<'a>;
    /// One of the queries.
    fn query<'a>(
        &self,
        queries: &Self::Values<'a>,
        at: u32,
        way: &Self::Way,
    ) -> Result<Self::Query<'a>, TercetError>;
    /// The query of a search into arrays, checked.
    fn query_of<'a>(&self, view: View<'a>, way: &Self::Way) -> Result<Self::Query<'a>, TercetError>;

    /// What was asked for as a way, without a recall.
    fn way(&self, asked: &Asked, k: usize) -> Result<Self::Way, TercetError>;
    /// A way that tries as hard as a number of the ladder says.
    fn by_effort(&self, way: Self::Way, effort: Effort) -> Self::Way;
    /// The efforts that are measured for `k`, rising.
    fn rungs(&self, k: usize) -> Vec<u32>;

    /// Sample queries to be taught by.
    fn samples(&self, queries: Option<Self::Values<'_>>) -> Result<Samples, TercetError> {
        match queries {
            None => Ok(Samples::default()),
            Some(_) => Err(TercetError::new(Code::Argument, "sample queries teach nothing to such an index")
                .field("queries")
                .expected("none", "some")),
        }
    }
    /// Those of a file; `None` where they are none of such an index.
    fn open_samples(&self, source: &dyn SectionSource) -> Result<Option<Samples>, IndexError> {
        let _ = source;
        Ok(None)
    }
    /// Whether an index may be built over so many values.
    fn check_build(&self, count: u32) -> Result<(), TercetError> {
        let _ = count;
        Ok(())
    }
    /// Builds the sections of a part in which every row has a value.
    fn build(
        &self,
        values: &Self::Values<'_>,
        samples: &Samples,
        work: &Work<'_>,
    ) -> Result<Sections, IndexError>;
    /// Writes the sections of a part of `span` rows.
    fn merge(
        &self,
        span: u32,
        merging: &Merging<'_, '_, Self>,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError>;
    fn open(&self, span: u32, source: &dyn SectionSource) -> Result<Self::Reader, IndexError>;

    /// Lets go of what only ranks candidates again, after each look at it.
    fn spare(reader: &Self::Reader) {
        let _ = reader;
    }

    /// Values in a part, removed ones included, where its bytes say it.
    fn len(reader: &Self::Reader) -> Option<u64>;
    /// Numbers that describe a part.
    fn facts(reader: &Self::Reader) -> Vec<(&'static str, f64)>;
    fn search(
        &self,
        reader: &Self::Reader,
        query: &Self::Query<'_>,
        search: &Search<'_, Self>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError>;
    /// Many queries of one thread, each with its collector.
    fn search_batch(
        &self,
        reader: &Self::Reader,
        queries: (&Self::Values<'_>, &[Self::Query<'_>]),
        search: &Search<'_, Self>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        let total = tops.len() as u64;
        let mut all: Option<Answered> = None;
        for ((at, query), top) in (0..).zip(queries.1).zip(tops) {
            work.step(at, total)?;
            let answered = self.search(reader, query, search, top, counters)?;
            all = Some(all.map_or(answered, |all| all.and(answered)));
        }
        Ok(all.unwrap_or(Answered::SCAN))
    }

    /// The value of a row, as arrays of a reply; `None` where it has none.
    fn stored(&self, reader: &Self::Reader, row: u32) -> Result<Option<Vec<Array>>, IndexError>;
    /// A row's value as a query.
    fn probe_of(&self, reader: &Self::Reader, row: u32) -> Result<Option<Self::Probe>, IndexError>;
    /// A probe as a query.
    fn probe<'a>(&self, probe: &'a Self::Probe, way: &Self::Way) -> Result<Self::Query<'a>, TercetError>;
    /// Probes of some rows, ascending: the query, and the row that it must not find.
    fn probes(
        index: &Index<Self>,
        state: &State<Self>,
        rows: &[u32],
        k: usize,
        work: &Work<'_>,
        step: (u64, u64),
    ) -> Result<Probes<Self>, TercetError>;

    /// A verb that only such an index has; `None`: it has no such verb.
    fn verb(
        index: &Index<Self>,
        verb: &str,
        json: &str,
        arrays: &[Array],
    ) -> Option<Result<Reply, TercetError>> {
        let _ = (index, verb, json, arrays);
        None
    }
}

/// Queries to measure with, each with the row that it must not find.
pub(crate) type Probes<C> = Vec<(<C as Content>::Probe, Option<u32>)>;

/// Queries of a batch that one thread takes at once, where they take different times.
pub(super) const QUERIES_WALKED: usize = 16;

/// How a search was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(super) effort: IndexEffort,
    pub(super) patience: Option<u32>,
    pub(super) reading: TokenReading,
}

impl Asked {
    /// Fails where what only bounds of sparse vectors have was asked for.
    pub(super) fn refuse_slack(&self) -> Result<(), TercetError> {
        let IndexEffort { alpha, beta, cells, .. } = self.effort;
        let named = [("alpha", alpha), ("beta", beta), ("cells", cells)];
        refuse(&named, "a sparse index")
    }

    /// Fails where what only lists have was asked for.
    pub(super) fn refuse_lists(&self) -> Result<(), TercetError> {
        let IndexEffort { nprobe, candidates, .. } = self.effort;
        refuse(&[("nprobe", nprobe), ("candidates", candidates)], "lists and token vectors")
    }

    /// Fails where what only graphs and lists have was asked for.
    pub(super) fn refuse_steps(&self) -> Result<(), TercetError> {
        let IndexEffort { ef, nprobe, .. } = self.effort;
        refuse(&[("ef", ef), ("nprobe", nprobe)], "graphs and lists")
    }
}

fn refuse(named: &[(&str, Option<f64>)], of: &str) -> Result<(), TercetError> {
    match named.iter().find(|(_, given)| given.is_some()) {
        None => Ok(()),
        Some((name, _)) => Err(TercetError::new(Code::Argument, format!("`{name}` is for searches of {of}"))
            .field(*name)
            .expected("an option of this index", *name)),
    }
}

/// One search of a part.
pub(crate) struct Search<'a, C: Content> {
    pub(super) way: &'a C::Way,
    /// The rows that may be found; `None`: all.
    pub(super) allowed: Option<&'a Bitmap>,
    /// Looked at now and then; true stops the search with what it has.
    pub(super) stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}
