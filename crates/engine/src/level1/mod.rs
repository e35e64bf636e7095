//! Level 1: an index over vectors, without documents. Row numbers go out, and the caller keeps what they mean.
//!
//! Rows are given out in order and never again before `compact`. Vectors that are added make a part of their own;
//! parts are merged when several of a size have gathered, so that adding costs O(log n) rewrites a vector.

mod file;
mod handle;
mod parts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tercet_index::{Bitmap, Counters, Scored, TopK};
use tercet_store::Env;

use crate::document::check_vector;
use crate::schema::DIMS_MAX;
use crate::search::{DEPTH_MAX, bounded};
use crate::wire::{Code, DenseIndexSpec, IndexInfo, MetricName, TercetError};

pub(crate) use handle::IndexHandle;
use parts::IndexPart;

/// What an index is made of.
#[derive(Clone)]
pub(crate) struct Spec {
    dims: u32,
    metric: MetricName,
    index: DenseIndexSpec,
}

/// An open index.
pub(crate) struct VectorIndex {
    env: Arc<dyn Env>,
    spec: Spec,
    parts: RwLock<Vec<IndexPart>>,
    closed: AtomicBool,
}

impl VectorIndex {
    /// Builds an index over row-major vectors.
    pub(crate) fn build(env: Arc<dyn Env>, spec: Spec, vectors: &[f32]) -> Result<Self, TercetError> {
        if spec.dims == 0 || spec.dims > DIMS_MAX {
            return Err(TercetError::new(
                Code::Dimension,
                format!("dims must be 1 to {DIMS_MAX}, found {}", spec.dims),
            )
            .field("dims")
            .expected(format!("1 to {DIMS_MAX}"), spec.dims.to_string()));
        }
        check_rows(&spec, vectors)?;
        let parts = if vectors.is_empty() { Vec::new() } else { vec![IndexPart::build(&spec, 0, vectors)?] };
        Ok(VectorIndex { env, spec, parts: RwLock::new(parts), closed: AtomicBool::new(false) })
    }

    fn check_open(&self) -> Result<(), TercetError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TercetError::new(Code::Closed, "the index is closed"));
        }
        Ok(())
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, Vec<IndexPart>>, TercetError> {
        self.check_open()?;
        Ok(self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Vec<IndexPart>>, TercetError> {
        let parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        Ok(parts)
    }

    fn info(&self) -> Result<IndexInfo, TercetError> {
        let parts = self.read()?;
        Ok(IndexInfo {
            dims: self.spec.dims,
            metric: self.spec.metric,
            index: self.spec.index.clone(),
            size: parts.iter().map(|p| u64::from(p.live_rows())).sum(),
            rows: parts.last().map_or(0, |p| u64::from(p.first) + u64::from(p.rows)),
            bytes: parts.iter().map(IndexPart::bytes).sum(),
        })
    }

    /// The nearest rows of one query, checked, best first.
    fn search(&self, query: &[f32], k: usize, filter: Option<&Bitmap>) -> Result<Vec<Scored>, TercetError> {
        bounded("k", i64::try_from(k).unwrap_or(i64::MAX), 1, DEPTH_MAX)?;
        check_vector("query", self.spec.dims, self.spec.metric, query)?;
        let parts = self.read()?;
        let mut counters = Counters::default();
        if let ([part], None) = (parts.as_slice(), filter) {
            let mut top = TopK::new(k);
            part.reader.search(query, part.live.as_ref(), &mut top, &mut counters);
            return Ok(top.into_sorted());
        }
        let mut all = TopK::new(k);
        for part in parts.iter() {
            let allowed = filter.map(|filter| part.allowed(filter));
            let mut top = TopK::new(k);
            part.reader.search(query, allowed.as_ref().or(part.live.as_ref()), &mut top, &mut counters);
            top.into_sorted().into_iter().for_each(|found| all.push(found.score, part.first + found.row));
        }
        Ok(all.into_sorted())
    }

    /// Adds row-major vectors; returns the first new row and how many there are.
    fn add(&self, vectors: &[f32]) -> Result<(u32, u32), TercetError> {
        let count = check_rows(&self.spec, vectors)?;
        let mut parts = self.write()?;
        let first = parts.last().map_or(0, |p| p.first + p.rows);
        if count > 0 {
            if first.checked_add(count).is_none_or(|end| end == u32::MAX) {
                return Err(TercetError::new(Code::Limit, "an index holds at most 4,294,967,294 rows"));
            }
            let part = IndexPart::build(&self.spec, first, vectors)?;
            let next = parts::settle(&self.spec, &parts, part)?;
            parts::apply(&mut parts, next);
        }
        Ok((first, count))
    }

    /// Removes rows; returns how many went and which were not there.
    fn remove(&self, rows: &[u32]) -> Result<(u32, Vec<u32>), TercetError> {
        let mut parts = self.write()?;
        let mut removed = 0;
        let mut missing = Vec::new();
        for row in rows {
            let at = parts.partition_point(|p| p.first <= *row);
            let gone = at > 0 && parts[at - 1].remove(*row);
            if gone { removed += 1 } else { missing.push(*row) }
        }
        Ok((removed, missing))
    }

    /// Renumbers without gaps; returns old row to new row, `u32::MAX` where it was removed.
    fn compact(&self) -> Result<Vec<u32>, TercetError> {
        let mut parts = self.write()?;
        let rows = parts.last().map_or(0, |p| (p.first + p.rows) as usize);
        let mut map = tercet_index::reserved(rows).map_err(|e| crate::error::index_error(e, "(index)"))?;
        let mut next = 0;
        for part in parts.iter() {
            map.extend((0..part.rows).map(|row| {
                if !part.lives(row) {
                    return u32::MAX;
                }
                next += 1;
                next - 1
            }));
        }
        if parts.len() > 1 || parts.iter().any(|p| p.live.is_some()) {
            let merged =
                if next == 0 { Vec::new() } else { vec![parts::merge(&self.spec, 0, &parts, true)?] };
            *parts = merged;
        }
        Ok(map)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.parts.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// How many vectors there are, all checked.
fn check_rows(spec: &Spec, vectors: &[f32]) -> Result<u32, TercetError> {
    let dims = spec.dims as usize;
    if !vectors.len().is_multiple_of(dims) {
        return Err(TercetError::new(
            Code::Dimension,
            format!(
                "vectors of {dims} components must come as a multiple of {dims} numbers, found {}",
                vectors.len()
            ),
        )
        .expected(format!("a multiple of {dims} numbers"), vectors.len().to_string()));
    }
    for (row, vector) in vectors.chunks_exact(dims).enumerate() {
        check_vector("vectors", spec.dims, spec.metric, vector).map_err(|e| {
            let mut error = e.position(row as u64);
            error.0.message = format!("row {row}: {}", error.0.message);
            error
        })?;
    }
    u32::try_from(vectors.len() / dims)
        .map_err(|_| TercetError::new(Code::Limit, "an index holds at most 4,294,967,294 rows"))
}
