//! Multi-vector fields as the wire names them: settings checked and handed to the index crate, tokens read and checked.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tercet_index::multi::{
    Candidates, Fde, FdeParams, MultiSpec, NO_UNIT, Projection, TOKENS_MAX, TokenCodec,
};
use tercet_index::{IndexError, Metric};

use crate::api::{Array, Reply};
use crate::dense;
use crate::document::{check_vector, raw_vector};
use crate::error::index_error;
use crate::id::SAFE_INTEGER_MAX;
use crate::wire::{
    self, Code, FdeRequest, FdeSide, MatrixName, MetricName, MultiIndexSpec, MuveraSpec, TercetError,
    TokenCodecName, TokenMetric, shown,
};

/// Tokens that become one, at most.
const POOL_MAX: u32 = 8;
/// What encodings need is kept for so many different parameters.
const ENCODERS_KEPT: usize = 4;

/// What rounds to infinity as f16.
const F16_END: f32 = 65_520.0;

/// The tokens of a document.
#[derive(Debug, PartialEq)]
pub(crate) struct Tokens<'a> {
    /// Their components, one after another.
    pub(crate) values: Cow<'a, [f32]>,
    /// The unit of each, where units are given.
    pub(crate) units: Option<Vec<u32>>,
}

/// The parameters of encodings of tokens of some components.
pub(crate) fn params(dims: u32, muvera: &MuveraSpec) -> FdeParams {
    FdeParams {
        dims: dims as usize,
        repetitions: muvera.repetitions,
        bits: muvera.bits,
        projection: match (muvera.projection, muvera.matrix) {
            (to, _) if to == 0 || to >= dims => Projection::None,
            (to, MatrixName::Dense) => Projection::Dense(to),
            (to, MatrixName::Sketch) => Projection::Sketch(to),
        },
        fold: muvera.fold,
        seed: muvera.seed,
    }
}

/// What makes encodings: drawn once for the same parameters.
pub(crate) fn encoder(params: FdeParams) -> Result<Arc<Fde>, IndexError> {
    static KEPT: Mutex<Vec<Arc<Fde>>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = kept.iter().position(|fde| *fde.params() == params) {
        let fde = kept.remove(at);
        kept.push(fde.clone());
        return Ok(fde);
    }
    let fde = Arc::new(Fde::new(params)?);
    if kept.len() == ENCODERS_KEPT {
        kept.remove(0);
    }
    kept.push(fde.clone());
    Ok(fde)
}

/// Components of a token that are kept.
fn kept_dims(spec: &wire::MultiSpec) -> u32 {
    spec.prefix.unwrap_or(spec.dims)
}

/// The index crate's view of a field.
pub(crate) fn index_spec(spec: &wire::MultiSpec) -> Result<MultiSpec, IndexError> {
    let codec = match spec.codec {
        TokenCodecName::I8 => TokenCodec::I8,
        TokenCodecName::F16 => TokenCodec::F16,
        TokenCodecName::F32 => TokenCodec::F32,
        TokenCodecName::Residual1 => TokenCodec::Residual(1),
        TokenCodecName::Residual2 => TokenCodec::Residual(2),
        TokenCodecName::Residual4 => TokenCodec::Residual(4),
    };
    let plain = MultiSpec {
        keep: kept_dims(spec) as usize,
        unit: spec.metric == TokenMetric::Cosine,
        pool: spec.pool,
        ..MultiSpec::new(spec.dims as usize, codec)
    };
    let MultiIndexSpec::Muvera(muvera) = &spec.index else {
        let by_centroids = matches!(spec.index, MultiIndexSpec::Centroids {});
        let candidates = if by_centroids { Candidates::Centroids } else { Candidates::None };
        return Ok(MultiSpec { candidates, ..plain });
    };
    let fde = encoder(params(kept_dims(spec), muvera))?;
    let name = muvera.index.kind();
    let kind =
        tercet_index::dense_kind(name).ok_or(IndexError::Unsupported { what: "the kind of dense index" })?;
    let dense = tercet_index::DenseSpec {
        options: dense::options(&muvera.index),
        ..tercet_index::DenseSpec::new(fde.params().len(), Metric::Dot)
    };
    plain.with_encoder(fde, kind, dense)
}

/// Checks the settings of a field of a schema (ERR_SCHEMA) or of an index of its own (ERR_LIMIT).
pub(crate) fn check(field: Option<&str>, spec: &wire::MultiSpec) -> Result<(), TercetError> {
    dense::within(field, "dims", spec.dims, 1, dense::DIMS_MAX)?;
    dense::within(field, "prefix", kept_dims(spec), 1, spec.dims)?;
    dense::within(field, "pool", spec.pool, 1, POOL_MAX)?;
    if let MultiIndexSpec::Muvera(muvera) = &spec.index {
        check_muvera(field, kept_dims(spec), muvera)?;
        dense::check(field, params(kept_dims(spec), muvera).len() as u32, &muvera.index)?;
    }
    Ok(())
}

