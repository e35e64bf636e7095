//! Text analysis as pure functions: a text goes in, terms with positions and byte offsets come out.
//!
//! An [`Analyzer`] is a named pipeline: a splitter ([`split`]) cuts the text into source words, then small steps
//! ([`step`]) rewrite or drop each word. The named pipelines stand in one table ([`analyzer`]).
//!
//! Invariants, for every `&str`:
//! - no panic; terms are non-empty and at most [`MAX_TERM_BYTES`] long;
//! - offsets are byte offsets of the source word, on character boundaries, with `start < end` and `start` never
//!   falling from one token to the next;
//! - positions never fall, and a dropped word (stop word, over-long term) leaves a gap of one;
//! - the same text gives the same tokens on every target: nothing here knows a thread, a clock or a file.

mod analyzer;
mod cjk;
mod elide;
mod fold;
mod known;
mod offsets;
mod porter;
mod split;
mod stem;
mod step;
mod stop;

#[cfg(test)]
mod properties;

pub use analyzer::{Analyzer, Token, UnknownAnalyzer, analyzer_names};
pub use offsets::utf16_offsets;

/// Terms longer than this many bytes (after all steps) are dropped; their position is kept.
pub const MAX_TERM_BYTES: usize = 255;
