//! `seismic`: pruned lists that name candidates, and a forward index that scores them. Approximate.
//!
//! After Seismic (Bruch, Nardini, Rulli, Venturini, SIGIR 2024, arXiv 2404.18812): of each list only the heaviest
//! postings are kept; a query looks at the promising blocks of its lists, and what it finds there is scored from a forward
//! index. What differs: a block is not a cluster of similar rows but a *level*, the postings of a list whose weights are
//! nearly the same, and its summary is one number, that weight (an impact-ordered list; Anh, Moffat, SIGIR 2006). So
//! building is a counting sort, and the blocks of all lists have one order, by what they add to a score. The most
//! promising are summed for each row, and the rows with the largest sums are scored (two steps; arXiv 2404.13357).
//!
//! Sections:
//! - `meta`    u32 x 10: layout version, bytes of a weight (1, 2, 4), rows, terms, log2 of the terms that share a head,
//!   postings (low and high half), listed postings (low and high half), heaviest postings that a list keeps;
//! - `terms`, `heads`: see `terms.rs`;
//! - `ends`    u32 x rows: where a row's postings end in the next two;
//! - `places`  u16, or u32 with more than 65,536 terms: the place in `terms` of each posting's term, ascending in a row;
//! - `weights` 1, 2 or 4 bytes each: the weights of the postings;
//! - `infos`   u32 x 20 a term: where its list begins in `listed` (low and high half), rows that hold it, its largest
//!   weight as f32, and where each of its 16 levels ends, counted from the list's beginning;
//! - `listed`  u32: the rows of the lists, level after level, ascending in a level.
//!
//! A level holds the weights up to 2^(-l/4) of the list's largest and above that of the next level; the last one all below.
//! A list keeps its heaviest postings, of equal weights those of the lower rows, and beyond those every posting that is its
//! row's heaviest, measured by the largest weight of its list: every row with a term can be found.

mod build;
mod levels;
mod reader;
mod row;
mod search;
#[cfg(test)]
mod tests;
mod write;

use super::seam::SparseKind;
use crate::dense::Capabilities;

pub use reader::SeismicReader;

const VERSION: u32 = 1;
/// Numbers of a term in `infos`.
const INFO: usize = 4 + levels::LEVELS;

const CAPABILITIES: Capabilities = Capabilities { exact: false, filtered: true, originals: true };

/// The registry's entry.
pub const KIND: SparseKind = SparseKind {
    name: "seismic",
    about: "lists of the heaviest postings and a forward index, approximate; the most promising rows are scored",
    capabilities: CAPABILITIES,
    build: build::build,
    merge: build::merge,
    open: reader::open,
};
