//! Fields of several vectors a document, and their queries.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{CodecName, DenseIndexSpec, FlatSpec, VectorRef};

fn one() -> u32 {
    1
}
fn is_one(value: &u32) -> bool {
    *value == 1
}
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
fn codes() -> DenseIndexSpec {
    DenseIndexSpec::Flat(FlatSpec { codec: CodecName::Lvq8, reduce: None, keep: false })
}
fn is_codes(value: &DenseIndexSpec) -> bool {
    *value == codes()
}

/// Settings of a `multi` field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MultiSpec {
    /// Components of a token's vector, 1 to 65,535.
    pub dims: u32,
    /// How two tokens are compared. `cosine` scales them to unit length and refuses zero vectors; `dot` takes them as they
    /// are, and a zero vector scores 0.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub metric: TokenMetric,
    /// How tokens are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub codec: TokenCodecName,
    /// The first components that are kept, for embeddings that were trained so (Matryoshka, arXiv 2205.13147); all when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub prefix: Option<u32>,
    /// Tokens of a document that become one on average, by clustering: 1 keeps all, at most 8 (arXiv 2409.14683).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[ts(optional, as = "Option<_>")]
    pub pool: u32,
    /// How candidates are found; `centroids` when absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub index: MultiIndexSpec,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// How two tokens are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum TokenMetric {
    /// By the cosine of the angle.
    #[default]
    Cosine,
    /// By the inner product.
    Dot,
}

/// How tokens are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum TokenCodecName {
    /// 8 bits a component and a scale a token.
    #[default]
    I8,
    /// 16-bit floats.
    F16,
    /// 32-bit floats.
    F32,
    /// The nearest of some centroids, and a bit a component for what is left: dims / 8 + 4 bytes. Tokens of segments that
    /// have fewer than 8,192 are kept as `i8`.
    Residual1,
    /// The same with two bits: dims / 4 + 4 bytes.
    Residual2,
    /// The same with four bits: dims / 2 + 4 bytes.
    Residual4,
}

/// How candidates are found before they are compared by MaxSim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MultiIndexSpec {
    /// All documents are compared.
    Scan {},
    /// By fixed dimensional encodings.
    Muvera(MuveraSpec),
    /// By the centroids that tokens are near. Segments of fewer than 8,192 tokens compare all their documents.
    Centroids {},
}

/// Settings of fixed dimensional encodings (MUVERA, arXiv 2405.19504). An encoding has
/// `repetitions * 2^bits * projection` components, or `final`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct MuveraSpec {
    /// How often tokens are put into buckets anew, 1 to 256.
    #[ts(optional, as = "Option<_>")]
    pub repetitions: u32,
    /// Directions that decide a token's bucket, 0 to 10: there are `2^bits` buckets.
    #[ts(optional, as = "Option<_>")]
    pub bits: u32,
    /// Components that a bucket's vector is projected to; not projected where that is 0 or no fewer than a token has.
    #[ts(optional, as = "Option<_>")]
    pub projection: u32,
    /// The matrix that projects.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub matrix: MatrixName,
    /// Components that the whole is folded to, by a count sketch; all when absent.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub fold: Option<u32>,
    /// What decides directions and signs, 0 to 2^53 - 1.
    #[ts(optional, type = "number")]
    pub seed: u64,
    /// The dense index that the encodings are in; `flat` with 8-bit codes when absent.
    #[serde(default = "codes", skip_serializing_if = "is_codes")]
    #[ts(optional, as = "Option<_>")]
    pub index: DenseIndexSpec,
}

/// A matrix that makes vectors shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum MatrixName {
    /// Plus and minus one everywhere, over the root of the outputs.
    #[default]
    Dense,
    /// A count sketch: every component goes to one output.
    Sketch,
}

impl Default for MuveraSpec {
    fn default() -> Self {
        MuveraSpec {
            repetitions: 20,
            bits: 5,
            projection: 16,
            matrix: MatrixName::Dense,
            fold: None,
            seed: 0,
            index: codes(),
        }
    }
}

impl Default for MultiIndexSpec {
    fn default() -> Self {
        MultiIndexSpec::Centroids {}
    }
}

/// Token vectors: a list of vectors, or all of them one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(untagged)]
pub enum TokensRef {
    /// One after another.
    Flat(#[ts(inline)] FlatTokens),
    /// A list.
    List(Vec<VectorRef>),
}

/// Token vectors one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FlatTokens {
    /// The components.
    pub data: VectorRef,
    /// Components of each.
    pub dims: u32,
}

/// Documents by MaxSim: for each token of the query the best of the document's, added up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MaxSimQuery {
    /// A multi field.
    pub field: String,
    /// The query's tokens, 1 to 4,096 of the field's dimension.
    pub tokens: TokensRef,
    /// A weight for each token, 0 to 1,000,000: 0 leaves it out. All 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub weights: Option<Vec<f32>>,
    /// The mean over the query's tokens and not the sum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<_>")]
    pub mean: bool,
    /// How many documents to consider, 1 to 100,000; offset + limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub k: Option<i64>,
    /// Candidates that are compared by MaxSim, 1 to 100,000. At most one of `candidates`, `recall` and `exact`; the larger
    /// of 128 and 16 k without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub candidates: Option<i64>,
    /// The recall wanted, by the curve that `tune` measured; above 0, up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub recall: Option<f64>,
    /// Compare all documents.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<_>")]
    pub exact: bool,
    /// Query tokens whose inner product is at least this are added and compared as one: faster, a little less exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub carve: Option<f32>,
    /// Rank a document by the best of its units alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<_>")]
    pub units: bool,
}

/// Whose encoding is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum FdeSide {
    /// A query's: sums.
    Query,
    /// A document's: means.
    Document,
}

/// `fde`: the fixed dimensional encoding of tokens. `arrays[0]`: their components; the answer's `arrays[0]`: the encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FdeRequest {
    /// Components of a token.
    pub dims: u32,
    /// Whose it is.
    pub side: FdeSide,
    /// How it is made; its `index` is not looked at.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub muvera: MuveraSpec,
}