/// Checks the settings of encodings.
pub(crate) fn check_muvera(field: Option<&str>, dims: u32, muvera: &MuveraSpec) -> Result<(), TercetError> {
    use tercet_index::multi::{BITS_MAX, FDE_DIMS_MAX, REPETITIONS_MAX};
    dense::within(field, "repetitions", muvera.repetitions, 1, REPETITIONS_MAX)?;
    dense::within(field, "bits", muvera.bits, 0, BITS_MAX)?;
    dense::within(field, "projection", muvera.projection, 0, dense::DIMS_MAX)?;
    dense::within(field, "final", muvera.fold.unwrap_or(1), 1, dense::DIMS_MAX)?;
    dense::within(field, "seed", muvera.seed, 0, SAFE_INTEGER_MAX as u64)?;
    let block = params(dims, muvera).block() as u64;
    let whole = u64::from(muvera.repetitions) * (1 << muvera.bits) * block;
    dense::within(field, "components of an encoding", whole, 1, FDE_DIMS_MAX as u64)?;
    let len = muvera.fold.map_or(whole, u64::from);
    dense::within(field, "components of an encoding that an index holds", len, 1, dense::DIMS_MAX.into())
}

fn metric(spec: &wire::MultiSpec) -> MetricName {
    match spec.metric {
        TokenMetric::Cosine => MetricName::Cosine,
        TokenMetric::Dot => MetricName::Dot,
    }
}

/// Tokens of a document or a query: a list of vectors, or `{ data, dims, units? }`; at least one, at most `most`, each
/// checked.
pub(crate) fn tokens<'a>(
    name: &str,
    spec: &wire::MultiSpec,
    value: &Value,
    arrays: &'a [Array],
    most: usize,
) -> Result<Tokens<'a>, TercetError> {
    let (values, units) = match value {
        Value::Array(list) => (listed(name, spec.dims, list, arrays, most)?, None),
        Value::Object(object) if object.contains_key("data") => flat(name, spec.dims, object, arrays)?,
        _ => {
            let expected = "vectors, or { data, dims }";
            let message = format!("field `{name}` must be {expected}, found {}", shown(value));
            return Err(TercetError::new(Code::Type, message).field(name).expected(expected, shown(value)));
        }
    };
    check_tokens(name, spec, &values, most)?;
    if let Some(units) = &units {
        let count = values.len() / spec.dims as usize;
        if units.len() != count {
            let message = format!("field `{name}`: {count} tokens have as many units, found {}", units.len());
            return Err(TercetError::new(Code::Dimension, message)
                .field(name)
                .expected(format!("{count} units"), units.len().to_string()));
        }
    }
    Ok(Tokens { values, units })
}

/// Tokens of a document: those that its codec can hold.
pub(crate) fn document<'a>(
    name: &str,
    spec: &wire::MultiSpec,
    value: &Value,
    arrays: &'a [Array],
) -> Result<Tokens<'a>, TercetError> {
    let tokens = tokens(name, spec, value, arrays, DOCUMENT_TOKENS_MAX)?;
    check_held(name, spec, &tokens.values)?;
    Ok(tokens)
}

/// Whether the codec can hold tokens.
pub(crate) fn check_held(name: &str, spec: &wire::MultiSpec, tokens: &[f32]) -> Result<(), TercetError> {
    // Those of unit length fit.
    if spec.codec == TokenCodecName::F16 && spec.metric == TokenMetric::Dot {
        for (at, token) in tokens.chunks_exact(spec.dims as usize).enumerate() {
            let kept = &token[..kept_dims(spec) as usize];
            let Some(component) = kept.iter().position(|x| x.abs() >= F16_END) else { continue };
            let found = kept[component].to_string();
            let message =
                format!("field `{name}`: token {at}: component {component} is too large for f16: {found}");
            return Err(TercetError::new(Code::Limit, message).field(name).expected("below 65520", found));
        }
    }
    Ok(())
}

/// Vectors one by one.
fn listed<'a>(
    name: &str,
    dims: u32,
    list: &[Value],
    arrays: &'a [Array],
    most: usize,
) -> Result<Cow<'a, [f32]>, TercetError> {
    count(name, list.len(), most)?;
    let mut all = Vec::new();
    for (at, value) in list.iter().enumerate() {
        let vector = raw_vector(name, value, arrays).map_err(|e| at_token(e, at))?;
        if vector.len() != dims as usize {
            let found = format!("{} components", vector.len());
            let message = format!("field `{name}`: token {at} must have {dims} components, found {found}");
            return Err(TercetError::new(Code::Dimension, message)
                .field(name)
                .expected(format!("{dims} components"), found));
        }
        all.extend_from_slice(&vector);
    }
    Ok(Cow::Owned(all))
}

type Read<'a> = (Cow<'a, [f32]>, Option<Vec<u32>>);

