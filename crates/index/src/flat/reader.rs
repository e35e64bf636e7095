//! Opening a flat index, single vectors, single scores, and the way a search takes.

use super::compare::{Comparison, Scores};
use super::layout::{Codes, Meta, Shape};
use super::lvq::Lvq;
use super::query::{Scratch, prepare, with_scratch};
use super::scan::{Scanned, Table, scan};
use super::spared::Spared;
use super::vectors::Vectors;
use super::{CAPABILITIES, batch};
use crate::dense::{
    Answered, Capabilities, DenseReader, DenseSearch, DenseSpec, Distance, Effort, Path, Stored,
};
use crate::section::{Access, Array};
use crate::values::{Dtype, Values};
use crate::{Bitmap, Counters, IndexError, SectionSource, TopK, Work};
use std::any::Any;

/// Candidates that are compared again, for each result asked for ...
const OVERSAMPLE: usize = 4;
/// ... and where codes are of reduced vectors.
const OVERSAMPLE_REDUCED: usize = 8;
/// Candidates at least.
const CANDIDATES_MIN: usize = 32;

/// Nanoseconds per byte of a vector: 0.012 from a near cache, 0.06 from memory (AVX-512, 2 cores of a server); this is
/// what a few megabytes cost, where the choice between a thread of its own and none is made.
const NS_PER_BYTE: f64 = 0.0325;
/// Nanoseconds per vector beside its components: the threshold, the heap.
const NS_PER_VECTOR: f64 = 2.0;
/// Nanoseconds per vector of integers that is laid out for the kernels first, and per byte of it.
const NS_PER_STAGED: (f64, f64) = (4.0, 0.02);
/// The same of a row of 8-bit codes, whose distance becomes a score.
const NS_PER_CODE: f64 = 12.0;
const NS_PER_SEARCH: f64 = 200.0;

/// A flat index over borrowed sections.
pub struct FlatReader {
    given: Dtype,
    /// Rows of the segment: no row at or past it is ever reported.
    rows: u32,
    count: u32,
    slots: Option<Array<u32>>,
    kept: Option<Vectors>,
    /// Scanned before `kept`, or alone. One of both is there.
    codes: Option<Coded>,
    spared: Spared,
}

/// Codes of the vectors.
enum Coded {
    Half(Vectors),
    Lvq8(Lvq),
}

pub(super) fn open(
    spec: &DenseSpec,
    rows: u32,
    source: &dyn SectionSource,
) -> Result<Box<dyn DenseReader>, IndexError> {
    Ok(Box::new(FlatReader::open(spec, rows, source)?))
}

impl FlatReader {
    /// Opens a segment of `rows` rows. Cost: constant.
    pub fn open(spec: &DenseSpec, rows: u32, source: &dyn SectionSource) -> Result<Self, IndexError> {
        let Meta { form, count, sparse } = Meta::open(spec, rows, source)?;
        let shape = Shape { dims: spec.dims, dtype: form.given, metric: spec.metric };
        let half = Shape { dtype: Dtype::F16, ..shape };
        let codes = match form.codes {
            None => None,
            Some(Codes::Half) => Some(Coded::Half(Vectors::open(source, "codes", half, count)?)),
            Some(Codes::Lvq8) => Some(Coded::Lvq8(Lvq::open(spec, count, source)?)),
            Some(Codes::Reduced) => Some(Coded::Lvq8(Lvq::open_reduced(spec, count, source)?)),
        };
        let kept = |dtype| Vectors::open(source, "values", Shape { dtype, ..shape }, count);
        Ok(FlatReader {
            given: form.given,
            rows,
            count,
            slots: sparse.then(|| Array::open_len(source, "rows", count.into())).transpose()?,
            kept: form.kept.map(kept).transpose()?,
            codes,
            spared: Spared::default(),
        })
    }

