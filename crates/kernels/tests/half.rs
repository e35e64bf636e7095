//! Half precision: the conversions over all their inputs, and the kernels against those on the widened rows.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Numbers, PlacedHalves, assert_near, every_variant, refused, same, truth};
use tercet_kernels::{METRICS, available, f16_to_f32, f16s_to_f32s, f32_to_f16, f32s_to_f16s, kernels_for};

/// From the definition of the format, in f64.
fn value_of(half: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(half >> 10 & 31), f64::from(half & 1023));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + mantissa) * 2f64.powi(exponent - 25),
    };
    if half >> 15 == 1 { -magnitude } else { magnitude }
}

#[test]
fn every_half_widens_exactly_and_comes_back() {
    for half in 0..=u16::MAX {
        let (float, value) = (f16_to_f32(half), value_of(half));
        if value.is_nan() {
            assert!(float.is_nan());
            assert_eq!(f32_to_f16(float), half | 0x200, "{half:#06x}: the payload stays, made quiet");
        } else {
            assert_eq!(f64::from(float).to_bits(), value.to_bits(), "{half:#06x}");
            assert_eq!(f32_to_f16(float), half, "{half:#06x}");
        }
    }
}

/// The nearest half by looking at both neighbours of each pair of halves: their middle goes to the even one, what is
/// next to the middle to its own side.
#[test]
fn between_two_halves_the_nearest_is_taken_and_the_even_one_in_the_middle() {
    for low in 0..0x7c00u16 {
        let high = low + 1;
        // Beyond the largest half, rounding acts as if the next power of two were a half.
        let above = if high == 0x7c00 { 65_536.0 } else { value_of(high) };
        let middle = ((value_of(low) + above) / 2.0) as f32;
        let even = if low % 2 == 0 { low } else { high };
        for (float, expected) in [
            (middle, even),
            (f32::from_bits(middle.to_bits() - 1), low),
            (f32::from_bits(middle.to_bits() + 1), high),
        ] {
            assert_eq!(f32_to_f16(float), expected, "{float:e}");
            assert_eq!(f32_to_f16(-float), expected | 0x8000, "-{float:e}");
        }
    }
}

#[test]
fn what_a_half_cannot_hold() {
    for (float, half) in [
        (65_519.996, 0x7bff),
        (65_520.0, 0x7c00),
        (f32::MAX, 0x7c00),
        (f32::INFINITY, 0x7c00),
        (f32::from_bits(1), 0),
        (f32::MIN_POSITIVE, 0),
        (2f32.powi(-25), 0),
        (2f32.powi(-25) * 1.000_001, 1),
        (f32::from_bits(0x7f80_0001), 0x7e00),
        (f32::NAN, 0x7e00),
    ] {
        assert_eq!(f32_to_f16(float), half, "{float:e}");
        assert_eq!(f32_to_f16(-float), half | 0x8000, "-{float:e}");
    }
}

#[test]
fn slices_are_converted_each_by_each() {
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let mut floats = vec![0.0; halves.len()];
    f16s_to_f32s(&halves, &mut floats);
    assert!(halves.iter().zip(&floats).all(|(&half, float)| f16_to_f32(half).to_bits() == float.to_bits()));
    let mut back = vec![0; halves.len()];
    f32s_to_f16s(&floats, &mut back);
    assert!(floats.iter().zip(&back).all(|(&float, &half)| f32_to_f16(float) == half));
    assert!(refused(|| f16s_to_f32s(&halves, &mut floats[1..])));
    assert!(refused(|| f32s_to_f16s(&floats[1..], &mut back)));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_hardware_converts_alike() {
    use std::arch::x86_64::*;
    if !is_x86_feature_detected!("f16c") {
        return;
    }
    for bits in (0..=u32::MAX).step_by(4099) {
        let float = f32::from_bits(bits);
        // SAFETY: F16C is there.
        let half = unsafe { _mm_extract_epi16::<0>(_mm_cvtps_ph::<0>(_mm_set1_ps(float))) } as u16;
        assert_eq!(f32_to_f16(float), half, "{bits:#010x}");
    }
    for half in 0..=u16::MAX {
        // SAFETY: F16C is there.
        let float = unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_set1_epi16(half as i16))) };
        assert_eq!(f16_to_f32(half).to_bits(), float.to_bits(), "{half:#06x}");
    }
}

