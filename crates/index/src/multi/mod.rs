//! `multi`: several vectors a document (tokens), compared by MaxSim (`tercet_kernels`), found by fixed dimensional
//! encodings in a dense index (`fde.rs`) or by comparing all.
//!
//! Sections:
//! - `meta`    u32: version, dims kept, documents, flags (1 rows, 2 units), codec, bits, tokens (2 words), centroids;
//! - `ends`    u64: where the tokens of each document end;
//! - `rows`    u32: the ascending rows of the documents; left out when every row has one;
//! - `tokens`  the tokens one after another: f32, f16, 8-bit codes (`scale * (code - 128)`, a multiple of 4 bytes a token),
//!   or packed residual codes, low bits first;
//! - `scales`  of 8-bit codes f32, of residual codes f16: one a token;
//! - `nearest` u16: the centroid of each token, `centroids` f32 and `levels` f32, the values of a residual code: only for
//!   residual codes (`residual.rs`);
//! - `units`   u32: the unit (a sentence, a proposition) of each token, 2^32 - 1 for none; only where some were given;
//! - `fde. ...` the sections of the dense index over the documents' encodings, in the same rows.
//!
//! Tokens are checked, cut to their first components, scaled to unit length and pooled on the way in (`spec.rs`,
//! `pool.rs`). A score is the same bits whether a document was a candidate or met in a scan, and with 8-bit codes on every
//! instruction set. Ties go to the lower row.

mod book;
mod build;
mod fde;
mod lists;
mod merge;
mod pool;
mod query;
mod random;
mod reader;
mod spec;
mod tokens;

pub use book::TRAIN_TOKENS;
pub use build::{MultiInput, build_multi};
pub use fde::{BITS_MAX, FDE_DIMS_MAX, Fde, FdeParams, Projection, REPETITIONS_MAX, carve};
pub use merge::{EachDocument, MultiSource, MultiStream, merge_multi};
pub use query::{Aligned, MultiQuery, QueryTokens};
pub use reader::{MultiReader, MultiSearch};
pub use spec::{Candidates, MultiSpec, NO_UNIT, QUERY_TOKENS_MAX, TOKENS_MAX, TokenCodec};

use crate::sections::Sections;
use crate::{IndexError, Section, SectionSink, SectionSource};

/// The version of the layout.
const VERSION: u32 = 1;
/// Before the names of the sections of the encodings' index.
const FDE: &str = "fde.";

/// The sections of an index within this one.
struct Inner<'a>(&'a dyn SectionSource);

impl SectionSource for Inner<'_> {
    fn section(&self, name: &str) -> Result<Section, IndexError> {
        self.0.section(&format!("{FDE}{name}"))
    }
}

/// Writes the sections of an index within this one.
struct InnerSink<'a>(&'a mut dyn SectionSink);

impl SectionSink for InnerSink<'_> {
    fn begin(&mut self, name: &str) -> Result<(), IndexError> {
        self.0.begin(&format!("{FDE}{name}"))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.0.write(bytes)
    }
}

/// The same of sections that were built.
fn inner(sections: Sections) -> impl Iterator<Item = (String, Vec<u8>)> {
    sections.into_iter().map(|(name, bytes)| (format!("{FDE}{name}"), bytes))
}
