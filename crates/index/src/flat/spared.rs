//! Vectors of a mapped file that are to take little memory: they are let go of again and again.

use super::vectors::Vectors;
use crate::section::Access;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that a look at one vector brings into memory: a system maps what it has around a page that is touched.
const AROUND: u64 = 64 << 10;

/// How much of the vectors may have come into memory since they were last let go of.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// Bytes after which they are; 0: never.
    most: AtomicU64,
    since: AtomicU64,
}

impl Spared {
    /// From now on after so many bytes.
    pub(super) fn after(&self, bytes: u64, vectors: &Vectors) {
        self.most.store(bytes.max(1), Ordering::Relaxed);
        vectors.advise(Access::Scattered);
        vectors.advise(Access::Spare);
    }

    pub(super) fn is_on(&self) -> bool {
        self.most.load(Ordering::Relaxed) > 0
    }

    #[inline]
    pub(super) fn looked_at(&self, count: usize, vectors: &Vectors) {
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return;
        }
        let each = AROUND.max(vectors.shape.dtype.bytes(vectors.shape.dims) as u64);
        let bytes = each.saturating_mul(count as u64);
        if self.since.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= most {
            self.since.store(0, Ordering::Relaxed);
            vectors.advise(Access::Spare);
        }
    }
}
