//! Tokens as they lie in their sections: what one takes, how one is written and read.

use super::book::View;
use super::spec::TokenCodec;
use crate::{Array, IndexError, SectionSource};
use std::ops::Range;
use tercet_kernels::{f16s_to_f32s, f32s_to_f16s};

/// Of tokens of some components, elements and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) codec: TokenCodec,
    pub(super) dims: usize,
}

impl Form {
    /// Elements of a token in `tokens`.
    pub(super) fn stride(self) -> usize {
        match self.codec {
            TokenCodec::F32 | TokenCodec::F16 => self.dims,
            TokenCodec::I8 => self.dims.next_multiple_of(4),
            // Whole bytes of 8 / bits components, and of those as many as make a multiple of four components.
            TokenCodec::Residual(4) => self.dims.div_ceil(4) * 2,
            TokenCodec::Residual(bits) => (self.dims * usize::from(bits)).div_ceil(8),
        }
    }

    /// Bytes of a token in all sections, units aside.
    pub(super) fn bytes(self) -> usize {
        match self.codec {
            TokenCodec::F32 => 4 * self.dims,
            TokenCodec::F16 => 2 * self.dims,
            TokenCodec::I8 => self.stride() + 4,
            TokenCodec::Residual(_) => self.stride() + 4,
        }
    }

    /// Appends the bytes of a token that was prepared, and its scale.
    pub(super) fn write(self, token: &[f32], bytes: &mut Vec<u8>, scales: &mut Vec<f32>) {
        match self.codec {
            // Residual codes are made of all tokens together: until then they are floats.
            TokenCodec::F32 | TokenCodec::Residual(_) => bytes.extend_from_slice(bytemuck::cast_slice(token)),
            TokenCodec::F16 => {
                let mut halves = vec![0; token.len()];
                f32s_to_f16s(token, &mut halves);
                bytes.extend_from_slice(bytemuck::cast_slice(&halves));
            }
            TokenCodec::I8 => {
                let (scale, inverse) = scale(token);
                bytes.extend(token.iter().map(|x| (code(*x, inverse) + 128) as u8));
                bytes.resize(bytes.len() + self.stride() - self.dims, 128);
                scales.push(scale);
            }
        }
    }
}

/// What a step of a token's codes is worth, and its inverse; zeros for the zero vector.
pub(super) fn scale(token: &[f32]) -> (f32, f32) {
    let largest = token.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let scale = largest / 127.0;
    if scale > 0.0 && (1.0 / scale).is_finite() { (scale, 1.0 / scale) } else { (0.0, 0.0) }
}

/// A component's code, -127 to 127.
#[inline]
pub(super) fn code(x: f32, inverse: f32) -> i32 {
    (x * inverse).round().clamp(-127.0, 127.0) as i32
}

/// Some pieces of `from`, `stride` elements each; those that are not there are left out.
fn refill<T: Copy>(to: &mut Vec<T>, from: &[T], stride: usize, places: &[u32]) {
    to.clear();
    for place in places {
        to.extend_from_slice(
            from.get(*place as usize * stride..).and_then(|from| from.get(..stride)).unwrap_or(&[]),
        );
    }
}

/// The tokens of a segment.
#[derive(Debug)]
pub(super) enum Column {
    F32(Array<f32>),
    F16(Array<u16>),
    I8(Array<u8>, Array<f32>),
    Residual(Array<u8>, Array<u16>),
}

/// The tokens of one document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slice<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    I8(&'a [u8], &'a [f32]),
    Residual(&'a [u8], &'a [u16]),
}

impl Column {
    pub(super) fn open(source: &dyn SectionSource, form: Form, tokens: u64) -> Result<Self, IndexError> {
        let elements = tokens.saturating_mul(form.stride() as u64);
        Ok(match form.codec {
            TokenCodec::F32 => Column::F32(Array::open_len(source, "tokens", elements)?),
            TokenCodec::F16 => Column::F16(Array::open_len(source, "tokens", elements)?),
            TokenCodec::I8 => Column::I8(
                Array::open_len(source, "tokens", elements)?,
                Array::open_len(source, "scales", tokens)?,
            ),
            TokenCodec::Residual(_) => Column::Residual(
                Array::open_len(source, "tokens", elements)?,
                Array::open_len(source, "scales", tokens)?,
            ),
        })
    }

