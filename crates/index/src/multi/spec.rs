//! What all segments of one multi-vector field share.

use super::fde::{Fde, FdeParams};
use crate::IndexError;
use crate::dense::{DenseKind, DenseSpec};
use std::sync::Arc;

/// The most tokens of a document.
pub const TOKENS_MAX: usize = 65_536;
/// The most tokens of a query.
pub const QUERY_TOKENS_MAX: usize = 4_096;

/// The unit of a token that has none, beside others that have.
pub const NO_UNIT: u32 = u32::MAX;

/// How token vectors are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCodec {
    /// As f32.
    F32,
    /// As f16.
    F16,
    /// 8 bits a component and a scale a token; queries are rounded the same way.
    I8,
    /// A centroid and 1, 2 or 4 bits a component of what is left (ColBERTv2, arXiv 2112.01488), and a scale of 2 bytes.
    Residual(u8),
}

/// How candidates are found before they are compared by MaxSim.
#[derive(Clone, Debug)]
pub enum Candidates {
    /// All documents are compared.
    None,
    /// By fixed dimensional encodings in a dense index.
    Fde {
        /// Makes the encodings.
        fde: Arc<Fde>,
        /// The kind of index they are in.
        kind: &'static DenseKind,
        /// Its settings: the inner product over encodings.
        dense: DenseSpec,
    },
    /// By the centroids that tokens are near (`lists.rs`). A segment of too few tokens for centroids compares all.
    Centroids,
}

/// A multi-vector field.
#[derive(Clone, Debug)]
pub struct MultiSpec {
    /// Components of a token as it is given.
    pub dims: usize,
    /// The first components that are kept (Matryoshka embeddings, arXiv 2205.13147); `dims`: all.
    pub keep: usize,
    /// Whether tokens and queries are scaled to unit length; zero vectors are then refused.
    pub unit: bool,
    /// How tokens are kept.
    pub codec: TokenCodec,
    /// Tokens of a document that become one: 1 keeps all (`pool.rs`).
    pub pool: u32,
    /// How candidates are found.
    pub candidates: Candidates,
    /// What decides the sample and the start of a codec's centroids.
    pub seed: u64,
}

impl MultiSpec {
    /// Unit vectors of all components, compared with every document.
    pub fn new(dims: usize, codec: TokenCodec) -> Self {
        MultiSpec { dims, keep: dims, unit: true, codec, pool: 1, candidates: Candidates::None, seed: 0 }
    }

    /// With candidates from encodings; their inner product is taken by a dense index.
    pub fn with_fde(
        self,
        params: FdeParams,
        kind: &'static DenseKind,
        dense: DenseSpec,
    ) -> Result<Self, IndexError> {
        self.with_encoder(Arc::new(Fde::new(params)?), kind, dense)
    }

    /// The same by what makes the encodings.
    pub fn with_encoder(
        self,
        fde: Arc<Fde>,
        kind: &'static DenseKind,
        dense: DenseSpec,
    ) -> Result<Self, IndexError> {
        let params = *fde.params();
        if params.dims != self.keep {
            let (expected, found) = (self.keep as u64, params.dims as u64);
            return Err(IndexError::shape("components of an encoding's tokens", expected, found));
        }
        if dense.dims != params.len() {
            let (expected, found) = (params.len() as u64, dense.dims as u64);
            return Err(IndexError::shape("components of an encoding", expected, found));
        }
        Ok(MultiSpec { candidates: Candidates::Fde { fde, kind, dense }, ..self })
    }

    /// Whether segments of enough tokens have centroids.
    pub(super) fn book(&self) -> bool {
        matches!(self.codec, TokenCodec::Residual(_)) || matches!(self.candidates, Candidates::Centroids)
    }

    /// Bits of a residual code; 0 without.
    pub(super) fn bits(&self) -> u32 {
        if let TokenCodec::Residual(bits) = self.codec { bits.into() } else { 0 }
    }

    /// Bytes that a merge holds for each document, about: its row and end, and what the index of encodings holds.
    pub fn merge_bytes(&self) -> u64 {
        12 + match &self.candidates {
            Candidates::None | Candidates::Centroids => 0,
            Candidates::Fde { kind, dense, .. } => (kind.merge_bytes)(dense),
        }
    }

    /// Bytes that a merge holds for each token: its centroid, the scale of its residual code, its place in a list.
    pub fn merge_bytes_of_token(&self) -> u64 {
        let scale = if matches!(self.codec, TokenCodec::Residual(_)) { 2 } else { 0 };
        let list = if matches!(self.candidates, Candidates::Centroids) { 4 } else { 0 };
        if self.book() { 2 + scale + list } else { 0 }
    }

    /// A token as it is compared: the first components, of unit length where that is asked for. False for a vector
    /// without direction that needs one, or that is not finite.
    pub(super) fn prepare(&self, token: &[f32], out: &mut Vec<f32>) -> bool {
        self.scaled(&token[..self.keep.min(token.len())], out)
    }

    /// The same of components that were cut.
    pub(super) fn scaled(&self, kept: &[f32], out: &mut Vec<f32>) -> bool {
        let from = out.len();
        out.extend_from_slice(kept);
        // One order on every machine: encodings and codes are made of what comes out.
        let length: f64 = kept.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if !self.unit || (length - 1.0).abs() < 1e-6 {
            return length.is_finite();
        }
        out[from..].iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        length.is_finite() && length > 0.0
    }
}
