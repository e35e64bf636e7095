//! MaxSim on every set of instructions against the naive maxima: floats within the tolerance, codes bit for bit; and the
//! same bits wherever a token stands.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{
    Numbers, Placed, PlacedBytes, PlacedHalves, RandomBytes, assert_near, every_variant, refused, truth,
};
use tercet_kernels::{Kernels, Metric, f16s_to_f32s, f32s_to_f16s};

fn packed(kernels: &Kernels, query: &[f32], dims: usize) -> (Vec<f32>, usize) {
    let padded = kernels.maxsim().padded(query.len() / dims);
    let mut panel = vec![f32::NAN; padded * dims];
    kernels.maxsim().pack(query, dims, &mut panel);
    (panel, padded)
}

/// The maxima by f32, with the tokens they are of.
fn maxima(kernels: &Kernels, query: &[f32], tokens: &[f32], dims: usize) -> (Vec<f32>, Vec<u32>) {
    let (panel, padded) = packed(kernels, query, dims);
    let (mut plain, mut best, mut at) = (vec![7.0; padded], vec![7.0; padded], vec![9; padded]);
    (kernels.maxsim().f32)(&panel, tokens, dims, &mut plain);
    (kernels.maxsim().f32_at)(&panel, tokens, dims, &mut best, &mut at);
    let count = query.len() / dims;
    assert!(best.iter().zip(&plain).all(|(a, b)| a.to_bits() == b.to_bits()), "the two forms differ");
    (best[..count].to_vec(), at[..count].to_vec())
}

fn check(query: &[f32], tokens: &[f32], dims: usize) {
    for kernels in every_variant() {
        let (best, at) = maxima(kernels, query, tokens, dims);
        for (q, query) in query.chunks(dims).enumerate() {
            let what = || format!("{} {dims} dims, query token {q}", kernels.isa);
            let all: Vec<_> = tokens.chunks(dims).map(|token| truth(Metric::Dot, query, token)).collect();
            let Some(of) = all.get(at[q] as usize) else {
                assert!(all.is_empty() && best[q] == f32::NEG_INFINITY, "{}", what());
                continue;
            };
            assert_near(best[q], of, &what);
            for other in &all {
                let slack = f64::from(best[q]) + other.tolerance;
                assert!(other.value <= slack, "{}: {} is larger than {}", what(), other.value, best[q]);
            }
        }
        // Each token alone: the maximum over them is what came together, and the first that reaches it.
        let alone: Vec<_> = tokens.chunks(dims).map(|token| maxima(kernels, query, token, dims).0).collect();
        for q in 0..best.len() {
            let first = (0..alone.len()).rev().max_by(|&a, &b| alone[a][q].total_cmp(&alone[b][q]));
            let Some(first) = first else { continue };
            assert_eq!(
                (at[q] as usize, best[q].to_bits()),
                (first, alone[first][q].to_bits()),
                "{}",
                kernels.isa
            );
        }
        halves(kernels, query, tokens, dims);
    }
}

/// Rows of half precision have the bits of the same numbers as f32.
fn halves(kernels: &Kernels, query: &[f32], tokens: &[f32], dims: usize) {
    let (mut half, mut wide) = (vec![0; tokens.len()], vec![0.0; tokens.len()]);
    f32s_to_f16s(tokens, &mut half);
    f16s_to_f32s(&half, &mut wide);
    let expected = maxima(kernels, query, &wide, dims);
    let (panel, padded) = packed(kernels, query, dims);
    let (mut plain, mut best, mut at) = (vec![7.0; padded], vec![7.0; padded], vec![9; padded]);
    let placed = PlacedHalves::new(&half, 3);
    (kernels.maxsim().f16)(&panel, placed.values(), dims, &mut plain);
    (kernels.maxsim().f16_at)(&panel, placed.values(), dims, &mut best, &mut at);
    let count = query.len() / dims;
    assert_eq!((best[..count].to_vec(), at[..count].to_vec()), expected, "{}", kernels.isa);
    assert_eq!(plain[..count], best[..count]);
}

#[test]
fn floats_of_every_shape() {
    let mut numbers = Numbers(11);
    for dims in [1, 2, 3, 8, 15, 16, 17, 33, 127, 128, 129, 200, 384] {
        for (q, t) in [(1, 1), (3, 13), (16, 12), (17, 25), (32, 30), (40, 7), (5, 0), (33, 1)] {
            let (query, tokens) = (numbers.take(q * dims), numbers.take(t * dims));
            check(&query, Placed::new(&tokens, dims % 7).values(), dims);
        }
    }
}