    /// The slot of a row's vector. O(log vectors) where some rows have none.
    fn slot(&self, row: u32) -> Result<Option<usize>, IndexError> {
        let Some(rows) = &self.slots else {
            return Ok((row < self.count).then_some(row as usize));
        };
        let (mut low, mut high) = (0, rows.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match rows.get(middle)?.cmp(&row) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// Lets go of the vectors of a mapped file whenever so many bytes of them may have come into memory.
    pub(crate) fn spare(&self, bytes: u64) {
        if let Some(kept) = &self.kept {
            self.spared.after(bytes, kept);
        }
    }

    /// Counts vectors that were looked at one by one.
    #[inline]
    pub(crate) fn looked_at(&self, vectors: usize) {
        if let Some(kept) = &self.kept {
            self.spared.looked_at(vectors, kept);
        }
    }

    /// Says how the vectors will be read, where they are let go of.
    pub(crate) fn advise(&self, access: Access) {
        if let Some(kept) = self.kept.as_ref().filter(|_| self.spared.is_on()) {
            kept.advise(access);
        }
    }

    /// The vectors, where they are kept.
    pub(super) fn kept(&self) -> Option<&Vectors> {
        self.kept.as_ref()
    }

    /// The vectors rounded to f16, where they are kept beside the whole ones.
    pub(super) fn halves(&self) -> Option<&Vectors> {
        match &self.codes {
            Some(Coded::Half(halves)) => Some(halves),
            _ => None,
        }
    }

    /// The 8-bit codes, where there are some.
    pub(super) fn lvq(&self) -> Option<&Lvq> {
        match &self.codes {
            Some(Coded::Lvq8(lvq)) => Some(lvq),
            _ => None,
        }
    }

    pub(super) fn table(&self) -> Result<Table<'_>, IndexError> {
        let slots = self.slots.as_ref().map(|slots| slots.all()).transpose()?;
        Ok(Table { rows: self.rows, count: self.count as usize, slots })
    }

    /// The vectors that decide the scores, where nothing stands before them.
    pub(super) fn alone(&self, search: &DenseSearch<'_>) -> Option<&Vectors> {
        self.kept.as_ref().filter(|_| self.codes.is_none() || search.effort == Effort::Exact)
    }

    /// The candidates that are found by the codes, to be compared again; `None` where all vectors are compared at once:
    /// when that is asked for, and when no more rows are allowed.
    fn candidates(&self, search: &DenseSearch<'_>, top: &TopK) -> Option<usize> {
        let candidates = match search.effort {
            Effort::Ef(candidates) => candidates as usize,
            Effort::Probes { candidates, .. } if candidates > 0 => candidates as usize,
            _ => self.usual(top.k()),
        };
        let candidates = candidates.max(top.k());
        let allowed = search.allowed.map_or(self.count, Bitmap::count).min(self.count);
        let exact = search.effort == Effort::Exact || top.radius().is_some();
        (!exact && candidates < allowed as usize).then_some(candidates)
    }

    /// Candidates of a search for `k`.
    fn usual(&self, k: usize) -> usize {
        let reduced = self.lvq().is_some_and(Lvq::reduced);
        k.saturating_mul(if reduced { OVERSAMPLE_REDUCED } else { OVERSAMPLE }).max(CANDIDATES_MIN)
    }

    /// Scans vectors; a query of another length finds nothing.
    fn scan_vectors(
        &self,
        vectors: &Vectors,
        search: &DenseSearch<'_>,
        top: &mut TopK,
    ) -> Result<Scanned, IndexError> {
        let (table, view) = (self.table()?, vectors.view()?);
        Ok(with_scratch(|scratch| match prepare(vectors.shape, search.query, scratch) {
            Some(query) => scan(table, Comparison::new(view, query), search.allowed, search.stop, top),
            None => NOTHING,
        }))
    }

    /// Scans codes.
    fn scan_codes(
        &self,
        codes: &Coded,
        search: &DenseSearch<'_>,
        top: &mut TopK,
    ) -> Result<Scanned, IndexError> {
        let lvq = match codes {
            Coded::Half(vectors) => return self.scan_vectors(vectors, search, top),
            Coded::Lvq8(lvq) => lvq,
        };
        let (table, codes) = (self.table()?, lvq.all()?);
        Ok(with_scratch(|scratch| match lvq.compare(search.query, codes, scratch) {
            Some(scores) => scan(table, scores, search.allowed, search.stop, top),
            None => NOTHING,
        }))
    }

    /// Calls back with each row and its score, `None` where it has no vector.
    fn each_score(
        &self,
        query: Values<'_>,
        rows: impl IntoIterator<Item = u32>,
        mut each: impl FnMut(u32, Option<f32>),
    ) -> Result<(), IndexError> {
        with_scratch(|scratch| {
            let Some(kept) = &self.kept else { return self.each_code_score(query, rows, each, scratch) };
            let mut query = prepare(kept.shape, query, scratch);
            for row in rows {
                let score = match (&mut query, self.slot(row)?) {
                    (Some((query, stage)), Some(slot)) => {
                        Some(one(Comparison::new(kept.view_of(slot)?, (*query, stage))))
                    }
                    _ => None,
                };
                each(row, score);
            }
            Ok(())
        })
    }

    fn each_code_score(
        &self,
        query: Values<'_>,
        rows: impl IntoIterator<Item = u32>,
        mut each: impl FnMut(u32, Option<f32>),
        scratch: &mut Scratch,
    ) -> Result<(), IndexError> {
        let Some(Coded::Lvq8(lvq)) = &self.codes else { return Ok(()) };
        let ready = lvq.compare(query, &[], scratch);
        for row in rows {
            let score = match (&ready, self.slot(row)?) {
                (Some(ready), Some(slot)) => Some(one(ready.beside(lvq.codes_of(slot)?))),
                _ => None,
            };
            each(row, score);
        }
        Ok(())
    }
}

/// A scan of nothing.
const NOTHING: Scanned = Scanned { scored: 0, complete: true };

/// The score of the only vector.
fn one(mut scores: impl Scores) -> f32 {
    let mut score = [0.0];
    scores.range(0, &mut score);
    score[0]
}

impl DenseReader for FlatReader {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError> {
        let Some(slot) = self.slot(row)? else { return Ok(None) };
        Ok(match (&self.kept, &self.codes) {
            (Some(kept), _) if kept.shape.dtype == self.given => Some(Stored::Kept(kept.vector(slot)?)),
            (Some(kept), _) => Some(Stored::Decoded(kept.vector(slot)?.to_f32())),
            (None, Some(Coded::Lvq8(lvq))) => Some(Stored::Decoded(lvq.decode(lvq.codes_of(slot)?))),
            (None, _) => None,
        })
    }

