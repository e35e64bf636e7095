//! The graph index against the truth, computed here from the definitions: recall, filters, radii, replacement, damage.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod degenerate;
mod hostile;
mod index;
mod merge;
mod recall;
mod replaced;
mod same;
mod search;

/// The kind that the suites are about.
const KIND: &str = "hnsw";
