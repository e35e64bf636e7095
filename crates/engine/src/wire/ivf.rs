//! Settings of an index of inverted lists.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::ReduceSpec;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
fn is_true(value: &bool) -> bool {
    *value
}

/// Settings of an `ivf` index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct IvfSpec {
    /// Lists, 1 to 65,536; chosen by the number of vectors when absent. A segment with few vectors has fewer, or none and is
    /// scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub lists: Option<u32>,
    /// The codes that lists hold.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub codec: IvfCodecName,
    /// Parts of a vector, each with a codebook of its own: 1 to dims and at most 1,024, by default dims / 4. Only for `pq`. Dimensions that it
    /// does not divide are dealt out, so that some parts are one longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub m: Option<u32>,
    /// Bits a part (`pq`: 4 or 8, by default 4) or a component (`rabitq`: 1 to 8, by default 1). Not for other codecs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub bits: Option<u32>,
    /// Code the difference from a list's centroid instead of the vector; what suits the codec when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub residual: Option<bool>,
    /// What turns vectors before they are coded in parts.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub rotate: RotateName,
    /// What makes vectors shorter before they are coded; nothing when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reduce: Option<ReduceSpec>,
    /// Put every vector into a second list as well, across the border from the first (SOAR, arXiv 2404.00774).
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub spill: bool,
    /// Let no list hold more than twice the mean: even times, for up to half as many lists more.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub balance: bool,
    /// What candidates of the codes are ranked by again.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub rerank: RerankName,
    /// Keep the vectors themselves, to re-rank by and to give back bit for bit. Without them both come from codes: 8-bit ones
    /// that stand for the vectors, 16-bit floats with `f16`, or with `rerank: none` those of the lists alone.
    #[serde(skip_serializing_if = "is_true")]
    #[ts(optional, as = "Option<_>")]
    pub keep: bool,
    /// What decides where training begins, 0 to 2^53 - 1: the same vectors and seed give the same bytes.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, type = "number")]
    pub seed: u64,
}

impl Default for IvfSpec {
    fn default() -> Self {
        IvfSpec {
            lists: None,
            codec: IvfCodecName::Auto,
            m: None,
            bits: None,
            residual: None,
            rotate: RotateName::Auto,
            reduce: None,
            spill: false,
            balance: false,
            rerank: RerankName::Auto,
            keep: true,
            seed: 0,
        }
    }
}

/// The codes of inverted lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum IvfCodecName {
    /// What is taken to be best.
    #[default]
    Auto,
    /// 32-bit floats: the vectors themselves.
    F32,
    /// 16-bit floats.
    F16,
    /// 8 bits a component, scaled by vector (LVQ, arXiv 2304.04759).
    Lvq8,
    /// 4 bits a component, 8 more to re-rank by.
    Lvq4x8,
    /// Parts of the vector by codebook (product quantization; Jegou et al., TPAMI 2011): `m` parts of `bits` each.
    Pq,
    /// `bits` a component of the rotated vector, with a bound on the error (RaBitQ, arXiv 2405.12497 and 2409.09913).
    Rabitq,
    /// The sign of each component.
    Binary,
}

/// What turns vectors before they are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum RotateName {
    /// What suits the codec.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// A random rotation.
    Random,
    /// A rotation that is fitted to the codes (OPQ; Ge et al., TPAMI 2014).
    Opq,
}

/// What candidates are ranked by again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum RerankName {
    /// What suits the codec.
    #[default]
    Auto,
    /// Nothing between the codes and what scores come from: the vectors, or without `keep` 8-bit codes of them.
    None,
    /// 8-bit codes beside the lists.
    Lvq8,
    /// Without `keep`, 16-bit floats that stand for the vectors; with it as `none`.
    F16,
    /// The vectors, where they lie; without `keep` as `none`.
    Vectors,
}
