//! `ivf`: an inverted file. Vectors lie in lists by their nearest centroid (`cluster`), as codes; a search scans the codes of
//! the nearest lists, ranks the best by longer codes, and takes the scores of the last few from the vectors themselves
//! (Jégou, Douze and Schmid, TPAMI 2011).
//!
//! With x^ the point that codes stand for, e what they lose of x, and q a query,
//! ```text
//! |q - x|^2 / 2 - |q|^2 / 2  =  term(x) - q.x^ - (q - x^).e,   term(x) = (|x^|^2 + |e|^2) / 2
//! ```
//! where the last part is not known and as small as x is near. The term is kept beside the codes in 16 bits, so that one
//! set of tables of q serves all lists, whether what is coded is x or its difference from the centroid; a list adds the
//! distance of its centroid. Codes of 4 bits are scanned 32 at a time (`tercet_kernels::LookupKernels`).
//!
//! Sections: those of `flat` (`meta`, `values`, `rows`, `norms`), and where there are lists:
//! - `ivf` u32: the head (`layout.rs`); `center`, `reduction` (, `mean`, `axes`): how a vector becomes a point;
//! - `centroids` f32 and `coarse` u8: the centroids as numbers, and as 8-bit codes that a query is compared with;
//! - `codebook` f32: of codes in parts; it can be replaced, with `list_codes` and `list_terms`, while all else stays;
//! - of many lists `group_ends` u32 and `group_coarse` u8: where each group of lists ends, and its centroid as a code;
//! - `list_ends`, `list_blocks` u32: where each list ends, in entries and in blocks of 32 entries;
//! - `list_codes` u8, `list_terms` u16: by list, blocks or rows (`layout.rs`); `far` u32: the few whose term or scale 16 bits
//!   do not hold (`far.rs`);
//! - `ids` u32: the slot of each position, positions being slots by list; `places` u32: the position of each slot;
//!   `entries` u32: the position of each entry, where vectors stand in two lists;
//! - `points` u8: 8-bit codes by position, where candidates are ranked by them.
//!
//! Invariants:
//! - the same vectors, options and seed give the same bytes on every machine, for any number of threads;
//! - a segment of fewer than [`LISTS_FROM`] vectors has no lists and is scanned; so is one that was written plainly, until a
//!   merge makes its lists;
//! - every number read from a section is checked where it is used as a place: damage can give a worse answer, found by
//!   `verify`, never an access out of bounds, a hang or a panic.

mod alone;
mod arrange;
mod entries;
mod far;
mod layout;
mod make;
mod merge;
mod order;
mod plan;
mod pool;
mod raw;
mod reader;
mod scan;
mod search;
mod source;

use crate::dense::{Capabilities, DenseKind};

pub use reader::IvfReader;

/// Below this many vectors a scan is as fast as lists, and exact.
pub(crate) const LISTS_FROM: usize = 1_000;
/// Lists from which they stand in groups, which are ranked first.
pub(crate) const GROUPS_FROM: usize = 2_048;
/// Vectors of a list at least, on average: fewer lists are made where fewer vectors are there than were asked for.
const LIST_LEAST: usize = 8;

const CAPABILITIES: Capabilities = Capabilities { exact: false, filtered: true, originals: true };

/// The registry's entry.
pub const KIND: DenseKind = DenseKind {
    name: "ivf",
    about: "lists of codes by nearest centroid; small segments are scanned",
    capabilities: CAPABILITIES,
    build: make::build,
    merge: merge::merge,
    open: reader::open,
    merge_bytes: merge::bytes,
};
