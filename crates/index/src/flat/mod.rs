//! `flat`: an exact scan over all vectors of a segment.
//!
//! Sections:
//! - `meta`   u32 x 4: layout version, dims, vectors, flags (bit 0: `rows`, bit 1: `norms`);
//! - `values` f32: the vectors as they were given, row-major in order of rows;
//! - `rows`   u32: the ascending rows of the vectors; left out when every row has one;
//! - `norms`  f32: the reciprocal length of every vector; only for cosine.
//!
//! A vector's slot is its place in `values`; without `rows`, slot and row are the same. Cosine keeps the raw
//! vectors so that they come back bit for bit: the query is scaled to length 1 once per search, and a score is
//! the dot product times the reciprocal length. Lengths must stay within f32 (3.4e38), for so do dot products.

mod build;
mod reader;
mod scan;

use crate::dense::{Capabilities, DenseKind};

pub use reader::FlatReader;

const VERSION: u32 = 1;
const FLAG_ROWS: u32 = 1;
const FLAG_NORMS: u32 = 2;

const CAPABILITIES: Capabilities = Capabilities { exact: true, filtered: true, originals: true };

/// The registry's entry.
pub const KIND: DenseKind = DenseKind {
    name: "flat",
    about: "exact scan of all vectors",
    capabilities: CAPABILITIES,
    build: build::build,
    merge: build::merge,
    open: reader::open,
};
