//! What a collection's fields are.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

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
    /// The index kind and its settings.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub index: DenseIndexSpec,
    /// May be absent.
    #[serde(default)]
    #[ts(optional, as = "Option<_>")]
    pub optional: bool,
}

/// A dense index kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DenseIndexSpec {
    /// Every vector is compared: exact.
    Flat {},
}

impl DenseIndexSpec {
    /// The name under which the index crate's registry knows the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            DenseIndexSpec::Flat {} => "flat",
        }
    }
}

impl Default for DenseIndexSpec {
    fn default() -> Self {
        DenseIndexSpec::Flat {}
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
        }
    }

    /// Whether documents may lack it.
    pub fn optional(&self) -> bool {
        match self {
            FieldSpec::Text(s) => s.optional,
            FieldSpec::Keyword(s) => s.optional,
            FieldSpec::Dense(s) => s.optional,
            FieldSpec::Integer(s) | FieldSpec::Float(s) | FieldSpec::Boolean(s) | FieldSpec::Date(s) => {
                s.optional
            }
        }
    }
}
