//! One suite for the f32 kernels, run on every instruction set that this machine has, against a naive f64 oracle.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{Numbers, Placed, assert_near, every_isa, same, truth};
use tercet_kernels::{Isa, Kernels, METRICS, Metric, kernels_for};

/// Every length to 130, then some around the steps of the loops and the usual dimensions.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=130).chain([191, 192, 193, 255, 256, 257, 300, 383, 384, 385, 511, 768, 1023, 1024, 1536, 3072])
}

/// All three forms on one set of rows: near the oracle, near scalar, the same bits in each form.
fn check_forms(kernels: &Kernels, metric: Metric, query: &[f32], rows: &[f32], count: usize, ids: &[u32]) {
    let chosen = kernels.f32(metric);
    let scalar = kernels_for(Isa::Scalar).unwrap().f32(metric);
    let what = |form: &str, row: usize| {
        format!("{} {} {form}, {} dims, row {row} of {count}", kernels.isa, metric.name(), query.len())
    };
    let row = |at: usize| &rows[at * query.len()..(at + 1) * query.len()];
    let mut batch = vec![f32::NAN; count];
    (chosen.batch)(query, rows, &mut batch);
    for (at, &got) in batch.iter().enumerate() {
        let mut expected = truth(metric, query, row(at));
        assert_near(got, &expected, &|| what("batch", at));
        let pair = (chosen.pair)(query, row(at));
        assert!(same(pair, got), "{}: {pair} by pair, {got} by batch", what("pair", at));
        if !got.is_nan() {
            (expected.value, expected.tolerance) = (f64::from(got), 2.0 * expected.tolerance);
            assert_near((scalar.pair)(query, row(at)), &expected, &|| what("against scalar", at));
        }
    }
    let mut gathered = vec![f32::NAN; ids.len()];
    (chosen.gather)(query, rows, ids, &mut gathered);
    for (&id, &got) in ids.iter().zip(&gathered) {
        assert!(same(got, batch[id as usize]), "{}", what("gather", id as usize));
    }
}

#[test]
fn every_length_on_batches_of_none_to_nine_rows() {
    let mut numbers = Numbers(1);
    for dims in lengths() {
        let query = numbers.take(dims);
        let rows = numbers.take(dims * 9);
        for count in 0..=9 {
            let ids: Vec<u32> = (0..count as u32).rev().chain(0..count as u32).collect();
            for (kernels, metric) in every_isa().into_iter().flat_map(|k| METRICS.map(|m| (k, m))) {
                check_forms(kernels, metric, &query, &rows[..dims * count], count, &ids);
            }
        }
    }
}

#[test]
fn any_start_in_memory_and_nothing_read_beyond_the_rows() {
    let mut numbers = Numbers(2);
    for dims in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 129] {
        let (query, rows) = (numbers.take(dims), numbers.take(dims * 5));
        for start in 0..=17 {
            let (query, rows) = (Placed::new(&query, start), Placed::new(&rows, (start * 7) % 18));
            for (kernels, metric) in every_isa().into_iter().flat_map(|k| METRICS.map(|m| (k, m))) {
                check_forms(kernels, metric, query.values(), rows.values(), 5, &[4, 0, 4, 4, 1]);
            }
        }
    }
}

#[test]
fn a_special_number_at_any_place_is_seen() {
    let mut numbers = Numbers(3);
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for dims in [1, 3, 4, 5, 8, 15, 16, 17, 31, 33, 47, 63, 64, 65, 79, 127, 130] {
        let (query, rows) = (numbers.take(dims), numbers.take(dims * 3));
        for at in 0..dims {
            for special in [nan, inf, -inf] {
                let (mut query_hit, mut rows_hit) = (query.clone(), rows.clone());
                query_hit[at] = special;
                rows_hit[dims + at] = special; // the row in the middle alone
                for (kernels, metric) in every_isa().into_iter().flat_map(|k| METRICS.map(|m| (k, m))) {
                    check_forms(kernels, metric, &query, &rows_hit, 3, &[1, 2]);
                    check_forms(kernels, metric, &query_hit, &rows, 3, &[0]);
                    let clean = |values: &[f32]| values.iter().all(|value| value.is_finite());
                    let mut out = [0.0; 3];
                    (kernels.f32(metric).batch)(&query, &rows_hit, &mut out);
                    assert!(clean(&[out[0], out[2]]), "a neighbour of the special row is touched");
                }
            }
        }
    }
}

