//! Level 1: an index over vectors, without documents. Row numbers go out, and the caller keeps what they mean.
//!
//! Rows are given out in order and never again before `compact`. Vectors that are added make a part of their own;
//! parts are merged when several of a size have gathered, so that adding costs O(log n) rewrites a vector.
//!
//! Readers take the present list of parts and are never disturbed; a writer makes a new one beside it. So a search never
//! waits, whatever is being added.

mod file;
mod handle;
mod parts;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tercet_index::{Bitmap, Counters, DenseSearch, Scored, TopK, Values};
use tercet_store::Env;

use crate::dense::DIMS_MAX;
use crate::document::check_vector;
use crate::error::index_error;
use crate::search::{DEPTH_MAX, bounded, check_whole};
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
    parts: RwLock<Arc<Vec<IndexPart>>>,
    writer: Mutex<()>,
    closed: AtomicBool,
}

impl VectorIndex {
    /// Builds an index over row-major vectors.
    pub(crate) fn build(env: Arc<dyn Env>, spec: Spec, vectors: &[f32]) -> Result<Self, TercetError> {
        check_dims(&spec)?;
        check_rows(&spec, vectors)?;
        let parts = if vectors.is_empty() { Vec::new() } else { vec![IndexPart::build(&spec, 0, vectors)?] };
        Ok(Self::over(env, spec, parts))
    }

    fn over(env: Arc<dyn Env>, spec: Spec, parts: Vec<IndexPart>) -> Self {
        let parts = RwLock::new(Arc::new(parts));
        VectorIndex { env, spec, parts, writer: Mutex::new(()), closed: AtomicBool::new(false) }
    }

    fn check_open(&self) -> Result<(), TercetError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TercetError::new(Code::Closed, "the index is closed"));
        }
        Ok(())
    }

    /// What is there now. Taken before the look at `closed`, so that what close() leaves is never taken for an answer.
    fn parts(&self) -> Result<Arc<Vec<IndexPart>>, TercetError> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.check_open()?;
        Ok(parts)
    }

    /// What is there now, and the right to publish what follows.
    fn write(&self) -> Result<(MutexGuard<'_, ()>, Arc<Vec<IndexPart>>), TercetError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((writer, self.parts()?))
    }

    fn publish(&self, parts: Vec<IndexPart>) -> Result<(), TercetError> {
        let mut present = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        *present = Arc::new(parts);
        Ok(())
    }

    fn info(&self) -> Result<IndexInfo, TercetError> {
        let parts = self.parts()?;
        Ok(IndexInfo {
            dims: self.spec.dims,
            metric: self.spec.metric,
            index: self.spec.index.clone(),
            size: parts.iter().map(|p| u64::from(p.live_rows())).sum(),
            rows: rows(&parts).into(),
            bytes: parts.iter().map(IndexPart::bytes).sum(),
        })
    }

    /// The nearest rows of one query, checked, best first; `allowed` has a bitmap a part.
    fn search(
        &self,
        parts: &[IndexPart],
        query: &[f32],
        k: usize,
        allowed: Option<&[Bitmap]>,
    ) -> Result<Vec<Scored>, TercetError> {
        bounded("k", i64::try_from(k).unwrap_or(i64::MAX), 1, DEPTH_MAX)?;
        check_vector("query", self.spec.dims, self.spec.metric, query)?;
        let mut counters = Counters::default();
        let mut best = |at: usize, part: &IndexPart| {
            let rows = allowed.and_then(|allowed| allowed.get(at)).or(part.live.as_ref());
            let mut top = TopK::new(k);
            let found = part.stored.reader.search(
                &DenseSearch { allowed: rows, ..DenseSearch::new(Values::F32(query)) },
                &mut top,
                &mut counters,
            );
            found.map_err(|e| index_error(e, part.stored.file.label()))?;
            check_whole(&top, k)?;
            Ok::<_, TercetError>(top)
        };
        if let [part] = parts {
            return Ok(best(0, part)?.into_sorted());
        }
        let mut all = TopK::new(k);
        for (at, part) in parts.iter().enumerate() {
            let found = best(at, part)?.into_sorted();
            found.into_iter().for_each(|found| all.push(found.score, part.first + found.row));
        }
        check_whole(&all, k)?;
        Ok(all.into_sorted())
    }

    /// Adds row-major vectors; returns the first new row and how many there are.
    fn add(&self, vectors: &[f32]) -> Result<(u32, u32), TercetError> {
        let count = check_rows(&self.spec, vectors)?;
        let (_writer, parts) = self.write()?;
        let first = rows(&parts);
        if count > 0 {
            if first.checked_add(count).is_none_or(|end| end == u32::MAX) {
                return Err(too_many_rows());
            }
            let part = IndexPart::build(&self.spec, first, vectors)?;
            self.publish(parts::settle(&self.spec, &parts, part)?)?;
        }
        Ok((first, count))
    }

    /// Removes rows; returns how many went and which were not there.
    fn remove(&self, rows: &[u32]) -> Result<(u32, Vec<u32>), TercetError> {
        let (_writer, parts) = self.write()?;
        let mut parts = Vec::clone(&parts);
        let mut removed = 0;
        let mut missing = Vec::new();
        for row in rows {
            let at = parts.partition_point(|p| p.first <= *row);
            let gone = at > 0 && parts[at - 1].remove(*row);
            if gone { removed += 1 } else { missing.push(*row) }
        }
        self.publish(parts)?;
        Ok((removed, missing))
    }

    /// Renumbers without gaps; returns old row to new row, `u32::MAX` where it was removed.
    fn compact(&self) -> Result<Vec<u32>, TercetError> {
        let (_writer, parts) = self.write()?;
        let mut map = tercet_index::reserved(rows(&parts) as usize).map_err(|e| index_error(e, "(index)"))?;
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
            let all: Vec<&IndexPart> = parts.iter().collect();
            let merged = if next == 0 { Vec::new() } else { vec![parts::merge(&self.spec, &all, true)?] };
            self.publish(merged)?;
        }
        Ok(map)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }
}

/// Rows given out so far.
fn rows(parts: &[IndexPart]) -> u32 {
    parts.last().map_or(0, |p| p.first + p.rows)
}

fn too_many_rows() -> TercetError {
    TercetError::new(Code::Limit, "an index holds at most 4,294,967,294 rows")
        .field("vectors")
        .expected("at most 4,294,967,294 rows", "more")
}

fn check_dims(spec: &Spec) -> Result<(), TercetError> {
    if (1..=DIMS_MAX).contains(&spec.dims) {
        return Ok(());
    }
    let message = format!("dims must be 1 to {DIMS_MAX}, found {}", spec.dims);
    Err(TercetError::new(Code::Dimension, message)
        .field("dims")
        .expected(format!("1 to {DIMS_MAX}"), spec.dims.to_string()))
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
    u32::try_from(vectors.len() / dims).ok().filter(|rows| *rows < u32::MAX).ok_or_else(too_many_rows)
}
