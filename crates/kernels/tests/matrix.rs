//! Many vectors at once: the projection against its definition, the tiles against the single pairs; bit for bit.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Numbers, Placed, RandomBytes, every_variant, refused, same};
use tercet_kernels::METRICS;

fn check_projection(x: &[f32], matrix: &[f32], columns: usize) {
    let mut expected = vec![0.0f32; columns];
    for (i, factor) in x.iter().enumerate() {
        for (j, sum) in expected.iter_mut().enumerate() {
            let product = std::hint::black_box(factor * matrix[i * columns + j]);
            *sum += product;
        }
    }
    for kernels in every_variant() {
        let mut out = vec![f32::NAN; columns];
        (kernels.project)(x, matrix, &mut out);
        let agrees = out.iter().zip(&expected).all(|(&a, &b)| same(a, b));
        assert!(agrees, "{} {}x{columns}: {out:?}, expected {expected:?}", kernels.isa, x.len());
    }
}

#[test]
fn the_projection_of_every_shape_has_the_bits_of_its_definition() {
    let mut numbers = Numbers(1);
    for rows in [0, 1, 2, 3, 7, 64, 100] {
        for columns in (0..=150).chain([255, 256, 257, 384]) {
            let (x, matrix) = (numbers.take(rows), numbers.take(rows * columns));
            check_projection(&x, &matrix, columns);
        }
    }
}

#[test]
fn the_projection_reads_nothing_beyond_the_matrix() {
    let mut numbers = Numbers(2);
    for columns in [1, 3, 5, 8, 15, 17, 33, 130] {
        let (x, matrix) = (numbers.take(9), numbers.take(9 * columns));
        for start in 0..17 {
            check_projection(
                Placed::new(&x, start).values(),
                Placed::new(&matrix, 16 - start).values(),
                columns,
            );
        }
    }
}

#[test]
fn the_projection_of_special_numbers() {
    let some = [0.0, -0.0, 1e-40, -1e-45, 1e38, -3e38, f32::INFINITY, f32::NAN, 1.5];
    for &a in &some {
        for &b in &some {
            check_projection(&[1.0, a, 1.0], &[b; 63], 21);
        }
    }
}

#[test]
fn a_matrix_of_another_shape_is_refused() {
    for kernels in every_variant() {
        assert!(refused(|| (kernels.project)(&[1.0; 3], &[1.0; 11], &mut [0.0; 4])));
        assert!(refused(|| (kernels.project)(&[1.0; 3], &[1.0; 13], &mut [0.0; 4])));
        assert!(refused(|| (kernels.project)(&[], &[1.0], &mut [0.0; 4])));
    }
}

fn check_tile(queries: &[f32], rows: &[f32], dims: usize) {
    let (query_count, row_count) = (queries.len() / dims, rows.len() / dims);
    for kernels in every_variant() {
        for metric in METRICS {
            let kernel = kernels.f32(metric);
            let mut out = vec![7.5; query_count * row_count];
            (kernel.tile)(queries, rows, dims, &mut out);
            for (at, &got) in out.iter().enumerate() {
                let (q, r) = (at / row_count, at % row_count);
                let pair = (kernel.pair)(&queries[q * dims..(q + 1) * dims], &rows[r * dims..(r + 1) * dims]);
                let what = format!("{} {} {dims} dims, {q} and {r}", kernels.isa, metric.name());
                assert!(same(pair, got), "{what}: {pair} by pair, {got} by tile");
            }
        }
    }
}

#[test]
fn a_tile_has_the_bits_of_its_pairs() {
    let mut numbers = Numbers(3);
    for dims in (1..=70).chain([95, 127, 128, 129, 255, 384]) {
        let (queries, rows) = (numbers.take(dims * 9), numbers.take(dims * 13));
        for (q, r) in [(1, 1), (9, 13), (4, 6), (3, 5), (2, 12), (5, 7), (8, 1), (0, 3), (3, 0)] {
            check_tile(&queries[..q * dims], &rows[..r * dims], dims);
        }
    }
}

#[test]
fn a_tile_of_many_queries_has_the_bits_of_its_pairs() {
    let mut numbers = Numbers(6);
    let (queries, rows) = (numbers.take(20 * 131), numbers.take(20 * 9));
    for count in [63, 64, 65, 128, 131] {
        check_tile(&queries[..20 * count], &rows, 20);
    }
}

