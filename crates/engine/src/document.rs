//! A document on its way in: checked against the schema, its vectors fetched from the arrays beside the JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::api::Array;
use crate::id;
use crate::multi::{self, Tokens};
use crate::schema::{Field, Schema};
use crate::sparse::{self, SparseVector, Unknown};
use crate::wire::{Code, DenseSpec, FieldSpec, MetricName, TercetError, shown};

/// The longest document as stored JSON, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// One field's value, checked.
#[derive(Debug, PartialEq)]
pub(crate) enum FieldValue<'a> {
    /// Not there (the field is optional).
    Absent,
    /// Text.
    Text(&'a str),
    /// One or many exact strings.
    Keywords(Vec<&'a str>),
    /// An integer, a date in milliseconds, or a boolean as 0 or 1.
    Integer(i64),
    /// A finite float.
    Float(f64),
    /// A vector of the field's dimension, finite throughout.
    Vector(Cow<'a, [f32]>),
    /// Vectors of the field's dimension, at least one.
    Tokens(Tokens<'a>),
    /// A sparse vector.
    Sparse(SparseVector),
}

/// A checked document.
pub(crate) struct Document<'a> {
    /// The encoded id.
    pub(crate) id: Vec<u8>,
    /// A value a field of the schema.
    pub(crate) values: Vec<FieldValue<'a>>,
    /// What is stored: the id and every field but the vectors, as JSON under
    /// their keys, in the schema's order.
    pub(crate) stored: Vec<u8>,
}

/// Checks one document. Errors name field, expected and found; the caller adds position and id.
pub(crate) fn check<'a>(
    schema: &Schema,
    value: &'a Value,
    arrays: &'a [Array],
) -> Result<Document<'a>, TercetError> {
    let object = value.as_object().ok_or_else(|| {
        TercetError::new(Code::Type, format!("a document is an object, found {}", shown(value)))
            .expected("an object", shown(value))
    })?;
    let id = id::encode(object.get("id"))?;
    let known = schema.fields.iter().filter(|field| object.contains_key(&field.name)).count();
    if known + 1 < object.len()
        && let Some(name) = object.keys().find(|name| *name != "id" && schema.position(name).is_none())
    {
        schema.require(name)?;
    }
    let values = schema
        .fields
        .iter()
        .map(|field| field_value(field, object.get(&field.name), arrays))
        .collect::<Result<Vec<_>, _>>()?;
    let stored = stored(schema, &id, object, &values)?;
    Ok(Document { id, values, stored })
}

/// One spelling a number: 7.0 is stored as 7 and -0.0 as 0 where the field or the id is an integer.
fn stored(
    schema: &Schema,
    id: &[u8],
    object: &Map<String, Value>,
    values: &[FieldValue<'_>],
) -> Result<Vec<u8>, TercetError> {
    let mut out = Map::with_capacity(values.len() + 1);
    if let Some(id) = id::decode(id) {
        out.insert(String::from("id"), id.into());
    }
    for (field, value) in schema.fields.iter().zip(values) {
        let kept = match (value, &field.spec) {
            (FieldValue::Absent | FieldValue::Vector(_) | FieldValue::Tokens(_), _) => continue,
            (FieldValue::Sparse(vector), _) => sparse::to_stored(vector),
            (FieldValue::Integer(number), FieldSpec::Date(_) | FieldSpec::Integer(_)) => Value::from(*number),
            _ => match object.get(&field.name) {
                Some(value) => value.clone(),
                None => continue,
            },
        };
        out.insert(field.key.clone(), kept);
    }
    let bytes = serde_json::to_vec(&Value::Object(out)).map_err(|e| {
        TercetError::new(Code::Internal, format!("a document could not be written as JSON: {e}"))
    })?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(TercetError::new(
            Code::Limit,
            format!("a document has at most {DOCUMENT_BYTES_MAX} bytes of JSON, found {}", bytes.len()),
        )
        .expected(format!("at most {DOCUMENT_BYTES_MAX} bytes"), format!("{} bytes", bytes.len())));
    }
    Ok(bytes)
}

fn field_value<'a>(
    field: &Field,
    value: Option<&'a Value>,
    arrays: &'a [Array],
) -> Result<FieldValue<'a>, TercetError> {
    let Some(value) = value.filter(|v| !v.is_null()) else {
        if field.spec.optional() {
            return Ok(FieldValue::Absent);
        }
        return Err(TercetError::new(
            Code::Required,
            format!("field `{}` is missing; it is not optional", field.name),
        )
        .field(&field.name)
        .expected(field.spec.type_name(), if value.is_some() { "null" } else { "nothing" }));
    };
    let wrong = |expected: &str| type_error(&field.name, expected, value);
    match &field.spec {
        FieldSpec::Text(_) => value.as_str().map(FieldValue::Text).ok_or_else(|| wrong("a string")),
        FieldSpec::Keyword(spec) if spec.many => {
            let list = value.as_array().ok_or_else(|| wrong("an array of strings"))?;
            let strings: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            strings.map(FieldValue::Keywords).ok_or_else(|| wrong("an array of strings"))
        }
        FieldSpec::Keyword(_) => {
            value.as_str().map(|s| FieldValue::Keywords(vec![s])).ok_or_else(|| wrong("a string"))
        }
        FieldSpec::Sparse(spec) => {
            let most = sparse::VECTOR_TERMS_MAX;
            sparse::vector(&field.name, spec, value, arrays, most, Unknown::Refused).map(FieldValue::Sparse)
        }
        FieldSpec::Dense(spec) => dense_vector(&field.name, spec, value, arrays).map(FieldValue::Vector),
        FieldSpec::Multi(spec) => multi::document(&field.name, spec, value, arrays).map(FieldValue::Tokens),
        spec => scalar(&field.name, spec, value),
    }
}

