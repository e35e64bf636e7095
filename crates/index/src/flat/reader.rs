//! Opening a flat index, single vectors and single scores.

use super::build::{checked_dims, length, reciprocal_length};
use super::{CAPABILITIES, FLAG_NORMS, FLAG_ROWS, VERSION, scan};
use crate::dense::{Answered, Capabilities, DenseReader, DenseSearch, DenseSpec, Distance, Stored};
use crate::section::Array;
use crate::values::Values;
use crate::{Counters, IndexError, SectionSource, TopK};
use std::any::Any;
use std::borrow::Cow;
use tercet_kernels::{Metric, MetricKernels, kernels};

/// Nanoseconds per component: 0.05 from a near cache, 0.25 from memory (AVX-512, 2 cores of a server); this is what
/// a few megabytes cost, where the choice between a thread of its own and none is made.
const NS_PER_COMPONENT: f64 = 0.13;
/// Nanoseconds per vector beside its components: the threshold, the heap.
const NS_PER_VECTOR: f64 = 2.0;
const NS_PER_SEARCH: f64 = 200.0;

/// A flat index over borrowed sections.
pub struct FlatReader {
    pub(super) dims: usize,
    pub(super) metric: Metric,
    pub(super) kernels: &'static MetricKernels,
    /// Rows of the segment: no row at or past it is ever reported.
    pub(super) rows: u32,
    pub(super) count: u32,
    pub(super) values: Array<f32>,
    pub(super) slots: Option<Array<u32>>,
    pub(super) norms: Option<Array<f32>>,
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
        let dims = checked_dims(spec)?;
        let meta = Array::<u32>::open_len(source, "meta", 4)?;
        let [version, stored_dims, count, flags] = [meta.get(0)?, meta.get(1)?, meta.get(2)?, meta.get(3)?];
        if version != VERSION {
            return Err(IndexError::Version { section: "meta".into(), found: version, supported: VERSION });
        }
        let sparse = flags & FLAG_ROWS != 0;
        let cosine = spec.metric == Distance::Cosine;
        let metric = spec.metric.on_numbers().ok_or(IndexError::Unsupported { what: "bits" })?;
        if stored_dims != dims || cosine != (flags & FLAG_NORMS != 0) || flags > (FLAG_ROWS | FLAG_NORMS) {
            let what =
                format!("dims {stored_dims} and flags {flags} do not fit {dims} dims, {:?}", spec.metric);
            return Err(IndexError::corrupt("meta", what));
        }
        if count > rows || (!sparse && count != rows) {
            return Err(IndexError::corrupt("meta", format!("{count} vectors in a segment of {rows} rows")));
        }
        let components = u64::from(count) * u64::from(dims);
        Ok(FlatReader {
            dims: spec.dims,
            metric,
            kernels: kernels().f32(if cosine { Metric::Dot } else { metric }),
            rows,
            count,
            values: Array::open_len(source, "values", components)?,
            slots: sparse.then(|| Array::open_len(source, "rows", count.into())).transpose()?,
            norms: cosine.then(|| Array::open_len(source, "norms", count.into())).transpose()?,
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

    /// The vector in a slot.
    fn values_of(&self, slot: usize) -> Result<&[f32], IndexError> {
        let start = slot.saturating_mul(self.dims);
        self.values.slice(start..start.saturating_add(self.dims))
    }

    /// The query as the kernels want it: of length 1 for cosine.
    pub(super) fn prepare<'q>(&self, query: &'q [f32]) -> Cow<'q, [f32]> {
        if self.norms.is_none() {
            return Cow::Borrowed(query);
        }
        let length = length(query);
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        Cow::Owned(query.iter().map(|&x| (f64::from(x) * scale) as f32).collect())
    }
}

fn as_floats(values: Values<'_>) -> Cow<'_, [f32]> {
    match values {
        Values::F32(values) => Cow::Borrowed(values),
        other => Cow::Owned(other.to_f32()),
    }
}

/// Turns what the kernel gives for a vector into a score.
#[inline]
pub(super) fn finish(metric: Metric, raw: f32, norm: Option<f32>) -> f32 {
    match norm {
        Some(norm) => raw * norm,
        None if metric == Metric::L2 => -raw,
        None => raw,
    }
}

impl DenseReader for FlatReader {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn stored(&self, row: u32) -> Result<Option<Stored<'_>>, IndexError> {
        match self.slot(row)? {
            Some(slot) => Ok(Some(Stored::Kept(Values::F32(self.values_of(slot)?)))),
            None => Ok(None),
        }
    }

    fn search(
        &self,
        search: &DenseSearch<'_>,
        top: &mut TopK,
        counters: &mut Counters,
    ) -> Result<Answered, IndexError> {
        let query = as_floats(search.query);
        if query.len() == self.dims && self.count > 0 && top.k() > 0 {
            counters.vectors_scored += scan::search(self, &self.prepare(&query), search.allowed, top)?;
        }
        Ok(Answered::SCAN)
    }

    fn score(&self, query: Values<'_>, row: u32) -> Result<Option<f32>, IndexError> {
        let query = as_floats(query);
        let Some(slot) = self.slot(row)?.filter(|_| query.len() == self.dims) else { return Ok(None) };
        let mut raw = [0.0];
        (self.kernels.batch)(&self.prepare(&query), self.values_of(slot)?, &mut raw);
        let norm = self.norms.as_ref().map(|norms| norms.get(slot)).transpose()?;
        Ok(Some(finish(self.metric, raw[0], norm)))
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn cost_ns(&self, _k: usize, allowed: Option<usize>) -> u64 {
        let vectors = allowed.map_or(self.len(), |allowed| allowed.min(self.len())) as f64;
        let mut cost = NS_PER_SEARCH + vectors * (NS_PER_VECTOR + NS_PER_COMPONENT * self.dims as f64);
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
        let values = self.values.all()?;
        let Some(norms) = &self.norms else { return Ok(()) };
        for (slot, (vector, norm)) in values.chunks_exact(self.dims).zip(norms.all()?).enumerate() {
            if reciprocal_length(vector).to_bits() != norm.to_bits() {
                return Err(IndexError::corrupt("norms", format!("slot {slot} is not the vector's length")));
            }
        }
        Ok(())
    }
}
