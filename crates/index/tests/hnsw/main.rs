//! The graph index against the truth, computed here from the definitions: recall, filters, radii, replacement, damage.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../kinds/baseline.rs"]
mod baseline;
#[path = "../common/mod.rs"]
mod common;
#[path = "../kinds/damage.rs"]
mod damage;
#[path = "../kinds/degenerate.rs"]
mod degenerate;
mod hostile;
#[path = "../kinds/index.rs"]
mod index;
#[path = "../kinds/laws.rs"]
mod laws;
#[path = "../kinds/merge.rs"]
mod merge;
mod recall;
mod replaced;
mod same;
mod search;

/// The kind that the suites are about.
const KIND: &str = "hnsw";
