//! The inverted file against the truth, computed here from the definitions: recall, filters, radii, replacement, damage.
#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alone;
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
mod many;
#[path = "../kinds/merge.rs"]
mod merge;
mod recall;
mod replaced;
mod same;
mod search;

/// The kind that the suites are about.
const KIND: &str = "ivf";

/// Codecs that take different ways through the code.
const CODECS: [tercet_index::Codec; 9] = [
    tercet_index::Codec::Auto,
    tercet_index::Codec::Pq { m: 7, bits: 4 },
    tercet_index::Codec::Pq { m: 6, bits: 8 },
    tercet_index::Codec::Lvq8,
    tercet_index::Codec::Lvq4x8,
    tercet_index::Codec::F32,
    tercet_index::Codec::RaBitQ { bits: 1 },
    tercet_index::Codec::RaBitQ { bits: 3 },
    tercet_index::Codec::Binary,
];
