//! Weights as they are kept: in the fewest of 1, 2 or 4 bytes that lose nothing, the same for all of a segment.

use crate::IndexError;
use crate::section::Array;
use crate::sections::SectionSource;
use std::ops::Range;
use tercet_kernels::{f16_to_f32, f32_to_f16, prefetch_items};

/// The bytes that a weight needs to be kept as it is.
pub(crate) fn width_of(weight: f32) -> usize {
    if weight.fract() == 0.0 && weight <= 255.0 {
        1
    } else if tercet_kernels::f16_to_f32(f32_to_f16(weight)) == weight {
        2
    } else {
        4
    }
}

/// Appends weights in so many bytes each.
pub(crate) fn put_weights(width: usize, weights: &[f32], out: &mut Vec<u8>) {
    for &weight in weights {
        match width {
            1 => out.push(weight as u8),
            2 => out.extend_from_slice(&f32_to_f16(weight).to_le_bytes()),
            _ => out.extend_from_slice(&weight.to_le_bytes()),
        }
    }
}

/// Weights as they are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a> {
    /// Whole numbers.
    Bytes(&'a [u8]),
    /// Half precision.
    Halves(&'a [u16]),
    /// As given.
    Floats(&'a [f32]),
}

impl Weights<'_> {
    #[inline]
    pub(crate) fn get(&self, at: usize) -> f32 {
        match self {
            Weights::Bytes(weights) => weights.get(at).map_or(0.0, |&weight| f32::from(weight)),
            Weights::Halves(weights) => weights.get(at).map_or(0.0, |&weight| f16_to_f32(weight)),
            Weights::Floats(weights) => weights.get(at).copied().unwrap_or(0.0),
        }
    }

    /// Asks for some of them.
    #[inline]
    pub(crate) fn prefetch(&self, at: usize, len: usize) {
        match self {
            Weights::Bytes(weights) => prefetch_items(weights, at, len),
            Weights::Halves(weights) => prefetch_items(weights, at, len),
            Weights::Floats(weights) => prefetch_items(weights, at, len),
        }
    }
}

/// A section of weights.
pub(crate) enum WeightArray {
    Bytes(Array<u8>),
    Halves(Array<u16>),
    Floats(Array<f32>),
}

impl WeightArray {
    /// Opens a section of so many weights of so many bytes each.
    pub(crate) fn open(
        source: &dyn SectionSource,
        name: &str,
        width: usize,
        len: u64,
    ) -> Result<Self, IndexError> {
        Ok(match width {
            1 => WeightArray::Bytes(Array::open_len(source, name, len)?),
            2 => WeightArray::Halves(Array::open_len(source, name, len)?),
            _ => WeightArray::Floats(Array::open_len(source, name, len)?),
        })
    }

    /// The weights of a range, checked.
    #[inline]
    pub(crate) fn slice(&self, range: Range<usize>) -> Result<Weights<'_>, IndexError> {
        Ok(match self {
            WeightArray::Bytes(weights) => Weights::Bytes(weights.slice(range)?),
            WeightArray::Halves(weights) => Weights::Halves(weights.slice(range)?),
            WeightArray::Floats(weights) => Weights::Floats(weights.slice(range)?),
        })
    }

    /// Asks for some of them.
    #[inline]
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        let all = match self {
            WeightArray::Bytes(weights) => Weights::Bytes(weights.unverified()),
            WeightArray::Halves(weights) => Weights::Halves(weights.unverified()),
            WeightArray::Floats(weights) => Weights::Floats(weights.unverified()),
        };
        all.prefetch(range.start, range.len());
    }
}
