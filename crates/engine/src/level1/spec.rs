//! What an index is made of, and whether vectors fit it.

use tercet_index::{DenseKind, Reduce, Values};

use super::too_many_rows;
use crate::api::View;
use crate::dense;
use crate::document::check_vector;
use crate::wire::{Code, DenseIndexSpec, DtypeName, MetricName, TercetError};

/// What an index is made of, checked.
#[derive(Clone)]
pub(crate) struct Dense {
    pub(super) dims: u32,
    pub(super) metric: MetricName,
    pub(super) dtype: DtypeName,
    pub(super) index: DenseIndexSpec,
    /// The entry of the registry, and what it is given.
    pub(super) kind: &'static DenseKind,
    pub(super) dense: tercet_index::DenseSpec,
}

impl Dense {
    pub(crate) fn new(
        dims: u32,
        metric: MetricName,
        dtype: DtypeName,
        index: DenseIndexSpec,
    ) -> Result<Self, TercetError> {
        dense::check(None, dims, &index)?;
        let bits = dtype == DtypeName::Bits;
        if bits && !dims.is_multiple_of(8) {
            let message =
                format!("vectors of bits fill whole bytes: dims must be a multiple of 8, found {dims}");
            return Err(TercetError::new(Code::Dimension, message)
                .field("dims")
                .expected("a multiple of 8", dims.to_string()));
        }
        if bits != metric.on_bits() {
            let (expected, what) =
                if bits { ("hamming or jaccard", "bits") } else { ("cosine, dot or l2", "numbers") };
            let message = format!("vectors of {what} are compared by {expected}");
            return Err(TercetError::new(Code::Argument, message)
                .field("metric")
                .expected(expected, format!("{metric:?}").to_lowercase()));
        }
        let kind = dense::kind(&index)?;
        let dense =
            tercet_index::DenseSpec { dtype: dtype.dtype(), ..dense::index_spec(dims, metric, &index) };
        Ok(Dense { dims, metric, dtype, index, kind, dense })
    }

    /// Whether sample queries have something to teach.
    pub(super) fn is_taught(&self) -> bool {
        matches!(self.dense.options.reduce, Reduce::LeanVec(_))
    }

    /// Elements of the array that a vector takes.
    pub(super) fn elements(&self) -> usize {
        self.dense.dtype.elements(self.dims as usize)
    }

    /// An array as vectors of this index; not checked beyond its type.
    fn values<'a>(&self, what: &str, array: Option<View<'a>>) -> Result<Values<'a>, TercetError> {
        match (self.dtype, array) {
            (DtypeName::F32, Some(View::F32(values))) => Ok(Values::F32(values)),
            (DtypeName::F16, Some(View::U16(values))) => Ok(Values::F16(values)),
            (DtypeName::I8, Some(View::I8(values))) => Ok(Values::I8(values)),
            (DtypeName::U8, Some(View::U8(values))) => Ok(Values::U8(values)),
            (DtypeName::Bits, Some(View::U8(values))) => Ok(Values::Bits(values)),
            _ => {
                let expected = match self.dtype {
                    DtypeName::F32 => "a Float32Array",
                    DtypeName::F16 => "a Uint16Array",
                    DtypeName::I8 => "an Int8Array",
                    DtypeName::U8 | DtypeName::Bits => "a Uint8Array",
                };
                Err(TercetError::new(Code::Type, format!("{what} must come as {expected}"))
                    .field(what)
                    .expected(expected, "another array or none"))
            }
        }
    }

    /// Queries come in the type of the index, or as f32 where that is a type of numbers; each is checked.
    pub(super) fn asked<'a>(&self, what: &str, array: Option<View<'a>>) -> Result<Vectors<'a>, TercetError> {
        match array {
            Some(View::F32(values)) if self.dtype != DtypeName::Bits => {
                self.checked(what, Values::F32(values), self.dims as usize)
            }
            other => self.checked(what, self.values(what, other)?, self.elements()),
        }
    }

    /// One query, checked.
    #[inline]
    pub(super) fn one<'a>(&self, array: View<'a>) -> Result<Values<'a>, TercetError> {
        let values = match array {
            View::F32(values) if self.dtype != DtypeName::Bits => Values::F32(values),
            other => self.values("query", Some(other))?,
        };
        let expected = values.dtype().elements(self.dims as usize);
        if values.len() != expected {
            return Err(wrong_length("query", expected, values.len(), "elements"));
        }
        check_one(self, "query", values)?;
        Ok(values)
    }

    /// Vectors to store, checked.
    pub(super) fn vectors<'a>(
        &self,
        what: &str,
        array: Option<View<'a>>,
    ) -> Result<Vectors<'a>, TercetError> {
        self.checked(what, self.values(what, array)?, self.elements())
    }

    fn checked<'a>(
        &self,
        what: &str,
        values: Values<'a>,
        elements: usize,
    ) -> Result<Vectors<'a>, TercetError> {
        if !values.len().is_multiple_of(elements) {
            let expected = format!("a multiple of {elements} elements");
            let message =
                format!("{what} of {} components must come as {expected}, found {}", self.dims, values.len());
            return Err(TercetError::new(Code::Dimension, message)
                .field(what)
                .expected(expected, values.len().to_string()));
        }
        let count = values.len() / elements;
        for row in 0..count {
            let Some(vector) = values.at(row, elements) else { break };
            check_one(self, what, vector).map_err(|e| {
                let mut error = e.position(row as u64);
                error.0.message = format!("row {row}: {}", error.0.message);
                error
            })?;
        }
        let count = u32::try_from(count).ok().filter(|count| *count < u32::MAX).ok_or_else(too_many_rows)?;
        Ok(Vectors { values, elements, count })
    }
}

