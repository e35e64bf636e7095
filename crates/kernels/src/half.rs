//! Half precision (IEEE 754 binary16) in software: the same bits as F16C and fcvtl give, without branches, so that the
//! compiler turns the slice forms into lanes.
//!
//! Widening is exact: a half's exponent and mantissa, moved to where a float keeps them, are the number scaled by
//! `2^-112`, subnormals included. Narrowing rounds to the nearest, ties to even: in the normal range by adding just
//! less than half of what is cut off; below it by adding 0.5, whose last place is that of a subnormal half.

/// Undoes the difference of the two exponents' biases.
pub(crate) const SCALE: f32 = f32::from_bits((127 + 112) << 23);

/// The infinite half; what is above it, sign aside, is not a number.
const INFINITY: u32 = 0x7c00;

/// The number a half stands for. Exact; a signalling not-a-number becomes a quiet one.
#[inline]
pub const fn f16_to_f32(half: u16) -> f32 {
    let sign = (half as u32 & 0x8000) << 16;
    let magnitude = half as u32 & 0x7fff;
    let finite = (f32::from_bits(magnitude << 13) * SCALE).to_bits();
    let special = (magnitude << 13) | 0x7f80_0000 | if magnitude > INFINITY { 0x0040_0000 } else { 0 };
    f32::from_bits(sign | if magnitude >= INFINITY { special } else { finite })
}

/// The nearest half, ties to even; from 65,520 on infinity, below `2^-25` zero. A not-a-number stays one and quiet.
#[inline]
pub const fn f32_to_f16(float: f32) -> u16 {
    /// `2^-14`, the smallest normal half.
    const NORMAL: u32 = (127 - 14) << 23;
    /// 65,520: half way from the largest half to where the next would be.
    const TOO_LARGE: u32 = 0x477f_f000;
    const FLOAT_INFINITY: u32 = 0x7f80_0000;

    let sign = (float.to_bits() >> 16) & 0x8000;
    let magnitude = float.to_bits() & 0x7fff_ffff;
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = rounded.wrapping_sub(112 << 23) >> 13;
    let nan = INFINITY | 0x200 | ((magnitude >> 13) & 0x3ff);
    let finite = if magnitude < NORMAL { subnormal } else { normal };
    let infinite = if magnitude > FLOAT_INFINITY { nan } else { INFINITY };
    (sign | if magnitude >= TOO_LARGE { infinite } else { finite }) as u16
}

/// [`f16_to_f32`] of each.
///
/// Panics when the lengths differ.
pub fn f16s_to_f32s(halves: &[u16], floats: &mut [f32]) {
    assert_eq!(halves.len(), floats.len(), "slices of different lengths");
    for (&half, float) in halves.iter().zip(floats) {
        *float = f16_to_f32(half);
    }
}

/// [`f32_to_f16`] of each.
///
/// Panics when the lengths differ.
pub fn f32s_to_f16s(floats: &[f32], halves: &mut [u16]) {
    assert_eq!(halves.len(), floats.len(), "slices of different lengths");
    for (&float, half) in floats.iter().zip(halves) {
        *half = f32_to_f16(float);
    }
}