    /// Some tokens, checked.
    pub(super) fn slice(&self, form: Form, tokens: Range<usize>) -> Result<Slice<'_>, IndexError> {
        let stride = form.stride();
        let range = tokens.start.saturating_mul(stride)..tokens.end.saturating_mul(stride);
        Ok(match self {
            Column::F32(values) => Slice::F32(values.slice(range)?),
            Column::F16(values) => Slice::F16(values.slice(range)?),
            Column::I8(codes, scales) => Slice::I8(codes.slice(range)?, scales.slice(tokens)?),
            Column::Residual(codes, scales) => Slice::Residual(codes.slice(range)?, scales.slice(tokens)?),
        })
    }

    /// Checks all bytes.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        match self {
            Column::F32(values) => values.all().map(|_| ()),
            Column::F16(values) => values.all().map(|_| ()),
            Column::I8(codes, scales) => codes.all().and(scales.all().map(|_| ())),
            Column::Residual(codes, scales) => codes.all().and(scales.all().map(|_| ())),
        }
    }
}

/// Some tokens of a document, copied together. Memory to use again.
#[derive(Debug, Default)]
pub(super) struct Picked {
    floats: Vec<f32>,
    halves: Vec<u16>,
    bytes: Vec<u8>,
    nearest: Vec<u16>,
}

impl<'a> Slice<'a> {
    /// Some of the tokens, by their places, and of each its centroid, where `nearest` says those of all.
    pub(super) fn pick<'p>(
        self,
        stride: usize,
        nearest: &[u16],
        places: &[u32],
        to: &'p mut Picked,
    ) -> (Slice<'p>, &'p [u16]) {
        let Picked { floats, halves, bytes, nearest: at } = to;
        refill(at, nearest, 1, places);
        let slice = match self {
            Slice::F32(tokens) => {
                refill(floats, tokens, stride, places);
                Slice::F32(floats)
            }
            Slice::F16(tokens) => {
                refill(halves, tokens, stride, places);
                Slice::F16(halves)
            }
            Slice::I8(codes, scales) => {
                refill(bytes, codes, stride, places);
                refill(floats, scales, 1, places);
                Slice::I8(bytes, floats)
            }
            Slice::Residual(codes, scales) => {
                refill(bytes, codes, stride, places);
                refill(halves, scales, 1, places);
                Slice::Residual(bytes, halves)
            }
        };
        (slice, at)
    }

    /// The bytes as they lie, and of scales.
    pub(super) fn bytes(self) -> (&'a [u8], &'a [u8]) {
        match self {
            Slice::F32(values) => (bytemuck::cast_slice(values), &[]),
            Slice::F16(values) => (bytemuck::cast_slice(values), &[]),
            Slice::I8(codes, scales) => (codes, bytemuck::cast_slice(scales)),
            Slice::Residual(codes, scales) => (codes, bytemuck::cast_slice(scales)),
        }
    }

    /// The tokens as f32, as far as codes say; `book` with the centroid of each for residual codes.
    pub(super) fn to_f32(self, form: Form, book: Option<(View<'_>, &[u16])>) -> Vec<f32> {
        match self {
            Slice::F32(values) => values.to_vec(),
            Slice::F16(values) => {
                let mut floats = vec![0.0; values.len()];
                f16s_to_f32s(values, &mut floats);
                floats
            }
            Slice::I8(codes, scales) => {
                let tokens = codes.chunks(form.stride().max(1)).zip(scales);
                let component = |scale: f32| move |code: &u8| (i32::from(*code) - 128) as f32 * scale;
                tokens.flat_map(|(codes, scale)| codes[..form.dims].iter().map(component(*scale))).collect()
            }
            Slice::Residual(codes, scales) => {
                let mut floats = Vec::with_capacity(scales.len() * form.dims);
                let Some((view, nearest)) = book else { return floats };
                for ((codes, scale), nearest) in codes.chunks(form.stride()).zip(scales).zip(nearest) {
                    view.decode(codes, *nearest, *scale, &mut floats);
                }
                floats
            }
        }
    }
}
