//! One suite for the kernels on weighted postings, run on every set of instructions that this machine has.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{Numbers, RandomBytes, every_variant, refused};
use tercet_kernels::{CELL, SPAN, f16_to_f32, f32_to_f16};

fn sums() -> Vec<f32> {
    vec![0.25; SPAN]
}

/// Ascending documents, weights of each type, and their values.
fn list(seed: u64, len: usize) -> (Vec<u16>, Vec<u8>, Vec<u16>, Vec<f32>) {
    let bytes = RandomBytes(seed).take(len * 3);
    let mut docs: Vec<u16> =
        bytes[len..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    docs.sort_unstable();
    let floats: Vec<f32> = Numbers(seed).take(len).iter().map(|x| x.abs() * 9.0).collect();
    let halves = floats.iter().map(|&x| f32_to_f16(x)).collect();
    (docs, bytes[..len].to_vec(), halves, floats)
}

#[test]
fn additions_are_those_of_a_plain_loop() {
    for len in [0, 1, 5, 63, 64, 65, 128, 1_000] {
        let (docs, bytes, halves, floats) = list(len as u64 + 1, len);
        let values: [Vec<f32>; 3] = [
            bytes.iter().map(|&w| f32::from(w)).collect(),
            halves.iter().map(|&w| f16_to_f32(w)).collect(),
            floats.clone(),
        ];
        let q = 0.37f32;
        for kernels in every_variant() {
            let kernel = kernels.sparse();
            let mut got = [sums(), sums(), sums()];
            (kernel.add_u8)(&docs, &bytes, q, &mut got[0]);
            (kernel.add_f16)(&docs, &halves, q, &mut got[1]);
            (kernel.add_f32)(&docs, &floats, q, &mut got[2]);
            for (got, values) in got.iter().zip(&values) {
                let mut truth = sums();
                for (&doc, value) in docs.iter().zip(values) {
                    truth[usize::from(doc)] += value * q;
                }
                assert!(truth.iter().zip(got.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
            for first in [0u16, 256, 40_000, 65_280] {
                let mut cells = [[0.0f32; CELL + 1]; 3];
                (kernel.cell_u8)(&docs, &bytes, q, first, &mut cells[0]);
                (kernel.cell_f16)(&docs, &halves, q, first, &mut cells[1]);
                (kernel.cell_f32)(&docs, &floats, q, first, &mut cells[2]);
                for (cell, values) in cells.iter().zip(&values) {
                    let mut truth = [0.0f32; CELL];
                    for (&doc, value) in docs.iter().zip(values) {
                        if let Some(sum) = truth.get_mut(usize::from(doc).wrapping_sub(usize::from(first))) {
                            *sum += value * q;
                        }
                    }
                    assert_eq!(&truth[..], &cell[..CELL]);
                }
            }
        }
    }
}

#[test]
fn masks_are_those_of_a_plain_loop() {
    for len in [0usize, 1, 63, 64, 65, 200, 1_024] {
        let mut sums = Numbers(7).take(len);
        sums.iter_mut().step_by(13).for_each(|sum| *sum = f32::NAN);
        for floor in [-2.0, 0.0, 0.9, 2.0, f32::INFINITY, f32::NAN] {
            let truth: Vec<u64> = sums
                .chunks(64)
                .map(|sums| {
                    (0..sums.len()).filter(|&at| sums[at] >= floor).fold(0, |mask, at| mask | 1 << at)
                })
                .collect();
            for kernels in every_variant() {
                let mut masks = vec![u64::MAX; len.div_ceil(64)];
                (kernels.sparse().above)(&sums, floor, &mut masks);
                assert_eq!(masks, truth);
            }
        }
    }
}

#[test]
fn the_greatest_are_those_of_a_plain_loop() {
    for groups in [0usize, 1, 2, 7] {
        let mut sums = Numbers(9).take(groups * 64);
        sums.iter_mut().step_by(13).for_each(|sum| *sum = f32::NAN);
        sums.iter_mut().skip(64).take(64).for_each(|sum| *sum = f32::NAN);
        sums.iter_mut().skip(128).take(64).for_each(|sum| *sum = -sum.abs());
        let truth: Vec<f32> =
            sums.chunks(64).map(|sums| sums.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
        for kernels in every_variant() {
            let mut out = vec![0.0; groups];
            (kernels.sparse().greatest)(&sums, &mut out);
            assert_eq!(out, truth);
        }
    }
}

#[test]
fn levels_and_maxima_are_those_of_a_plain_loop() {
    let bytes = RandomBytes(3).take(32 * 5);
    for w in [0u16, 1, 77, 4_369] {
        for kernels in every_variant() {
            let mut bounds: Vec<u16> = (0..320).map(|at| at * 204).collect();
            let mut truth = bounds.clone();
            for (at, bound) in truth.iter_mut().enumerate() {
                let byte = bytes[at / 64 * 32 + at % 32];
                let level = if at % 64 < 32 { byte & 15 } else { byte >> 4 };
                *bound = (u32::from(*bound) + u32::from(level) * u32::from(w)).min(65_535) as u16;
            }
            (kernels.sparse().levels)(&bytes, w, &mut bounds);
            assert_eq!(bounds, truth);
            for group in [1usize, 2, 4, 5, 8, 16, 32] {
                let mut out = vec![0; 320 / group];
                (kernels.sparse().maxima)(&bounds, group, &mut out);
                let truth: Vec<u16> = truth.chunks(group).map(|part| *part.iter().max().unwrap()).collect();
                assert_eq!(out, truth);
            }
        }
    }
}

#[test]
fn wrong_lengths_are_refused() {
    for kernels in every_variant() {
        let kernel = kernels.sparse();
        assert!(refused(|| (kernel.add_u8)(&[], &[], 1.0, &mut [0.0; 256])));
        assert!(refused(|| (kernel.above)(&[0.0; 65], 0.0, &mut [0])));
        assert!(refused(|| (kernel.greatest)(&[0.0; 65], &mut [0.0])));
        assert!(refused(|| (kernel.levels)(&[0; 31], 1, &mut [0; 62])));
        assert!(refused(|| (kernel.levels)(&[0; 32], 1, &mut [0; 63])));
        assert!(refused(|| (kernel.levels)(&[0; 32], 4_370, &mut [0; 64])));
        assert!(refused(|| (kernel.maxima)(&[0; 8], 4, &mut [0; 3])));
        assert!(refused(|| (kernel.maxima)(&[0; 8], 0, &mut [0; 3])));
    }
}
