//! Vectors where they lie: the sections `values`, `norms` and `terms`.

use super::layout::Shape;
use crate::dense::Distance;
use crate::section::{Access, Array};
use crate::values::{Dtype, Values, f16_to_f32};
use crate::{IndexError, SectionSource};
use std::ops::Range;

/// An array of components of any type.
#[derive(Debug)]
enum Column {
    F32(Array<f32>),
    F16(Array<u16>),
    I8(Array<i8>),
    U8(Array<u8>),
    Bits(Array<u8>),
}

impl Column {
    fn open(source: &dyn SectionSource, name: &str, dtype: Dtype, len: u64) -> Result<Self, IndexError> {
        Ok(match dtype {
            Dtype::F32 => Column::F32(Array::open_len(source, name, len)?),
            Dtype::F16 => Column::F16(Array::open_len(source, name, len)?),
            Dtype::I8 => Column::I8(Array::open_len(source, name, len)?),
            Dtype::U8 => Column::U8(Array::open_len(source, name, len)?),
            Dtype::Bits => Column::Bits(Array::open_len(source, name, len)?),
        })
    }

    /// All elements, checked.
    fn all(&self) -> Result<Values<'_>, IndexError> {
        Ok(match self {
            Column::F32(array) => Values::F32(array.all()?),
            Column::F16(array) => Values::F16(array.all()?),
            Column::I8(array) => Values::I8(array.all()?),
            Column::U8(array) => Values::U8(array.all()?),
            Column::Bits(array) => Values::Bits(array.all()?),
        })
    }

    /// The elements of a range, checked.
    fn unverified(&self) -> Values<'_> {
        match self {
            Column::F32(values) => Values::F32(values.unverified()),
            Column::F16(values) => Values::F16(values.unverified()),
            Column::I8(values) => Values::I8(values.unverified()),
            Column::U8(values) => Values::U8(values.unverified()),
            Column::Bits(values) => Values::Bits(values.unverified()),
        }
    }

    fn advise(&self, access: Access) {
        match self {
            Column::F32(values) => values.advise(access),
            Column::F16(values) => values.advise(access),
            Column::I8(values) => values.advise(access),
            Column::U8(values) | Column::Bits(values) => values.advise(access),
        }
    }

    fn slice(&self, range: Range<usize>) -> Result<Values<'_>, IndexError> {
        Ok(match self {
            Column::F32(array) => Values::F32(array.slice(range)?),
            Column::F16(array) => Values::F16(array.slice(range)?),
            Column::I8(array) => Values::I8(array.slice(range)?),
            Column::U8(array) => Values::U8(array.slice(range)?),
            Column::Bits(array) => Values::Bits(array.slice(range)?),
        })
    }
}

/// Vectors one after the other, and what stands beside each.
#[derive(Debug)]
pub(super) struct Vectors {
    pub(super) shape: Shape,
    values: Column,
    norms: Option<Array<f32>>,
    terms: Option<Array<u32>>,
}

impl Vectors {
    /// Opens `count` vectors whose components are the section `name`.
    pub(super) fn open(
        source: &dyn SectionSource,
        name: &str,
        shape: Shape,
        count: u32,
    ) -> Result<Self, IndexError> {
        let elements = u64::from(count) * shape.elements() as u64;
        Ok(Vectors {
            shape,
            values: Column::open(source, name, shape.dtype, elements)?,
            norms: shape.norms().then(|| Array::open_len(source, "norms", count.into())).transpose()?,
            terms: shape.terms().then(|| Array::open_len(source, "terms", count.into())).transpose()?,
        })
    }

    /// Says how they will be read.
    pub(super) fn advise(&self, access: Access) {
        self.values.advise(access);
    }

