//! What a collection's fields are.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use tercet_index::Distance;
use ts_rs::TS;

use super::{IvfSpec, MultiSpec, Vocabulary};

fn standard() -> String {
    String::from("standard")
}
fn one() -> f32 {
    1.0
}
fn k1() -> f32 {
    DEFAULT_K1
}
fn b() -> f32 {
    DEFAULT_B
}
fn cosine() -> MetricName {
    MetricName::Cosine
}
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
fn is_one(value: &f32) -> bool {
    *value == 1.0
}
fn is_true(value: &bool) -> bool {
    *value
}

/// The default saturation of term frequency.
pub const DEFAULT_K1: f32 = 1.2;
/// The default strength of length normalisation.
pub const DEFAULT_B: f32 = 0.75;

/// A schema: the fields of every document beside `id`, in the order in which they were declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SchemaSpec {
    /// Field name (1 to 200 bytes; not `id`, `and`, `or`, `not`; not starting with `$` or `_`) to its kind.
    #[ts(type = "Record<string, FieldSpec>")]
    pub fields: IndexMap<String, FieldSpec>,
}

/// One field's kind and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FieldSpec {
    /// Analysed text, searched by `match`.
    Text(TextSpec),
    /// Exact strings, filtered.
    Keyword(KeywordSpec),
    /// Safe integers (at most 2^53 - 1 in magnitude), filtered.
    Integer(ScalarSpec),
    /// Finite 64-bit floats, filtered.
    Float(ScalarSpec),
    /// true or false, filtered.
    Boolean(ScalarSpec),
    /// Instants in milliseconds since 1970, filtered.
    Date(ScalarSpec),
    /// One dense vector a document, searched by `near`.
    Dense(DenseSpec),
    /// Several vectors a document, searched by `maxsim`.
    Multi(MultiSpec),
    /// One sparse vector a document, searched by `expand`.
    Sparse(SparseSpec),
}

/// Settings of a `text` field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TextSpec {
    /// Name of the analyzer: `standard`, `english`, `whitespace`, `cjk`, or a Snowball language.
    #[serde(default = "standard")]
    #[ts(optional, as = "Option<_>")]
    pub analyzer: String,
    /// Weight of this field's BM25 when several fields are searched: above 0, at most 1,000,000.
    #[serde(default = "one")]
    #[ts(optional, as = "Option<_>")]
    pub boost: f32,
    /// Keep word positions (phrases need them; the index grows by about a third).
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub positions: bool,
    /// BM25 saturation of term frequency, 0 to 10.
    #[serde(default = "k1")]
    #[ts(optional, as = "Option<_>")]
    pub k1: f32,
    /// BM25 length normalisation, 0 to 1.
    #[serde(default = "b")]
    #[ts(optional, as = "Option<_>")]
    pub b: f32,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// Settings of a `keyword` field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeywordSpec {
    /// An array of strings a document instead of one.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub many: bool,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// Settings of a field with one plain value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScalarSpec {
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// Settings of a `dense` field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DenseSpec {
    /// Components a vector, 1 to 65,535.
    pub dims: u32,
    /// How two vectors are compared.
    #[serde(default = "cosine")]
    #[ts(optional, as = "Option<_>")]
    pub metric: MetricName,
    /// The index kind and its settings; `hnsw` when absent, or that of the stored schema.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub index: DenseIndexSpec,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// Settings of a `sparse` field. Pruning counts at index time: what is pruned is not searched, and still given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SparseSpec {
    /// How many terms there are: indices are 0 to `terms` - 1.
    pub terms: u32,
    /// What the terms are called, as many words: vectors may then be `{ word: weight }`, and word `i` is term `i`. That of the
    /// stored schema when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "readonly string[]")]
    pub vocabulary: Option<Vocabulary>,
    /// How weights are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub weights: SparseWeights,
    /// Index only the heaviest terms of a document, so many; 0: all.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub top: u32,
    /// Index only the heaviest terms of a document, up to this share of the sum of its weights: above 0; 1: all.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[ts(optional, as = "Option<_>")]
    pub mass: f32,
    /// The index kind and its settings; `lists` when absent, or that of the stored schema.
    #[serde(default, skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub index: SparseIndexSpec,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// A sparse index kind and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SparseIndexSpec {
    /// Inverted lists with block maxima (Mallia, Suel, Tonellotto, SIGIR 2024): exact.
    Lists(SparseListsSpec),
    /// Lists of the heaviest postings and a forward index, after Seismic (Bruch et al., SIGIR 2024): approximate.
    Seismic(SeismicSpec),
}

