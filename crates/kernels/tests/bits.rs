//! One suite for the kernels on bits, run on every set of instructions that this machine has, against naive counts.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{PlacedBytes, RandomBytes, every_variant, refused};

/// Bit by bit: how many differ, and the share of those in both among those in either.
fn truth(query: &[u8], row: &[u8]) -> (u32, f32) {
    let (mut both, mut either) = (0u32, 0u32);
    for bit in 0..query.len() * 8 {
        let set = |bytes: &[u8]| bytes[bit / 8] >> (bit % 8) & 1 == 1;
        both += u32::from(set(query) && set(row));
        either += u32::from(set(query) || set(row));
    }
    (either - both, if either == 0 { 1.0 } else { both as f32 / either as f32 })
}

fn check(query: &[u8], rows: &[u8], count: usize, ids: &[u32]) {
    let row = |at: usize| &rows[at * query.len()..(at + 1) * query.len()];
    let (hamming, jaccard): (Vec<u32>, Vec<f32>) = (0..count).map(|at| truth(query, row(at))).unzip();
    for kernels in every_variant() {
        let (what, bits) = (format!("{}, {} bytes", kernels.isa, query.len()), kernels.bits());
        let (mut counts, mut shares) = (vec![u32::MAX; count], vec![f32::NAN; count]);
        (bits.hamming_batch)(query, rows, &mut counts);
        (bits.jaccard_batch)(query, rows, &mut shares);
        assert_eq!((&counts, &shares), (&hamming, &jaccard), "{what}");
        let (mut counts, mut shares) = (vec![u32::MAX; ids.len()], vec![f32::NAN; ids.len()]);
        (bits.hamming_gather)(query, rows, ids, &mut counts);
        (bits.jaccard_gather)(query, rows, ids, &mut shares);
        for (at, &id) in ids.iter().enumerate() {
            assert_eq!((counts[at], shares[at]), (hamming[id as usize], jaccard[id as usize]), "{what}");
        }
    }
}

#[test]
fn every_length_on_none_to_nine_rows() {
    let mut random = RandomBytes(1);
    for bytes in (0..=70).chain([96, 127, 128, 129, 200, 256]) {
        let (query, rows) = (random.take(bytes), random.take(bytes * 9));
        for count in 0..=9 {
            check(&query, &rows[..bytes * count], count, &(0..count as u32).rev().collect::<Vec<_>>());
        }
    }
}

#[test]
fn full_empty_and_single_bits() {
    for bytes in [1, 8, 15, 16, 31, 32, 33, 64, 65, 130, 1000] {
        let mut rows = vec![0u8; bytes * 5];
        rows[bytes..2 * bytes].fill(255);
        rows[2 * bytes] = 1;
        rows[4 * bytes - 1] = 128;
        rows[4 * bytes] = 16;
        for query in [vec![0; bytes], vec![255; bytes], rows[2 * bytes..3 * bytes].to_vec()] {
            check(&query, &rows, 5, &[4, 3, 2, 1, 0]);
        }
    }
}

#[test]
fn any_start_in_memory_and_nothing_read_beyond_the_rows() {
    let mut random = RandomBytes(2);
    for bytes in [1, 7, 16, 17, 31, 33, 48, 63, 64, 100] {
        let (query, rows) = (random.take(bytes), random.take(bytes * 5));
        for start in 0..=33 {
            let (query, rows) = (PlacedBytes::new(&query, start), PlacedBytes::new(&rows, start * 7 % 67));
            check(query.bytes(), rows.bytes(), 5, &[4, 0, 4, 1, 2, 3]);
        }
    }
}

#[test]
fn wrong_lengths_and_ids_are_refused() {
    let (query, rows) = ([1u8; 8], [1u8; 32]);
    for kernels in every_variant() {
        let bits = kernels.bits();
        assert!(refused(|| (bits.hamming_batch)(&query, &rows, &mut [0; 3])));
        assert!(refused(|| (bits.jaccard_batch)(&query, &rows[1..], &mut [0.0; 4])));
        assert!(refused(|| (bits.hamming_gather)(&query, &rows, &[0], &mut [0; 2])));
        assert!(refused(|| (bits.jaccard_gather)(&query, &rows, &[0, 1], &mut [0.0; 1])));
        for bad in [4, 1 << 29, u32::MAX] {
            assert!(refused(|| (bits.hamming_gather)(&query, &rows, &[0, bad], &mut [0; 2])));
            assert!(refused(|| (bits.jaccard_gather)(&query, &rows, &[bad, 0], &mut [0.0; 2])));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/bits.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bits((query, rows, ids) in (0usize..150, 1usize..10).prop_flat_map(|(bytes, count)| (
        prop::collection::vec(any::<u8>(), bytes),
        prop::collection::vec(any::<u8>(), bytes * count),
        prop::collection::vec(0..count as u32, 0..30),
    ))) {
        check(&query, &rows, rows.len().checked_div(query.len()).unwrap_or(10), &ids);
    }
}