    /// The vector in a slot, checked.
    pub(super) fn vector(&self, slot: usize) -> Result<Values<'_>, IndexError> {
        let elements = self.shape.elements();
        let start = slot.saturating_mul(elements);
        self.values.slice(start..start.saturating_add(elements))
    }

    /// All vectors, checked once.
    pub(super) fn view(&self) -> Result<View<'_>, IndexError> {
        Ok(View {
            shape: self.shape,
            values: self.values.all()?,
            norms: self.norms.as_ref().map(|norms| norms.all()).transpose()?,
            terms: self.terms.as_ref().map(|terms| terms.all()).transpose()?,
        })
    }

    /// All vectors as they lie: damage makes wrong scores, which `verify` finds.
    pub(super) fn unverified(&self) -> View<'_> {
        View {
            shape: self.shape,
            values: self.values.unverified(),
            norms: self.norms.as_ref().map(Array::unverified),
            terms: self.terms.as_ref().map(Array::unverified),
        }
    }

    /// The vector in one slot alone, checked.
    pub(super) fn view_of(&self, slot: usize) -> Result<View<'_>, IndexError> {
        let range = slot..slot.saturating_add(1);
        Ok(View {
            shape: self.shape,
            values: self.vector(slot)?,
            norms: self.norms.as_ref().map(|norms| norms.slice(range.clone())).transpose()?,
            terms: self.terms.as_ref().map(|terms| terms.slice(range.clone())).transpose()?,
        })
    }

    /// Holds `norms` and `terms` against the vectors.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        let view = self.view()?;
        let count = view.values.len() / self.shape.elements();
        for slot in 0..count {
            let vector = view.vectors(slot, 1);
            if view.norms.is_some_and(|norms| norms[slot].to_bits() != reciprocal_length(vector).to_bits()) {
                return Err(IndexError::corrupt("norms", format!("slot {slot} is not the vector's length")));
            }
            if view.terms.is_some_and(|terms| terms[slot] != term(self.shape.metric, vector)) {
                return Err(IndexError::corrupt("terms", format!("slot {slot} is not the vector's sum")));
            }
        }
        Ok(())
    }
}

/// Vectors whose bytes are checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) shape: Shape,
    pub(super) values: Values<'a>,
    pub(super) norms: Option<&'a [f32]>,
    pub(super) terms: Option<&'a [u32]>,
}

impl<'a> View<'a> {
    /// The components of `count` vectors from a slot on, which are there.
    #[inline]
    pub(super) fn vectors(&self, from: usize, count: usize) -> Values<'a> {
        let elements = self.shape.elements();
        let range = from * elements..(from + count) * elements;
        match self.values {
            Values::F32(values) => Values::F32(&values[range]),
            Values::F16(values) => Values::F16(&values[range]),
            Values::I8(values) => Values::I8(&values[range]),
            Values::U8(values) => Values::U8(&values[range]),
            Values::Bits(values) => Values::Bits(&values[range]),
        }
    }
}

/// 1 / |v|, summed in f64 so that no finite vector overflows or vanishes; 0 for the zero vector. Clamped to
/// the finite, for the sake of vectors of denormal length.
pub(super) fn reciprocal_length(vector: Values<'_>) -> f32 {
    let length = length(vector);
    if length > 0.0 { ((1.0 / length) as f32).min(f32::MAX) } else { 0.0 }
}

pub(super) fn length(vector: Values<'_>) -> f64 {
    fn root(components: impl Iterator<Item = f64>) -> f64 {
        components.map(|x| x * x).sum::<f64>().sqrt()
    }
    match vector {
        Values::F32(values) => root(values.iter().map(|&x| f64::from(x))),
        Values::F16(values) => root(values.iter().map(|&x| f64::from(f16_to_f32(x)))),
        Values::I8(values) => root(values.iter().map(|&x| f64::from(x))),
        Values::U8(values) => root(values.iter().map(|&x| f64::from(x))),
        Values::Bits(values) => root(values.iter().map(|&x| f64::from(x.count_ones()).sqrt())),
    }
}

/// The sum that a vector of integers keeps: of the squares of its codes less their middle for the squared distance, of
/// its components otherwise (`compare.rs`).
pub(super) fn term(metric: Distance, vector: Values<'_>) -> u32 {
    let square = |x: i32| (x * x) as u32;
    match (vector, metric) {
        (Values::I8(values), Distance::L2) => values.iter().map(|&x| square(x.into())).sum(),
        (Values::U8(values), Distance::L2) => values.iter().map(|&x| square(i32::from(x) - 128)).sum(),
        (Values::U8(values), _) => values.iter().map(|&x| u32::from(x)).sum(),
        _ => 0,
    }
}
