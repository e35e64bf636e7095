//! Opening a flat index, single vectors, single scores, and the way a search takes.

use super::compare::{Comparison, Scores};
use super::layout::{Codes, Meta, Shape};
use super::query::{prepare, with_scratch};
use super::scan::{Scanned, Table, scan};
use super::vectors::{Vectors, View};
use super::{CAPABILITIES, batch};
use crate::dense::{
    Answered, Capabilities, DenseReader, DenseSearch, DenseSpec, Distance, Effort, Path, Stored,
};
use crate::section::Array;
use crate::values::{Dtype, Values};
use crate::{Bitmap, Counters, IndexError, SectionSource, TopK, Work};
use std::any::Any;

/// Candidates that are compared again, for each result asked for.
const OVERSAMPLE: usize = 4;
/// Candidates at least.
const CANDIDATES_MIN: usize = 32;

/// Nanoseconds per byte of a vector: 0.012 from a near cache, 0.06 from memory (AVX-512, 2 cores of a server); this is
/// what a few megabytes cost, where the choice between a thread of its own and none is made.
const NS_PER_BYTE: f64 = 0.0325;
/// Nanoseconds per vector beside its components: the threshold, the heap.
const NS_PER_VECTOR: f64 = 2.0;
/// Nanoseconds per vector of integers that is laid out for the kernels first, and per byte of it.
const NS_PER_STAGED: (f64, f64) = (4.0, 0.02);
const NS_PER_SEARCH: f64 = 200.0;

/// A flat index over borrowed sections.
pub struct FlatReader {
    given: Dtype,
    /// Rows of the segment: no row at or past it is ever reported.
    rows: u32,
    count: u32,
    slots: Option<Array<u32>>,
    kept: Vectors,
    /// Scanned before `kept`.
    codes: Option<Vectors>,
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
        let shape = form.shape(spec).ok_or_else(|| IndexError::corrupt("meta", "no vectors are kept"))?;
        let codes = match form.codes {
            None => None,
            Some(Codes::Half) => {
                Some(Vectors::open(source, "codes", Shape { dtype: Dtype::F16, ..shape }, count)?)
            }
        };
        Ok(FlatReader {
            given: form.given,
            rows,
            count,
            slots: sparse.then(|| Array::open_len(source, "rows", count.into())).transpose()?,
            kept: Vectors::open(source, "values", shape, count)?,
            codes,
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

    /// The vectors.
    pub(super) fn kept(&self) -> &Vectors {
        &self.kept
    }

    pub(super) fn table(&self) -> Result<Table<'_>, IndexError> {
        let slots = self.slots.as_ref().map(|slots| slots.all()).transpose()?;
        Ok(Table { rows: self.rows, count: self.count as usize, slots })
    }

    /// Whether codes stand before the vectors.
    pub(super) fn is_coded(&self) -> bool {
        self.codes.is_some()
    }

    /// The codes to scan first, where that is worth it: not when all is to be compared, nor when no more rows are
    /// allowed than would be compared again.
    pub(super) fn codes_for(&self, search: &DenseSearch<'_>, top: &TopK) -> Option<(&Vectors, usize)> {
        let codes = self.codes.as_ref()?;
        let candidates = top.k().saturating_mul(OVERSAMPLE).max(CANDIDATES_MIN);
        let allowed = search.allowed.map_or(self.count, Bitmap::count);
        let exact = search.effort == Effort::Exact || top.radius().is_some();
        (!exact && candidates < allowed.min(self.count) as usize).then_some((codes, candidates))
    }

    /// Scans codes or vectors; a query of another length finds nothing.
    fn scan(
        &self,
        vectors: &Vectors,
        search: &DenseSearch<'_>,
        top: &mut TopK,
    ) -> Result<Scanned, IndexError> {
        let (table, view) = (self.table()?, vectors.view()?);
        Ok(with_scratch(|scratch| match prepare(vectors.shape, search.query, scratch) {
            Some(query) => scan(table, Comparison::new(view, query), search.allowed, search.stop, top),
            None => Scanned { scored: 0, complete: true },
        }))
    }

    /// Offers the vectors of candidates to `top`; returns how many were compared.
    fn compare_again(
        &self,
        search: &DenseSearch<'_>,
        candidates: TopK,
        top: &mut TopK,
    ) -> Result<u64, IndexError> {
        let mut scored = 0;
        with_scratch(|scratch| {
            let Some((query, stage)) = prepare(self.kept.shape, search.query, scratch) else { return Ok(()) };
            for candidate in candidates.into_sorted() {
                let Some(slot) = self.slot(candidate.row)? else { continue };
                top.push(one(self.kept.view_of(slot)?, (query, &mut *stage)), candidate.row);
                scored += 1;
            }
            Ok::<(), IndexError>(())
        })?;
        Ok(scored)
    }
}

/// The score of a view's only vector.
fn one(view: View<'_>, query: (super::query::Prepared<'_>, &mut super::query::Stage)) -> f32 {
    let mut score = [0.0];
    Comparison::new(view, query).range(0, &mut score);
    score[0]
}

impl DenseReader for FlatReader {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError> {
        let Some(slot) = self.slot(row)? else { return Ok(None) };
        let vector = self.kept.vector(slot)?;
        Ok(Some(if vector.dtype() == self.given {
            Stored::Kept(vector)
        } else {
            Stored::Decoded(vector.to_f32())
        }))
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
        let Some((codes, candidates)) = self.codes_for(search, top) else {
            let Scanned { scored, complete } = self.scan(&self.kept, search, top)?;
            counters.vectors_scored += scored;
            return Ok(Answered { exact: complete, complete, path: Path::Scan });
        };
        let mut best = TopK::new(candidates);
        let Scanned { scored, complete } = self.scan(codes, search, &mut best)?;
        counters.vectors_scored += scored + self.compare_again(search, best, top)?;
        Ok(Answered { exact: false, complete, path: Path::Scan })
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
        let Some(slot) = self.slot(row)? else { return Ok(None) };
        let view = self.kept.view_of(slot)?;
        Ok(with_scratch(|scratch| Some(one(view, prepare(self.kept.shape, query, scratch)?))))
    }

    fn scores(&self, query: Values<'_>, rows: &[u32], out: &mut Vec<f32>) -> Result<(), IndexError> {
        out.clear();
        with_scratch(|scratch| {
            let query = prepare(self.kept.shape, query, scratch);
            let Some((query, stage)) = query else {
                out.resize(rows.len(), f32::NEG_INFINITY);
                return Ok(());
            };
            for &row in rows {
                out.push(match self.slot(row)? {
                    Some(slot) => one(self.kept.view_of(slot)?, (query, &mut *stage)),
                    None => f32::NEG_INFINITY,
                });
            }
            Ok(())
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exact: self.codes.is_none(),
            originals: self.kept.shape.dtype == self.given,
            ..CAPABILITIES
        }
    }

    fn cost_ns(&self, k: usize, allowed: Option<usize>) -> u64 {
        let vectors = allowed.map_or(self.len(), |allowed| allowed.min(self.len())) as f64;
        let scanned = self.codes.as_ref().unwrap_or(&self.kept).shape;
        let mut cost = NS_PER_SEARCH + vectors * ns_per_vector(scanned);
        if self.codes.is_some() {
            let candidates = (k.saturating_mul(OVERSAMPLE).max(CANDIDATES_MIN) as f64).min(vectors);
            cost += candidates * 2.0 * ns_per_vector(self.kept.shape);
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
        self.kept.verify()?;
        if let Some(codes) = &self.codes {
            codes.view()?;
        }
        Ok(())
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
