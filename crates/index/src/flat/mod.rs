//! `flat`: a scan over all vectors of a segment.
//!
//! Sections:
//! - `meta`   u32: version, dims, vectors, flags, and what `layout.rs` says;
//! - `values` the vectors as they were given, in their type, row-major in order of rows; of f32 with the codec `f16`
//!   that are not kept, rounded to f16;
//! - `rows`   u32: the ascending rows of the vectors; left out when every row has one;
//! - `norms`  f32: the reciprocal length of every vector; only for cosine;
//! - `terms`  u32: a sum over every vector, for integers that need one (`compare.rs`);
//! - `codes`  u16: the vectors rounded to f16; only for f32 with the codec `f16` that are kept; or
//! - `center` and `codes`, of the codec `lvq8` (`crates/index/src/quant`); `values` is left out when the vectors are not
//!   kept; of reduced vectors also `reduction` and what belongs to it (`crates/index/src/reduce`).
//!
//! A vector's slot is its place in `values`; without `rows`, slot and row are the same. Cosine keeps the raw
//! vectors so that they come back bit for bit: the query is scaled to length 1 once per search, and a score is
//! the dot product times the reciprocal length. Lengths must stay within f32 (3.4e38), for so do dot products.
//!
//! Without codes every search is exact: it returns the true best k by the score of the vectors as they are kept. With
//! codes it scans those and compares the best again by the vectors (`reader.rs`); it is exact where it is asked to be
//! ([`Effort::Exact`](crate::Effort::Exact)), where there is a radius, and where no more are allowed than are compared.

mod batch;
mod build;
mod compare;
mod layout;
mod lvq;
mod query;
mod reader;
mod rough;
mod scan;
mod slots;
mod spared;
mod vectors;

use crate::dense::{Capabilities, DenseKind};

pub(crate) use build::check;
pub use reader::FlatReader;
pub(crate) use slots::SlotScores;

const CAPABILITIES: Capabilities = Capabilities { exact: true, filtered: true, originals: true };

/// The registry's entry.
pub const KIND: DenseKind = DenseKind {
    name: "flat",
    about: "exact scan of all vectors",
    capabilities: CAPABILITIES,
    build: build::build,
    merge: build::merge,
    open: reader::open,
    // The row and the norm, and the length while a space is fitted.
    merge_bytes: |_| 16,
};
