//! The kinds of index there are. Wire types, tests and documents iterate these lists: a new kind is its folder
//! and one entry here.

use crate::dense::{Capabilities, DenseKind};
use crate::sparse::{SparseKind, lists, seismic};
use crate::{flat, hnsw, inverted, ivf};

/// All kinds of dense index.
pub static DENSE_KINDS: &[DenseKind] = &[flat::KIND, hnsw::KIND, ivf::KIND];

/// All kinds of lexical index.
pub static LEXICAL_KINDS: &[LexicalKind] = &[inverted::KIND];

/// All kinds of sparse index.
pub static SPARSE_KINDS: &[SparseKind] = &[lists::KIND, seismic::KIND];

/// A kind of lexical index: an entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct LexicalKind {
    /// The name.
    pub name: &'static str,
    /// One line for documents and listings.
    pub about: &'static str,
    /// What its readers can do; `originals` is false, for an inverted index does not give its text back.
    pub capabilities: Capabilities,
    /// Whether token positions can be kept.
    pub positions: bool,
}

/// The kind of dense index of this name.
pub fn dense_kind(name: &str) -> Option<&'static DenseKind> {
    DENSE_KINDS.iter().find(|kind| kind.name == name)
}

/// The kind of sparse index of this name.
pub fn sparse_kind(name: &str) -> Option<&'static SparseKind> {
    SPARSE_KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<_> = DENSE_KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), DENSE_KINDS.len());
        assert!(DENSE_KINDS.iter().all(|kind| dense_kind(kind.name).is_some() && !kind.about.is_empty()));
        assert!(dense_kind("no such kind").is_none());
        let names: BTreeSet<_> = LEXICAL_KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), LEXICAL_KINDS.len());
        let names: BTreeSet<_> = SPARSE_KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), SPARSE_KINDS.len());
        assert!(SPARSE_KINDS.iter().all(|kind| sparse_kind(kind.name).is_some()));
        assert!(sparse_kind("no such kind").is_none());
    }
}