/// All forms of every variant, near the oracle on the widened rows; the best variant of an instruction set has the bits
/// of its f32 kernels there.
fn check(query: &[f32], rows: &[u16], count: usize, ids: &[u32]) {
    let mut wide = vec![0.0; rows.len()];
    f16s_to_f32s(rows, &mut wide);
    let place = |at: usize| at * query.len()..(at + 1) * query.len();
    for metric in METRICS {
        for kernels in every_variant() {
            let kernel = kernels.f16(metric);
            let what = || format!("{} {}, {} dims", kernels.isa, metric.name(), query.len());
            let mut batch = vec![f32::NAN; count];
            (kernel.batch)(query, rows, &mut batch);
            for (at, &got) in batch.iter().enumerate() {
                assert_near(got, &truth(metric, query, &wide[place(at)]), &what);
                assert!(same((kernel.pair)(query, &rows[place(at)]), got), "{}", what());
            }
            let mut gathered = vec![f32::NAN; ids.len()];
            (kernel.gather)(query, rows, ids, &mut gathered);
            assert!(ids.iter().zip(&gathered).all(|(&id, &got)| same(got, batch[id as usize])), "{}", what());
        }
        for isa in available() {
            let kernels = kernels_for(isa).unwrap();
            let (mut half, mut float) = (vec![0.0; count], vec![0.0; count]);
            (kernels.f16(metric).batch)(query, rows, &mut half);
            (kernels.f32(metric).batch)(query, &wide, &mut float);
            assert!(half.iter().zip(&float).all(|(&a, &b)| same(a, b)), "{isa} {}", metric.name());
        }
    }
}

fn halves(numbers: &mut Numbers, count: usize) -> Vec<u16> {
    numbers.take(count).into_iter().map(f32_to_f16).collect()
}

#[test]
fn every_length_on_batches_of_none_to_nine_rows() {
    let mut numbers = Numbers(1);
    for dims in (0..=70).chain([127, 128, 129, 255, 384, 768]) {
        let (query, rows) = (numbers.take(dims), halves(&mut numbers, dims * 9));
        for count in 0..=9 {
            check(&query, &rows[..dims * count], count, &(0..count as u32).rev().collect::<Vec<_>>());
        }
    }
}

#[test]
fn any_start_in_memory_and_nothing_read_beyond_the_rows() {
    let mut numbers = Numbers(2);
    for dims in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65, 100] {
        let (query, rows) = (numbers.take(dims), halves(&mut numbers, dims * 5));
        for start in 0..=17 {
            check(&query, PlacedHalves::new(&rows, start).values(), 5, &[4, 0, 4, 1]);
        }
    }
}

#[test]
fn wrong_lengths_and_ids_are_refused() {
    let (query, rows) = ([1.0f32; 4], [0u16; 16]);
    for kernels in every_variant() {
        for metric in METRICS {
            let kernel = kernels.f16(metric);
            assert!(refused(|| _ = (kernel.pair)(&query, &rows[..3])));
            assert!(refused(|| (kernel.batch)(&query, &rows, &mut [0.0; 5])));
            assert!(refused(|| (kernel.gather)(&query, &rows, &[0], &mut [0.0; 2])));
            for bad in [4, 1 << 30, u32::MAX] {
                assert!(refused(|| (kernel.gather)(&query, &rows, &[0, bad, 1], &mut [0.0; 3])));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/half.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// Any bits: subnormals, infinities and what is not a number among them.
    #[test]
    fn any_halves((query, rows) in (0usize..100).prop_flat_map(|dims| (
        prop::collection::vec(-1.0f32..1.0, dims),
        prop::collection::vec(prop_oneof![20 => 0x2000u16..0x4000, 4 => 0u16..0x400, 1 => any::<u16>()], dims * 6),
    ))) {
        check(&query, &rows, 6, &[5, 2, 2]);
    }

    #[test]
    fn any_float_goes_to_a_nearest_half(bits in any::<u32>()) {
        let float = f32::from_bits(bits);
        let half = f32_to_f16(float);
        if float.is_nan() {
            prop_assert!(f16_to_f32(half).is_nan());
        } else if float.abs() < 65_504.0 {
            let error = (f64::from(float) - value_of(half)).abs();
            for other in [half.wrapping_sub(1), half.wrapping_add(1)] {
                let other = value_of(other);
                prop_assert!(other.is_nan() || error <= (f64::from(float) - other).abs());
            }
        }
    }
}