    fn search(
        &self,
        search: &DenseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        if self.count == 0 || top.k() == 0 {
            return Ok(Answered::SCAN);
        }
        let (Scanned { scored, complete }, exact) = match (&self.codes, &self.kept) {
            (Some(codes), Some(kept)) => match self.candidates(search, top) {
                None => (self.scan_vectors(kept, search, top)?, true),
                Some(candidates) => {
                    let mut best = TopK::new(candidates);
                    let scanned = self.scan_codes(codes, search, &mut best)?;
                    counters.vectors_scored += best.len() as u64;
                    let rows = best.into_sorted().into_iter().map(|hit| hit.row);
                    self.each_score(search.query, rows, |row, score| {
                        top.push(score.unwrap_or(f32::NAN), row)
                    })?;
                    (scanned, false)
                }
            },
            (Some(codes), None) => (self.scan_codes(codes, search, top)?, false),
            (None, Some(kept)) => (self.scan_vectors(kept, search, top)?, true),
            (None, None) => (NOTHING, true),
        };
        counters.vectors_scored += scored;
        Ok(Answered { exact: exact && complete, complete, path: Path::Scan })
    }

    fn search_batch(
        &self,
        queries: Values<'_>,
        search: &DenseSearch<'_>,
        tops: &mut [TopK],
        counters: &mut Counters,
        work: &Work<'_>,
    ) -> Result<Answered, IndexError> {
        batch::search(self, queries, search, tops, counters, work)
    }

    fn score(&self, query: Values<'_>, row: u32) -> Result<Option<f32>, IndexError> {
        let mut found = None;
        self.each_score(query, [row], |_, score| found = score)?;
        Ok(found)
    }

    fn scores(&self, query: Values<'_>, rows: &[u32], out: &mut Vec<f32>) -> Result<(), IndexError> {
        out.clear();
        self.each_score(query, rows.iter().copied(), |_, score| out.push(score.unwrap_or(f32::NEG_INFINITY)))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exact: self.codes.is_none(),
            originals: self.kept.as_ref().is_some_and(|kept| kept.shape.dtype == self.given),
            ..CAPABILITIES
        }
    }

    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64 {
        let vectors = allowed.map_or(self.len(), |allowed| allowed.min(self.len())) as f64;
        let kept = self.kept.as_ref().map_or(0.0, |kept| ns_per_vector(kept.shape));
        let scanned = match &self.codes {
            None => kept,
            Some(Coded::Half(codes)) => ns_per_vector(codes.shape),
            Some(Coded::Lvq8(lvq)) => NS_PER_CODE + NS_PER_BYTE * lvq.stride() as f64,
        };
        let mut cost = NS_PER_SEARCH + vectors * scanned;
        if self.codes.is_some() {
            let candidates = (self.usual(k) as f64).min(vectors);
            cost += candidates * 2.0 * kept;
        }
        if allowed.is_some() {
            // The filter is read by words of 64 rows, or by slot when there is a table of rows.
            cost += if self.slots.is_some() { f64::from(self.count) } else { f64::from(self.rows) / 64.0 };
        }
        cost as u64
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn verify(&self) -> Result<(), IndexError> {
        if let Some(rows) = &self.slots {
            let rows = rows.all()?;
            let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
            if !ascending || rows.last().is_some_and(|&last| last >= self.rows) {
                return Err(IndexError::corrupt("rows", "rows do not ascend below the segment's length"));
            }
        }
        self.kept.as_ref().map_or(Ok(()), Vectors::verify)?;
        match &self.codes {
            None => Ok(()),
            Some(Coded::Half(codes)) => codes.view().map(|_| ()),
            Some(Coded::Lvq8(lvq)) => lvq.all().map(|_| ()),
        }
    }
}

/// What comparing one vector costs in a scan.
fn ns_per_vector(shape: Shape) -> f64 {
    let bytes = shape.dtype.bytes(shape.dims) as f64;
    let staged = shape.dtype == Dtype::I8 || (shape.dtype == Dtype::U8 && !shape.dims.is_multiple_of(32));
    let stage = if staged { NS_PER_STAGED.0 + NS_PER_STAGED.1 * bytes } else { 0.0 };
    let measure = if shape.metric == Distance::Jaccard { 2.0 } else { 1.0 };
    NS_PER_VECTOR + stage + bytes * NS_PER_BYTE * measure
}