#[test]
fn of_equal_tokens_the_first_is_named() {
    for t in 1..40 {
        check(&[1.0, 0.5, -1.0, 2.0], &[0.25, -3.0].repeat(t), 2);
    }
}

/// What is asked of codes, naively: the exact sum, converted and scaled with a rounding each.
fn truth_of_codes(query: &[i8], codes: &[u8], scale: f32) -> f32 {
    let sum: i64 = query.iter().zip(codes).map(|(&q, &c)| i64::from(q) * (i64::from(c) - 128)).sum();
    (sum as f32) * scale
}

fn check_codes(query: &[i8], codes: &[u8], scales: &[f32], stride: usize) {
    for kernels in every_variant() {
        let kernel = kernels.maxsim_codes();
        let (count, padded) = (query.len() / stride, kernel.padded(query.len() / stride));
        let (mut panel, mut begin) = (vec![1; padded * stride], vec![1; padded]);
        kernel.pack(query, stride, &mut panel, &mut begin);
        let (mut plain, mut best, mut at) = (vec![7.0; padded], vec![7.0; padded], vec![9; padded]);
        kernel.score((&panel, &begin), codes, scales, &mut plain);
        kernel.score_at((&panel, &begin), codes, scales, &[], &mut best, &mut at);
        for q in 0..count {
            let (mut expected, mut first) = (f32::NEG_INFINITY, 0);
            for (t, (codes, scale)) in codes.chunks(stride).zip(scales).enumerate() {
                let score = truth_of_codes(&query[q * stride..(q + 1) * stride], codes, *scale);
                if score > expected {
                    (expected, first) = (score, t);
                }
            }
            let got = [plain[q], best[q]].map(f32::to_bits);
            assert_eq!(got, [expected.to_bits(); 2], "{} token {q}: {} {expected}", kernel.name, best[q]);
            assert_eq!(at[q] as usize, first, "{} token {q}", kernel.name);
        }
    }
}

#[test]
fn codes_of_every_shape_are_exact() {
    let mut random = RandomBytes(3);
    for stride in [4, 8, 12, 32, 60, 64, 128, 384, 1028] {
        for (q, t) in [(1, 1), (3, 13), (16, 12), (17, 25), (32, 30), (40, 7), (5, 0), (33, 1)] {
            let query: Vec<i8> = random.signed(q * stride).iter().map(|&byte| byte.max(-127)).collect();
            let codes = random.take(t * stride);
            let scales: Vec<f32> = random.take(t).iter().map(|&byte| f32::from(byte) * 1.7e-4).collect();
            check_codes(&query, PlacedBytes::new(&codes, stride % 61).bytes(), &scales, stride);
        }
    }
}

#[test]
fn the_largest_codes_do_not_wrap() {
    for (q, c) in [(-127, 0), (-127, 255), (127, 0), (127, 255)] {
        check_codes(&[q; 2048 * 3], &[c; 2048 * 5], &[1.0, 0.5, 0.0, 2.0, 2.0], 2048);
    }
    check_codes(&[127; 65_536], &[255; 65_536 * 2], &[1.0; 2], 65_536);
}