/// Settings of a `lists` index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct SparseListsSpec {
    /// Documents in a block that has a bound of its own: 8, 16, 32, 64 or 128.
    #[ts(optional, as = "Option<_>")]
    pub block: u32,
}

/// Settings of a `seismic` index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct SeismicSpec {
    /// Postings of a term that candidates are found by, the heaviest; 0: by the number of documents. Fewer make the index
    /// smaller, and rarer terms count more.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub postings: u32,
}

impl Default for SparseListsSpec {
    fn default() -> Self {
        SparseListsSpec { block: 32 }
    }
}

impl Default for SparseIndexSpec {
    fn default() -> Self {
        SparseIndexSpec::Lists(SparseListsSpec::default())
    }
}

impl SparseIndexSpec {
    /// The name under which the index crate's registry knows the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            SparseIndexSpec::Lists(_) => "lists",
            SparseIndexSpec::Seismic(_) => "seismic",
        }
    }
}

/// How the weights of sparse vectors are kept in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum SparseWeights {
    /// Without loss, in as few bytes as they need.
    #[default]
    Exact,
    /// Rounded to half precision; below 65,520.
    F16,
    /// All as one: only which terms there are counts.
    Ones,
}

/// A dense index kind and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DenseIndexSpec {
    /// Every vector is compared: exact.
    Flat(FlatSpec),
    /// A navigable graph (Malkov & Yashunin, arXiv 1603.09320): approximate, and fast where there are many vectors.
    Hnsw(HnswSpec),
    /// Inverted lists of short codes (Jegou et al., TPAMI 2011): approximate, small, and quick to build.
    Ivf(IvfSpec),
}

/// Settings of a `flat` index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct FlatSpec {
    /// The codes that are compared. With any but `auto` and `f32` answers are as exact as the codes.
    #[serde(skip_serializing_if = "is_default")]
    #[ts(optional, as = "Option<_>")]
    pub codec: CodecName,
    /// What makes vectors shorter before they are coded, in 8 bits a component; answers are re-ranked by whole vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reduce: Option<ReduceSpec>,
    /// Keep the vectors themselves beside codes, to re-rank by and to give back bit for bit.
    #[serde(skip_serializing_if = "is_true")]
    #[ts(optional, as = "Option<_>")]
    pub keep: bool,
}

/// Settings of an `hnsw` index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct HnswSpec {
    /// Links of a node above the lowest level, and half of those on it: 4 to 64. More make the graph larger and recall
    /// higher.
    #[ts(optional, as = "Option<_>")]
    pub m: u32,
    /// Candidates that a new node's links are chosen from: `m` to 4,096. More make building slower and recall higher.
    #[ts(optional, as = "Option<_>")]
    pub ef_construction: u32,
    /// The codes that the graph is walked by.
    #[ts(optional, as = "Option<_>")]
    pub codec: CodecName,
    /// What makes vectors shorter before they are coded; what the codec takes to be best when absent. Answers are
    /// re-ranked by whole vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reduce: Option<ReduceSpec>,
    /// Keep the vectors themselves, to re-rank by and to give back bit for bit. Without them both come from the codes.
    #[ts(optional, as = "Option<_>")]
    pub keep: bool,
    /// What decides levels and order, 0 to 2^53 - 1: the same vectors and seed give the same graph.
    #[ts(optional, type = "number")]
    pub seed: u64,
}

/// How vectors are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum CodecName {
    /// What the kind takes to be best.
    #[default]
    Auto,
    /// 32-bit floats: the vectors themselves.
    F32,
    /// 16-bit floats.
    F16,
    /// 8 bits a component, scaled by vector (LVQ, arXiv 2304.04759).
    Lvq8,
    /// 4 bits a component to walk by, 8 more to re-rank by.
    Lvq4x8,
}