/// A number, boolean or date, as the columns hold it. Filters use it for their operands too.
pub(crate) fn scalar<'a>(name: &str, spec: &FieldSpec, value: &Value) -> Result<FieldValue<'a>, TercetError> {
    let wrong = |expected: &str| type_error(name, expected, value);
    match spec {
        FieldSpec::Integer(_) => {
            let integer = value.as_number().and_then(id::safe_integer);
            integer.map(FieldValue::Integer).ok_or_else(|| wrong("a safe integer"))
        }
        FieldSpec::Float(_) => {
            let float = value.as_f64().ok_or_else(|| wrong("a number"))?;
            if !float.is_finite() {
                return Err(TercetError::new(
                    Code::NotFinite,
                    format!("field `{name}` must be finite, found {float}"),
                )
                .field(name)
                .expected("a finite number", float.to_string()));
            }
            // One zero only, so that equality and order agree.
            Ok(FieldValue::Float(if float == 0.0 { 0.0 } else { float }))
        }
        FieldSpec::Boolean(_) => {
            value.as_bool().map(|b| FieldValue::Integer(b.into())).ok_or_else(|| wrong("true or false"))
        }
        FieldSpec::Date(_) => date_ms(value)
            .map(FieldValue::Integer)
            .ok_or_else(|| wrong("a date: RFC 3339, YYYY-MM-DD, or integer milliseconds")),
        _ => Err(wrong("a number, boolean or date")),
    }
}

fn type_error(name: &str, expected: &str, value: &Value) -> TercetError {
    TercetError::new(Code::Type, format!("field `{name}` must be {expected}, found {}", shown(value)))
        .field(name)
        .expected(expected, shown(value))
}

/// Milliseconds since 1970: an integer as JavaScript's Date allows (8.64e15), RFC 3339 text, or a day in UTC. What is
/// finer than a millisecond is cut off towards the past, on either side of 1970, so that order is kept.
fn date_ms(value: &Value) -> Option<i64> {
    const DATE_MS_MAX: i64 = 8_640_000_000_000_000;
    if let Some(number) = value.as_number() {
        return id::safe_integer(number).filter(|ms| ms.abs() <= DATE_MS_MAX);
    }
    let text = value.as_str()?;
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).ok();
    }
    if text.len() != 10 {
        return None;
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let instant = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
    Some(instant.as_millisecond())
}

/// A vector from the arrays, from base64 or from plain numbers, of the right length and finite.
pub(crate) fn dense_vector<'a>(
    name: &str,
    spec: &DenseSpec,
    value: &Value,
    arrays: &'a [Array],
) -> Result<Cow<'a, [f32]>, TercetError> {
    let vector = raw_vector(name, value, arrays)?;
    check_vector(name, spec.dims, spec.metric, &vector)?;
    Ok(vector)
}

/// Length, finiteness, and not zero where the metric is cosine.
pub(crate) fn check_vector(
    name: &str,
    dims: u32,
    metric: MetricName,
    vector: &[f32],
) -> Result<(), TercetError> {
    if vector.len() != dims as usize {
        return Err(TercetError::new(
            Code::Dimension,
            format!("field `{name}` takes vectors of {dims} components, found {}", vector.len()),
        )
        .field(name)
        .expected(format!("{dims} components"), format!("{} components", vector.len())));
    }
    // Two passes: the first has no branch and is vectorised, the second runs only to name the place.
    let finite = vector.iter().fold(true, |all, x| all & x.is_finite());
    let bad = if finite { None } else { vector.iter().position(|x| !x.is_finite()) };
    if let Some(at) = bad {
        return Err(TercetError::new(
            Code::NotFinite,
            format!("field `{name}`: component {at} of the vector is {}", vector[at]),
        )
        .field(name)
        .component(at as u64)
        .expected("finite components", vector[at].to_string()));
    }
    let norm = (tercet_kernels::kernels().f32(tercet_kernels::Metric::Dot).pair)(vector, vector);
    if !norm.is_finite() {
        return Err(TercetError::new(
            Code::Limit,
            format!("field `{name}`: the vector is too long, its squared length is outside the range of f32"),
        )
        .field(name)
        .expected("a squared length below 3.4e38", "a longer vector"));
    }
    if metric == MetricName::Cosine && norm < f32::MIN_POSITIVE {
        return Err(TercetError::new(
            Code::ZeroVector,
            format!("field `{name}`: a zero vector has no direction, and the metric is cosine"),
        )
        .field(name)
        .expected("a vector that is not zero", "a zero vector"));
    }
    Ok(())
}

pub(crate) fn raw_vector<'a>(
    name: &str,
    value: &Value,
    arrays: &'a [Array],
) -> Result<Cow<'a, [f32]>, TercetError> {
    let wrong = || type_error(name, "a vector (Float32Array or numbers)", value);
    match value {
        Value::Array(numbers) => {
            let parsed: Option<Vec<f32>> = numbers.iter().map(|n| n.as_f64().map(|x| x as f32)).collect();
            parsed.map(Cow::Owned).ok_or_else(wrong)
        }
        Value::Object(object) if object.len() == 1 => {
            if let Some(at) = object.get("$vector").and_then(Value::as_u64) {
                return match usize::try_from(at).ok().and_then(|at| arrays.get(at)) {
                    Some(Array::F32(vector)) => Ok(Cow::Borrowed(vector)),
                    _ => Err(wrong()),
                };
            }
            let text = object.get("$f32").and_then(Value::as_str).ok_or_else(wrong)?;
            decode_base64(text).map(Cow::Owned).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// Base64 of little-endian f32: how a vector survives JSON.
fn decode_base64(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64.decode(text).ok()?;
    let (words, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
