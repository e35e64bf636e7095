//! `hnsw`: a hierarchical navigable small world graph (Malkov and Yashunin, arXiv 1603.09320) over codes.
//!
//! A search walks the graph over short codes, ranks what it found by longer ones, and takes the scores of the best from
//! the vectors themselves. What is walked over and what is ranked by are choices (`plan.rs`); the graph is one.
//!
//! Sections: those of `flat` (`meta`, `values`, `rows`, `norms`), and where there is a graph:
//! - `graph`  u32: version, vectors, m, ef_construction, levels, entry, bits and dims and stride of the walk's codes, dims
//!   and stride of the judge's, what is walked, vectors when the plan was made, seed (2), then the end of each level;
//! - `center`, `reduction` (, `mean`, `axes`): how a vector becomes a point (`quant`, `reduce`);
//! - `points` u8: 8-bit codes of the points, which are `codes` of `flat` where vectors are not kept; `walk` u8: the codes
//!   that are walked, where they are others;
//! - `links`  u32: 2 m links a slot, level 0;
//! - `level_slots`, `level_below`, `level_links` u32: the levels above, one after the other.
//!
//! Invariants:
//! - the same vectors, options and seed give the same bytes on every machine, for any number of threads;
//! - a segment of fewer than [`GRAPH_FROM`] vectors has no graph and is scanned; so is one that was written plainly, until
//!   a merge makes its graph;
//! - ids in links are compared with the number of vectors where they are used: damage can give a worse answer, found by
//!   `verify`, never an access out of bounds, a hang or a panic.

mod beam;
mod build;
mod filtered;
mod graph;
mod make;
mod merge;
mod plan;
mod prune;
mod reach;
mod reader;
mod search;
#[cfg(test)]
mod tests;
mod walk;

use crate::dense::{Capabilities, DenseKind};

pub use reader::HnswReader;

const VERSION: u32 = 1;

/// Below this many vectors a scan is as fast as a graph, and exact.
pub(crate) const GRAPH_FROM: usize = 1_000;

/// Bytes of a vector's codes that are walked, when the codec is chosen here: two cache lines. What a walk costs is the
/// lines it touches.
const WALK_BYTES: usize = 128;
/// The sample on which two kinds of code are compared: vectors, queries, candidates.
const WALK_SAMPLE: usize = 2_048;
const WALK_QUERIES: usize = 128;
const WALK_CANDIDATES: usize = 20;

const CAPABILITIES: Capabilities = Capabilities { exact: false, filtered: true, originals: true };

/// The registry's entry.
pub const KIND: DenseKind = DenseKind {
    name: "hnsw",
    about: "graph of near neighbours, walked over codes; small segments are scanned",
    capabilities: CAPABILITIES,
    build: make::build,
    merge: merge::merge,
    open: reader::open,
    merge_bytes: merge::bytes,
};
