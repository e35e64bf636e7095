//! `lists`: inverted lists of weighted postings, searched exactly term at a time or by blocks with bounds.
//!
//! Rows are cut into *spans* of 65,536, so that a row in a span is a u16 and the sums of a span stay in the second-level
//! cache; into *blocks* of 8 to 128, whose largest weight is kept for each term; and into *cells* of 256, the least that
//! is scored by itself.
//!
//! Sections:
//! - `meta`   u32 x 8: layout version, bytes of a weight (1: whole numbers, 2: halves, 4: f32), log2 of a block's rows,
//!   rows, terms, postings (low and high half), log2 of the terms that share a head;
//! - `terms`  u32: the distinct terms, ascending;
//! - `heads`  u32: for every 2^h term numbers the place in `terms` where they begin; one more at the end;
//! - `infos`  u32 x 8 for each term: where its record begins in `lists` (in units of 4 bytes), postings, pairs (or how it
//!   is bounded, see `record.rs`), 0, and its 1st, 10th, 100th and 1,000th largest weight as f32, 0 where it has fewer;
//! - `lists`  u8: a record for each term, see `record.rs`.
//!
//! A search takes one of three ways, by the postings it would touch (`search.rs`):
//! - `sum.rs`: span by span, the lists of all terms are added into f32 sums, and the sums compared with the k-th best;
//! - `blocks.rs`: bounds of all blocks are summed (Block-Max Pruning, arXiv 2405.01117), and cells scored in falling
//!   order of their best block until nothing better can come;
//! - few allowed rows: each is looked up in the lists.
//!
//! What differs from the published method: scores are the f32 sums themselves, so that there is no second ranking and
//! no error of impacts to allow for; a block has no forward index, its postings are found through the slots of the lists
//! (which halves the bytes); bounds are kept in 4 to 7 bits; a list shorter than a few blocks is its own bound; and the
//! threshold starts from the largest weights only where at least k postings stand behind it.

mod best;
mod blocks;
mod build;
mod query;
mod reader;
mod record;
mod search;
mod sum;
#[cfg(test)]
mod tests;
mod writer;

use super::seam::SparseKind;
use crate::dense::Capabilities;

pub use reader::ListsReader;

const VERSION: u32 = 1;

/// log2 of the rows of a span.
const SPAN_BITS: u32 = 16;
/// log2 of the rows of a cell.
const CELL_BITS: u32 = 8;
/// Ranks whose weights are kept for each term.
const RANKS: [usize; 4] = [1, 10, 100, 1_000];

const CAPABILITIES: Capabilities = Capabilities { exact: true, filtered: true, originals: false };

/// The registry's entry.
pub const KIND: SparseKind = SparseKind {
    name: "lists",
    about: "inverted lists with block maxima, exact; summed term at a time or pruned by blocks",
    capabilities: CAPABILITIES,
    build: build::build,
    merge: build::merge,
    open: reader::open,
};

const _: () = assert!(1 << SPAN_BITS == tercet_kernels::SPAN && 1 << CELL_BITS == tercet_kernels::CELL);