/// What makes vectors shorter before they are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ReduceSpec {
    /// Nothing.
    None {},
    /// The leading principal axes of the data (arXiv 2312.16335).
    Pca(ReducedSpec),
    /// The first components of every vector, for embeddings that were trained so (Matryoshka, arXiv 2205.13147); under the
    /// cosine scaled to length 1 again, but not in front of lists.
    Prefix(ReducedSpec),
    /// Axes for data and others for queries, taught by sample queries (LeanVec-OOD, arXiv 2312.16335). Where none were given
    /// the principal axes.
    LeanVec(ReducedSpec),
    /// Random axes.
    Random(ReducedSpec),
}

/// How short vectors become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ReducedSpec {
    /// Components that stay: 1 to those of a vector.
    pub dims: u32,
}

impl ReduceSpec {
    /// How short vectors become; `None` where they stay as they are.
    pub(crate) fn dims(self) -> Option<u32> {
        match self {
            ReduceSpec::None {} => None,
            ReduceSpec::Pca(to)
            | ReduceSpec::Prefix(to)
            | ReduceSpec::LeanVec(to)
            | ReduceSpec::Random(to) => Some(to.dims),
        }
    }
}

impl Default for FlatSpec {
    fn default() -> Self {
        FlatSpec { codec: CodecName::Auto, reduce: None, keep: true }
    }
}

impl Default for HnswSpec {
    fn default() -> Self {
        HnswSpec { m: 16, ef_construction: 200, codec: CodecName::Auto, reduce: None, keep: true, seed: 0 }
    }
}

impl DenseIndexSpec {
    /// The name under which the index crate's registry knows the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            DenseIndexSpec::Flat(_) => "flat",
            DenseIndexSpec::Hnsw(_) => "hnsw",
            DenseIndexSpec::Ivf(_) => "ivf",
        }
    }
}

impl Default for DenseIndexSpec {
    fn default() -> Self {
        DenseIndexSpec::Hnsw(HnswSpec::default())
    }
}

/// How two vectors are compared. Scores are higher for nearer vectors under every metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum MetricName {
    /// Cosine of the angle, -1 to 1. Zero vectors are refused.
    Cosine,
    /// Inner product.
    Dot,
    /// Euclidean; the score is minus the squared distance.
    L2,
    /// Bits that differ; the score is minus their number. Only for bits, in level-1 indexes.
    Hamming,
    /// Bits in common over bits in either, 0 to 1. Only for bits, in level-1 indexes.
    Jaccard,
}

impl MetricName {
    /// As the index crate knows it.
    pub(crate) fn distance(self) -> Distance {
        match self {
            MetricName::Cosine => Distance::Cosine,
            MetricName::Dot => Distance::Dot,
            MetricName::L2 => Distance::L2,
            MetricName::Hamming => Distance::Hamming,
            MetricName::Jaccard => Distance::Jaccard,
        }
    }

    /// Whether it compares bits and not numbers.
    pub(crate) fn on_bits(self) -> bool {
        self.distance().on_numbers().is_none()
    }
}

impl FieldSpec {
    /// The word that the schema uses for this kind.
    pub fn type_name(&self) -> &'static str {
        match self {
            FieldSpec::Text(_) => "text",
            FieldSpec::Keyword(_) => "keyword",
            FieldSpec::Integer(_) => "integer",
            FieldSpec::Float(_) => "float",
            FieldSpec::Boolean(_) => "boolean",
            FieldSpec::Date(_) => "date",
            FieldSpec::Dense(_) => "dense",
            FieldSpec::Multi(_) => "multi",
            FieldSpec::Sparse(_) => "sparse",
        }
    }

    /// Whether documents may lack it.
    pub fn optional(&self) -> bool {
        match self {
            FieldSpec::Text(s) => s.optional,
            FieldSpec::Keyword(s) => s.optional,
            FieldSpec::Dense(s) => s.optional,
            FieldSpec::Multi(s) => s.optional,
            FieldSpec::Sparse(s) => s.optional,
            FieldSpec::Integer(s) | FieldSpec::Float(s) | FieldSpec::Boolean(s) | FieldSpec::Date(s) => {
                s.optional
            }
        }
    }
}