#[test]
fn subnormal_and_large_numbers() {
    let mut numbers = Numbers(4);
    for dims in [1, 7, 16, 33, 100, 384] {
        for (scale_query, scale_rows) in
            [(1e-40, 1.0), (1.0, 1e-42), (1e-40, 1e-41), (1e-40, 1e30), (1e17, 1e17)]
        {
            let query: Vec<f32> = numbers.take(dims).iter().map(|x| x * scale_query).collect();
            let rows: Vec<f32> = numbers.take(dims * 5).iter().map(|x| x * scale_rows).collect();
            for (kernels, metric) in every_isa().into_iter().flat_map(|k| METRICS.map(|m| (k, m))) {
                let overflows = metric == Metric::L2 && scale_rows == 1e30;
                let underflows = metric == Metric::Cosine && scale_query.min(scale_rows) < 1e-30;
                if !overflows && !underflows {
                    check_forms(kernels, metric, &query, &rows, 5, &[4, 1]);
                } else if overflows {
                    assert_eq!((kernels.f32(metric).pair)(&query, &rows[..dims]), f32::INFINITY);
                } else {
                    let got = (kernels.f32(metric).pair)(&query, &rows[..dims]);
                    assert_eq!(got, 0.0, "a squared norm that underflows counts as zero");
                }
            }
        }
    }
}

#[test]
fn cosine_of_a_zero_vector_is_zero_and_of_itself_at_most_one() {
    let mut numbers = Numbers(5);
    for kernels in every_isa() {
        let pair = kernels.f32(Metric::Cosine).pair;
        for dims in lengths() {
            let (some, zero) = (numbers.take(dims), vec![0.0; dims]);
            for (a, b) in [(&some, &zero), (&zero, &some), (&zero, &zero)] {
                assert_eq!(pair(a, b), 0.0);
            }
            let opposite: Vec<f32> = some.iter().map(|x| -x).collect();
            let (with_itself, with_opposite) = (pair(&some, &some), pair(&some, &opposite));
            assert!(with_itself <= 1.0 && with_opposite >= -1.0);
            assert!(dims == 0 || (with_itself > 0.9999 && with_opposite < -0.9999));
        }
    }
}

#[test]
fn l2_of_equal_vectors_is_zero() {
    let some = Numbers(6).take(1000);
    for kernels in every_isa() {
        for dims in lengths().filter(|&dims| dims <= some.len()) {
            assert_eq!((kernels.f32(Metric::L2).pair)(&some[..dims], &some[..dims]), 0.0);
        }
    }
}

/// Recorded once. Scalar fixes the order of its operations, so these bits hold on every machine and in every build.
#[test]
fn scalar_has_its_golden_bits() {
    let scalar = kernels_for(Isa::Scalar).unwrap();
    let mut got = Vec::new();
    for dims in [1usize, 5, 31, 100, 384, 1023] {
        let mut numbers = Numbers(dims as u64);
        let (query, row) = (numbers.take(dims), numbers.take(dims));
        got.push(METRICS.map(|metric| (scalar.f32(metric).pair)(&query, &row).to_bits()));
    }
    assert_eq!(got, GOLDEN, "{got:#010x?}");
}

const GOLDEN: [[u32; 3]; 6] = [
    [0xbb3d_5f9d, 0x3cf3_788c, 0xbf80_0000],
    [0x3f09_60f0, 0x3fea_da5a, 0x3ebc_f672],
    [0xbf6f_169a, 0x41b6_5f75, 0xbdb7_8ace],
    [0xc088_577e, 0x428b_dfc9, 0xbe0e_1760],
    [0x40f8_ab8a, 0x4365_b608, 0x3d81_dec9],
    [0xc094_93c8, 0x442d_a8e3, 0xbc5e_0245],
];

/// Mostly tame numbers, now and then one that is not.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        40 => -1.0f32..1.0,
        8 => -1e6f32..1e6,
        4 => Just(0.0f32),
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(-0.0), Just(1e-40)],
    ]
}

fn case() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, usize, Vec<u32>, usize)> {
    (0usize..300, 1usize..14, 0usize..17).prop_flat_map(|(dims, count, start)| {
        let ids = prop::collection::vec(0..count as u32, 0..40);
        let values = |len: usize| prop::collection::vec(number(), len);
        (values(dims), values(dims * count), Just(count), ids, Just(start))
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/f32.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_vectors_any_rows_any_ids((query, rows, count, ids, start) in case()) {
        let (query, rows) = (Placed::new(&query, start), Placed::new(&rows, 16 - start));
        for (kernels, metric) in every_isa().into_iter().flat_map(|k| METRICS.map(|m| (k, m))) {
            check_forms(kernels, metric, query.values(), rows.values(), count, &ids);
        }
    }
}
