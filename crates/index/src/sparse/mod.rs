//! Sparse vectors: rows of (term, weight), searched by the inner product with a query of the same kind. Learned sparse
//! vectors (SPLADE, arXiv 2107.05720 and its like) are such rows.
//!
//! `seam.rs` is what a kind takes and gives; `lists/` is the exact kind, `seismic/` the approximate one.
//!
//! The score of a row is the sum of `weight * query weight` over the query's terms in ascending order, in f32, product
//! and sum each rounded: the same bits on every machine, by every way of searching, in every segment. Weights are kept
//! without loss unless rounding was asked for, so "exact" means equal to that sum over the weights as given.

mod input;
pub mod lists;
mod seam;
pub mod seismic;
mod stored;
mod terms;
#[cfg(test)]
mod tests;

pub use seam::{
    QUERY_TERMS_MAX, Slack, SparseBuild, SparseEffort, SparseInput, SparseKind, SparseMerge, SparseOpen,
    SparseReader, SparseSearch, SparseSpec, StoredWeights,
};