#[test]
fn a_tile_reads_nothing_beyond_its_vectors() {
    let mut numbers = Numbers(4);
    for dims in [1, 3, 8, 15, 17, 33, 65] {
        let (queries, rows) = (numbers.take(dims * 5), numbers.take(dims * 7));
        for start in 0..17 {
            check_tile(Placed::new(&queries, start).values(), Placed::new(&rows, 16 - start).values(), dims);
        }
    }
}

#[test]
fn a_tile_of_codes_has_the_sums_of_the_batches() {
    let mut random = RandomBytes(5);
    for stride in [32, 64, 96, 128, 160, 384, 448] {
        let rows = random.take(stride * 13);
        for (q, r) in [(1, 1), (9, 13), (4, 4), (3, 5), (2, 12), (5, 7), (8, 1), (0, 3), (3, 0)] {
            let rows = &rows[..r * stride];
            for kernels in every_variant() {
                for (kernel, bytes) in [(kernels.u8(), 1), (kernels.u4(), 2)] {
                    let queries = random.signed(q * stride * bytes);
                    let (mut out, mut expected) = (vec![i32::MIN; q * r], vec![0; q * r]);
                    (kernel.tile)(&queries, rows, stride, &mut out);
                    for q in 0..q {
                        let query = &queries[q * stride * bytes..(q + 1) * stride * bytes];
                        (kernel.batch)(query, rows, &mut expected[q * r..(q + 1) * r]);
                    }
                    assert_eq!(out, expected, "{} {q}x{r}, stride {stride}", kernel.name);
                }
            }
        }
    }
}

#[test]
fn tiles_that_do_not_fit_are_refused() {
    for kernels in every_variant() {
        for metric in METRICS {
            let tile = kernels.f32(metric).tile;
            assert!(refused(|| tile(&[1.0; 7], &[1.0; 8], 4, &mut [0.0; 2])));
            assert!(refused(|| tile(&[1.0; 8], &[1.0; 7], 4, &mut [0.0; 2])));
            assert!(refused(|| tile(&[1.0; 8], &[1.0; 8], 4, &mut [0.0; 3])));
            assert!(refused(|| tile(&[1.0; 8], &[1.0; 8], 4, &mut [0.0; 5])));
            assert!(refused(|| tile(&[1.0; 8], &[], 0, &mut [])));
            assert!(refused(|| tile(&[], &[], 0, &mut [0.0])));
            tile(&[], &[], 0, &mut []);
        }
        for (kernel, bytes) in [(kernels.u8(), 1), (kernels.u4(), 2)] {
            let queries = &[1i8; 256][..128 * bytes];
            assert!(refused(|| (kernel.tile)(queries, &[1; 128], 16, &mut [0; 64])));
            assert!(refused(|| (kernel.tile)(&queries[1..], &[1; 128], 32, &mut [0; 16])));
            assert!(refused(|| (kernel.tile)(queries, &[1; 127], 32, &mut [0; 16])));
            assert!(refused(|| (kernel.tile)(queries, &[1; 128], 32, &mut [0; 15])));
            assert!(refused(|| (kernel.tile)(queries, &[1; 128], 0, &mut [])));
            (kernel.tile)(&[], &[], 0, &mut []);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/matrix.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_projection((x, matrix, columns) in (0usize..40, 0usize..200).prop_flat_map(|(rows, columns)| (
        prop::collection::vec(prop_oneof![9 => -2.0f32..2.0, 1 => any::<f32>()], rows),
        prop::collection::vec(prop_oneof![9 => -2.0f32..2.0, 1 => any::<f32>()], rows * columns),
        Just(columns),
    ))) {
        check_projection(&x, &matrix, columns);
    }

    #[test]
    fn any_tile((queries, rows, dims) in (1usize..150, 0usize..8, 0usize..15).prop_flat_map(|(dims, q, r)| (
        prop::collection::vec(prop_oneof![99 => -2.0f32..2.0, 1 => any::<f32>()], dims * q),
        prop::collection::vec(prop_oneof![99 => -2.0f32..2.0, 1 => any::<f32>()], dims * r),
        Just(dims),
    ))) {
        check_tile(&queries, &rows, dims);
    }
}