#[test]
fn all_at_once_is_each_by_itself() {
    let mut numbers = Numbers(5);
    for dims in [1, 3, 17, 64, 100] {
        for (count, width) in [(0, 7), (1, 100), (2, 64), (5, 65), (6, 16), (7, 130), (13, 3), (12, 0)] {
            let (xs, matrix) = (numbers.take(count * dims), numbers.take(dims * width));
            for kernels in every_variant() {
                let (mut all, mut each) = (vec![7.0; count * width], vec![8.0; count * width]);
                (kernels.project_all)(&xs, dims, &matrix, &mut all);
                for (x, out) in xs.chunks(dims).zip(each.chunks_mut(width.max(1))) {
                    (kernels.project)(x, &matrix, out);
                }
                let same = all.iter().zip(&each).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{} {count} of {dims} by {width}", kernels.isa);
            }
        }
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    for kernels in every_variant() {
        let (floats, codes) = (kernels.maxsim(), kernels.maxsim_codes());
        let n = floats.lanes;
        assert!(refused(|| floats.pack(&[1.0; 5], 2, &mut vec![0.0; 2 * n])));
        assert!(refused(|| floats.pack(&[1.0; 4], 2, &mut vec![0.0; 2 * n + 1])));
        assert!(refused(|| floats.pack(&[], 0, &mut [])));
        let panel = vec![1.0; 2 * n];
        assert!(refused(|| (floats.f32)(&panel, &[1.0; 3], 2, &mut vec![0.0; n])));
        assert!(refused(|| (floats.f32)(&panel, &[1.0; 4], 2, &mut vec![0.0; n + 1])));
        assert!(refused(|| (floats.f32)(&panel, &[1.0; 4], 0, &mut [])));
        assert!(refused(|| (floats.f32)(&panel[1..], &[1.0; 4], 2, &mut vec![0.0; n])));
        assert!(refused(|| (floats.f16_at)(&panel, &[1; 4], 2, &mut vec![0.0; n], &mut [])));
        assert!(refused(|| (kernels.project_all)(&[1.0; 4], 0, &[], &mut [])));
        assert!(refused(|| (kernels.project_all)(&[1.0; 4], 2, &[1.0; 5], &mut [0.0; 4])));
        assert!(refused(|| (kernels.project_all)(&[1.0; 4], 2, &[1.0; 4], &mut [0.0; 5])));
        let n = codes.lanes;
        let (mut panel, mut begin) = (vec![0; 8 * n], vec![0; n]);
        assert!(refused(|| codes.pack(&[1; 6], 6, &mut vec![0; 6 * n], &mut vec![0; n])));
        assert!(refused(|| codes.pack(&[-128; 8], 8, &mut vec![0; 8 * n], &mut vec![0; n])));
        codes.pack(&[1; 8], 8, &mut panel, &mut begin);
        let packed = (&panel[..], &begin[..]);
        assert!(refused(|| codes.score(packed, &[1; 16], &[1.0], &mut vec![0.0; n])));
        assert!(refused(|| codes.score(packed, &[1; 15], &[1.0; 2], &mut vec![0.0; n])));
        assert!(refused(|| codes.score(packed, &[1; 16], &[1.0; 2], &mut vec![0.0; 2 * n])));
        assert!(refused(|| codes.score_at(packed, &[1; 16], &[1.0; 2], &[], &mut vec![0.0; n], &mut [0])));
        codes.score((&[], &[]), &[], &[], &mut []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/maxsim.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_floats((query, tokens, dims) in (1usize..140, 1usize..40, 0usize..30).prop_flat_map(|(dims, q, t)| (
        prop::collection::vec(-2.0f32..2.0, dims * q),
        prop::collection::vec(-2.0f32..2.0, dims * t),
        Just(dims),
    ))) {
        check(&query, &tokens, dims);
    }
}

#[test]
fn sums_of_tokens_begin_with_their_part() {
    let mut random = RandomBytes(23);
    for (stride, q, t) in [(4, 1, 1), (8, 17, 5), (32, 33, 29), (100, 16, 13)] {
        let mut query = random.signed(q * stride);
        query.iter_mut().for_each(|byte| *byte = (*byte).max(-127));
        let codes = random.take(t * stride);
        let scales: Vec<f32> = (0..t).map(|at| 0.5 + at as f32).collect();
        let parts: Vec<u16> = random.take(t).iter().map(|byte| u16::from(byte % 3)).collect();
        let more = |part: u16, token: usize| i32::from(part) * 1_000 - 700 * token as i32;
        for kernels in every_variant() {
            let kernel = kernels.maxsim_codes();
            let padded = kernel.padded(q);
            let (mut panel, mut first) = (vec![0; padded * stride], vec![0; padded]);
            kernel.pack(&query, stride, &mut panel, &mut first);
            let begin: Vec<i32> = (0..3 * padded)
                .map(|at| first[at % padded] + more((at / padded) as u16, at % padded))
                .collect();
            let (mut plain, mut best, mut at) = (vec![0.0; padded], vec![0.0; padded], vec![0; padded]);
            kernel.score_from((&panel, &begin), &codes, &scales, &parts, &mut plain);
            kernel.score_at((&panel, &begin), &codes, &scales, &parts, &mut best, &mut at);
            for token in 0..q {
                let score = |t: usize| {
                    let pairs = query[token * stride..][..stride].iter().zip(&codes[t * stride..]);
                    let sum: i32 = pairs.map(|(&a, &b)| i32::from(a) * (i32::from(b) - 128)).sum();
                    (sum + more(parts[t], token)) as f32 * scales[t]
                };
                let (first, expected) = (0..t)
                    .map(|t| (t, score(t)))
                    .fold((0, f32::MIN), |best, one| if one.1 > best.1 { one } else { best });
                assert_eq!((plain[token], best[token], at[token]), (expected, expected, first as u32));
            }
            assert!(refused(|| kernel.score_from(
                (&panel, &begin),
                &codes,
                &scales,
                &vec![3; t],
                &mut plain
            )));
            assert!(refused(|| kernel.score_from((&panel, &begin), &codes, &scales, &[], &mut plain[1..])));
        }
    }
}
