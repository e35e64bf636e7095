//! A query made ready for the kernels, in buffers that a thread keeps.

use super::layout::Shape;
use super::vectors::length;
use crate::dense::Distance;
use crate::quant::CodeQuery;
use crate::values::{Dtype, Values};
use std::cell::RefCell;

/// Codes lie in rows of a multiple of so many bytes.
const GRAIN: usize = 32;

/// Buffers of one search.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) floats: Vec<f32>,
    pub(super) point: Vec<f32>,
    pub(super) reduced: Vec<f32>,
    pub(super) coded: CodeQuery,
    codes: Vec<i8>,
    bits: Vec<u8>,
    stage: Stage,
}

/// Where rows are laid as a kernel wants them.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) bytes: Vec<u8>,
    pub(super) floats: Vec<f32>,
}

thread_local! {
    static IDLE: RefCell<Vec<Scratch>> = const { RefCell::new(Vec::new()) };
}

/// Lends buffers that earlier searches of this thread have filled, so that a search allocates nothing.
pub(super) fn with_scratch<R>(body: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = IDLE.with(|idle| idle.borrow_mut().pop()).unwrap_or_default();
    let result = body(&mut scratch);
    IDLE.with(|idle| idle.borrow_mut().push(scratch));
    result
}

/// A query as the kernels want it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Prepared<'a> {
    /// For floats, and for integers where the query has fractions or is out of their range: of length 1 for cosine.
    Floats(&'a [f32]),
    /// For integers: the query in bytes and zeros to a multiple of 32; what its own sums add to a score; for cosine the
    /// reciprocal of its length.
    Codes { codes: &'a [i8], base: u32, unit: f32 },
    /// For bits.
    Bits(&'a [u8]),
}

/// Makes a query ready for vectors of a shape; `None` when it has another length. A query of whole numbers in the range
/// of the vectors' integers is compared as integers, whatever its type; of a query of numbers for bits the positive
/// ones are set.
pub(super) fn prepare<'a>(
    shape: Shape,
    query: Values<'_>,
    scratch: &'a mut Scratch,
) -> Option<(Prepared<'a>, &'a mut Stage)> {
    let Scratch { floats, codes, bits, stage, .. } = scratch;
    if shape.dtype == Dtype::Bits {
        return as_bits(shape.dims, query, floats, bits).then_some((Prepared::Bits(bits), stage));
    }
    query.write_f32(floats);
    if floats.len() != shape.dims {
        return None;
    }
    if matches!(shape.dtype, Dtype::I8 | Dtype::U8)
        && let Some(base) = as_codes(shape, floats, codes)
    {
        let length = if shape.norms() { length(Values::F32(floats)) } else { 0.0 };
        let unit = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
        return Some((Prepared::Codes { codes, base, unit }, stage));
    }
    if shape.norms() {
        let length = length(Values::F32(floats));
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        floats.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
    }
    Some((Prepared::Floats(floats), stage))
}

/// The query's bytes and what its sums add to a score (`compare.rs`); `None` when it is not of such integers.
fn as_codes(shape: Shape, query: &[f32], codes: &mut Vec<i8>) -> Option<u32> {
    let signed = shape.dtype == Dtype::I8;
    let (low, high, middle) = if signed { (-128.0, 127.0, 0.0) } else { (0.0, 255.0, 128.0) };
    // Whole numbers alone survive the way to an integer and back; NaN does not.
    let fits = query.iter().fold(true, |all, &x| all & (x >= low && x <= high && (x as i32) as f32 == x));
    if !fits {
        return None;
    }
    codes.clear();
    codes.extend(query.iter().map(|&x| (x - middle) as i8));
    codes.resize(query.len().next_multiple_of(GRAIN), 0);
    let sum = codes.iter().map(|&x| i32::from(x)).sum::<i32>() as u32;
    let squares: u32 = codes.iter().map(|&x| (i32::from(x) * i32::from(x)) as u32).sum();
    Some(match (shape.metric, signed) {
        (Distance::L2, _) => squares.wrapping_add(sum.wrapping_mul(256)),
        (_, true) => sum.wrapping_mul(128).wrapping_neg(),
        (_, false) => 0,
    })
}

/// Bits past the last dimension are cleared, as they are in what is stored.
fn as_bits(dims: usize, query: Values<'_>, floats: &mut Vec<f32>, bits: &mut Vec<u8>) -> bool {
    bits.clear();
    if let Values::Bits(query) = query {
        bits.extend_from_slice(query);
    } else {
        query.write_f32(floats);
        if floats.len() != dims {
            return false;
        }
        let byte = |eight: &[f32]| eight.iter().rev().fold(0, |byte, &x| byte << 1 | u8::from(x > 0.0));
        bits.extend(floats.chunks(8).map(byte));
    }
    if let Some(last) = bits.last_mut() {
        *last &= !spare(dims);
    }
    bits.len() == dims.div_ceil(8)
}

/// The bits of the last byte that are past the last dimension.
pub(super) fn spare(dims: usize) -> u8 {
    if dims.is_multiple_of(8) { 0 } else { u8::MAX << (dims % 8) }
}