/// Vectors one after another.
fn flat<'a>(
    name: &str,
    dims: u32,
    object: &serde_json::Map<String, Value>,
    arrays: &'a [Array],
) -> Result<Read<'a>, TercetError> {
    let wrong = |what: &str, expected: &str, found: &Value| {
        let message = format!("field `{name}`: {what} must be {expected}, found {}", shown(found));
        TercetError::new(Code::Type, message).field(name).expected(expected, shown(found))
    };
    if let Some((key, value)) =
        object.iter().find(|(key, _)| !["data", "dims", "units"].contains(&key.as_str()))
    {
        return Err(wrong(&format!("`{key}`"), "data, dims or units", value));
    }
    let given = object.get("dims").unwrap_or(&Value::Null);
    let given = given.as_u64().ok_or_else(|| wrong("dims", "a whole number", given))?;
    if given != u64::from(dims) {
        let message = format!("field `{name}` takes tokens of {dims} components, found {given}");
        return Err(TercetError::new(Code::Dimension, message)
            .field(name)
            .expected(format!("{dims} components"), format!("{given} components")));
    }
    let values = raw_vector(name, object.get("data").unwrap_or(&Value::Null), arrays)?;
    let units = match object.get("units") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let below = |unit: &u32| *unit != NO_UNIT;
            let unit = |value: &Value| value.as_u64().and_then(|unit| u32::try_from(unit).ok()).filter(below);
            let units = value.as_array().and_then(|units| units.iter().map(unit).collect());
            Some(units.ok_or_else(|| wrong("units", "numbers below 2^32 - 1", value))?)
        }
    };
    Ok((values, units))
}

fn at_token(mut error: TercetError, token: usize) -> TercetError {
    error.0.message = format!("token {token}: {}", error.0.message);
    error
}

fn count(name: &str, found: usize, most: usize) -> Result<(), TercetError> {
    if (1..=most).contains(&found) {
        return Ok(());
    }
    let (code, rule) =
        if found == 0 { (Code::Required, "at least one token") } else { (Code::Limit, "fewer tokens") };
    let message = format!("field `{name}` takes 1 to {most} tokens, found {found}");
    Err(TercetError::new(code, message).field(name).expected(rule, found.to_string()))
}

/// Whole tokens, as many as are allowed, each finite, and with a direction where the metric asks for one.
pub(crate) fn check_tokens(
    name: &str,
    spec: &wire::MultiSpec,
    values: &[f32],
    most: usize,
) -> Result<(), TercetError> {
    let dims = spec.dims as usize;
    if !values.len().is_multiple_of(dims) {
        let (rule, found) =
            (format!("a multiple of {dims} components"), format!("{} components", values.len()));
        let message = format!("field `{name}` takes {rule}, found {found}");
        return Err(TercetError::new(Code::Dimension, message).field(name).expected(rule, found));
    }
    count(name, values.len() / dims, most)?;
    let kept = kept_dims(spec);
    for (at, token) in values.chunks_exact(dims).enumerate() {
        check_vector(name, spec.dims, MetricName::Dot, token)
            .and_then(|()| check_vector(name, kept, metric(spec), &token[..kept as usize]))
            .map_err(|e| at_token(e, at))?;
    }
    Ok(())
}

/// `fde`: the encoding of tokens that are not kept anywhere.
pub(crate) fn encoding(request: &FdeRequest, arrays: &[Array]) -> Result<Reply, TercetError> {
    dense::within(None, "dims", request.dims, 1, dense::DIMS_MAX)?;
    check_muvera(None, request.dims, &request.muvera)?;
    let Some(Array::F32(values)) = arrays.first() else {
        return Err(TercetError::new(Code::Type, "tokens must come as a Float32Array")
            .field("tokens")
            .expected("a Float32Array", "another array or none"));
    };
    let spec = wire::MultiSpec {
        dims: request.dims,
        metric: TokenMetric::Dot,
        codec: TokenCodecName::F32,
        prefix: None,
        pool: 1,
        index: MultiIndexSpec::Scan {},
        optional: false,
    };
    check_tokens("tokens", &spec, values, DOCUMENT_TOKENS_MAX)?;
    let fde = encoder(params(request.dims, &request.muvera)).map_err(error)?;
    let made = match request.side {
        FdeSide::Query => fde.query(values),
        FdeSide::Document => fde.document(values),
    };
    Ok(Reply { json: String::from("{}"), arrays: vec![Array::F32(made.map_err(error)?)], handle: None })
}

/// The most tokens of a document.
pub(crate) const DOCUMENT_TOKENS_MAX: usize = TOKENS_MAX;

/// Some tokens of a row at even distances, at most so many, as a query: what a prefix left out is 0.
pub(crate) fn padded(kept: &[f32], keep: usize, dims: usize, most: usize) -> Vec<f32> {
    let count = kept.len() / keep.max(1);
    let taken = count.min(most);
    let mut out = Vec::with_capacity(taken * dims);
    for at in 0..taken {
        let token = at * count / taken;
        out.extend_from_slice(&kept[token * keep..(token + 1) * keep]);
        out.resize((at + 1) * dims, 0.0);
    }
    out
}

/// What goes wrong where everything was checked before.
pub(crate) fn error(error: IndexError) -> TercetError {
    index_error(error, "(query)")
}