/// Vectors that fit an index.
#[derive(Clone, Copy)]
pub(crate) struct Vectors<'a> {
    pub(super) values: Values<'a>,
    /// Elements of the array a vector.
    pub(super) elements: usize,
    pub(super) count: u32,
}

impl<'a> Vectors<'a> {
    /// `count` vectors from a place on; fewer where there are no more.
    pub(super) fn part(&self, place: u32, count: u32) -> Vectors<'a> {
        let from = place.min(self.count);
        let count = count.min(self.count - from);
        let range = from as usize * self.elements..(from + count) as usize * self.elements;
        let values = match self.values {
            Values::F32(values) => Values::F32(&values[range]),
            Values::F16(values) => Values::F16(&values[range]),
            Values::I8(values) => Values::I8(&values[range]),
            Values::U8(values) => Values::U8(&values[range]),
            Values::Bits(values) => Values::Bits(&values[range]),
        };
        Vectors { values, count, ..*self }
    }

    /// The vector at a place.
    pub(super) fn at(&self, place: u32) -> Option<Values<'a>> {
        self.values.at(place as usize, self.elements)
    }
}

fn wrong_length(what: &str, expected: usize, found: usize, unit: &str) -> TercetError {
    TercetError::new(Code::Dimension, format!("{what} must have {expected} {unit}, found {found}"))
        .field(what)
        .expected(format!("{expected} {unit}"), format!("{found} {unit}"))
}

/// Finite, and not zero where the metric is cosine. The length was checked.
fn check_one(spec: &Dense, what: &str, vector: Values<'_>) -> Result<(), TercetError> {
    let zero = match vector {
        Values::F32(vector) => return check_vector(what, spec.dims, spec.metric, vector),
        Values::F16(vector) => {
            // All bits of the exponent set: infinite or NaN.
            if let Some(at) = vector.iter().position(|bits| bits & 0x7c00 == 0x7c00) {
                let message = format!("field `{what}`: component {at} of the vector is not finite");
                return Err(TercetError::new(Code::NotFinite, message)
                    .field(what)
                    .component(at as u64)
                    .expected("finite components", "an infinite one or NaN"));
            }
            vector.iter().all(|bits| bits & 0x7fff == 0)
        }
        Values::I8(vector) => vector.iter().all(|x| *x == 0),
        Values::U8(vector) => vector.iter().all(|x| *x == 0),
        Values::Bits(_) => false,
    };
    if zero && spec.metric == MetricName::Cosine {
        let message = format!("field `{what}`: a zero vector has no direction, and the metric is cosine");
        return Err(TercetError::new(Code::ZeroVector, message)
            .field(what)
            .expected("a vector other than zero", "zero"));
    }
    Ok(())
}
