//! One suite for the kernels on codes, run on every set of instructions that this machine has, against naive sums.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use support::{PlacedBytes, RandomBytes, every_variant, refused};
use tercet_kernels::{CodeKernels, Kernels};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Width {
    U8,
    U4,
}

const WIDTHS: [Width; 2] = [Width::U8, Width::U4];

impl Width {
    fn kernels(self, kernels: &Kernels) -> &CodeKernels {
        match self {
            Width::U8 => kernels.u8(),
            Width::U4 => kernels.u4(),
        }
    }

    fn query_bytes(self, stride: usize) -> usize {
        stride * if self == Width::U8 { 1 } else { 2 }
    }

    /// The codes of a row in the query's order, written from the documentation of the layout.
    fn codes(self, row: &[u8]) -> Vec<u8> {
        match self {
            Width::U8 => row.to_vec(),
            Width::U4 => row
                .chunks(64)
                .flat_map(|block| {
                    let low = block.iter().map(|byte| byte & 15);
                    low.chain(block.iter().map(|byte| byte >> 4)).collect::<Vec<u8>>()
                })
                .collect(),
        }
    }

    fn truth(self, query: &[i8], row: &[u8]) -> i32 {
        let codes = self.codes(row);
        assert_eq!(codes.len(), query.len());
        let sum: i64 = query.iter().zip(codes).map(|(&q, c)| i64::from(q) * i64::from(c)).sum();
        sum.try_into().expect("a sum within i32")
    }
}

/// Both forms give the exact sums, on every set of instructions.
fn check(width: Width, query: &[i8], rows: &[u8], count: usize, ids: &[u32]) {
    let stride = rows.len() / count.max(1);
    let row = |at: usize| &rows[at * stride..(at + 1) * stride];
    let expected: Vec<i32> = (0..count).map(|at| width.truth(query, row(at))).collect();
    let chosen: Vec<i32> = ids.iter().map(|&id| expected[id as usize]).collect();
    for kernels in every_variant() {
        let kernels = width.kernels(kernels);
        let mut out = vec![i32::MIN; count];
        (kernels.batch)(query, rows, &mut out);
        assert_eq!(out, expected, "{} {width:?} batch, stride {stride}", kernels.name);
        let mut out = vec![i32::MIN; ids.len()];
        (kernels.gather)(query, rows, ids, &mut out);
        assert_eq!(out, chosen, "{} {width:?} gather, stride {stride}", kernels.name);
    }
}

fn strides() -> impl Iterator<Item = usize> {
    (32..=512).step_by(32).chain([768, 1024, 1056, 2080])
}

#[test]
fn every_stride_on_none_to_thirteen_rows() {
    let mut random = RandomBytes(1);
    for (width, stride) in WIDTHS.into_iter().flat_map(|width| strides().map(move |stride| (width, stride))) {
        let query = random.signed(width.query_bytes(stride));
        let rows = random.take(stride * 13);
        for count in 0..=13 {
            let ids: Vec<u32> = (0..count as u32).rev().chain((0..count as u32).step_by(3)).collect();
            check(width, &query, &rows[..stride * count], count, &ids);
        }
    }
}

#[test]
fn extreme_numbers_in_every_combination() {
    for (width, stride) in WIDTHS.into_iter().flat_map(|width| strides().map(move |stride| (width, stride))) {
        for q in [-128i8, -127, -1, 0, 1, 127] {
            for c in [0u8, 1, 0x0f, 0x10, 0x7f, 0x80, 0xf0, 0xff] {
                let query = vec![q; width.query_bytes(stride)];
                check(width, &query, &vec![c; stride * 5], 5, &[4, 0, 0, 3, 2]);
            }
        }
    }
}

#[test]
fn each_byte_of_a_row_meets_its_own_of_the_query() {
    for (width, stride) in
        WIDTHS.into_iter().flat_map(|width| [32, 64, 96, 160].map(|stride| (width, stride)))
    {
        for at in 0..width.query_bytes(stride) {
            let mut query = vec![0; width.query_bytes(stride)];
            query[at] = if at % 2 == 0 { -128 } else { 127 };
            let mut rows: Vec<u8> = (0..stride * 5).map(|i| (i * 89 % 251) as u8).collect();
            rows[stride * 2..stride * 3].fill(255);
            check(width, &query, &rows, 5, &[1, 2, 4, 3, 0, 2]);
        }
    }
}

#[test]
fn the_longest_rows_do_not_wrap() {
    for (width, stride) in [(Width::U8, 65_568), (Width::U4, 32_800)] {
        for (q, c) in [(-128, 255), (127, 255), (-128, 0xf0), (127, 0x0f)] {
            check(width, &vec![q; width.query_bytes(stride)], &vec![c; stride * 5], 5, &[0, 4]);
        }
    }
}

#[test]
fn any_start_in_memory_and_nothing_read_beyond_the_rows() {
    let mut random = RandomBytes(2);
    for (width, stride) in
        WIDTHS.into_iter().flat_map(|width| [32, 64, 96, 128, 224].map(|stride| (width, stride)))
    {
        let (query, rows) = (random.take(width.query_bytes(stride)), random.take(stride * 6));
        for start in 0..=65 {
            let (query, rows) = (PlacedBytes::new(&query, start), PlacedBytes::new(&rows, start * 7 % 67));
            check(width, query.signed(), rows.bytes(), 6, &[5, 0, 5, 5, 1, 2, 3]);
        }
    }
}

#[test]
fn wrong_lengths_and_ids_are_refused() {
    let (query, rows) = ([1i8; 128], [1u8; 256]);
    for kernels in every_variant() {
        for (width, wide) in [(Width::U8, 1), (Width::U4, 2)] {
            let kernel = width.kernels(kernels);
            let query = &query[..64 * wide];
            assert!(refused(|| (kernel.batch)(&query[1..], &rows, &mut [0; 4])), "no multiple of the grain");
            assert!(refused(|| (kernel.gather)(&query[..16 * wide], &rows, &[0], &mut [0])));
            assert!(refused(|| (kernel.batch)(query, &rows, &mut [0; 3])));
            assert!(refused(|| (kernel.batch)(query, &rows[1..], &mut [0; 4])));
            assert!(refused(|| (kernel.batch)(&[], &rows, &mut [0; 4])));
            assert!(refused(|| (kernel.gather)(query, &rows, &[0, 1], &mut [0; 1])));
            assert!(refused(|| (kernel.gather)(query, &rows, &[0, 1], &mut [0; 3])));
            assert!(refused(|| (kernel.gather)(query, &rows[1..], &[3], &mut [0])));
            assert!(refused(|| (kernel.gather)(query, &[], &[0], &mut [0])));
            for bad in [4, 5, 1 << 26, 1 << 30, u32::MAX] {
                for at in 0..21 {
                    let mut ids = [3; 21];
                    ids[at] = bad;
                    assert!(refused(|| (kernel.gather)(query, &rows, &ids, &mut [0; 21])), "{bad} at {at}");
                }
            }
        }
    }
}

#[test]
fn empty_inputs_are_fine() {
    for kernels in every_variant() {
        for width in WIDTHS {
            let kernel = width.kernels(kernels);
            (kernel.batch)(&[1; 64], &[], &mut []);
            (kernel.gather)(&[1; 64], &[], &[], &mut []);
            let mut out = [7; 5];
            (kernel.batch)(&[], &[], &mut out);
            assert_eq!(out, [0; 5], "rows without codes");
        }
    }
}

fn case() -> impl Strategy<Value = (Width, Vec<u8>, Vec<u8>, usize, Vec<u32>, usize)> {
    let byte = || prop_oneof![6 => any::<u8>(), 1 => Just(0u8), 1 => Just(128u8), 1 => Just(127u8), 1 => Just(255u8)];
    let width = prop_oneof![Just(Width::U8), Just(Width::U4)];
    (width, 1usize..20, 1usize..18, 0usize..65).prop_flat_map(move |(width, grains, count, start)| {
        let ids = prop::collection::vec(0..count as u32, 0..40);
        let query = prop::collection::vec(byte(), width.query_bytes(grains * 32));
        (
            Just(width),
            query,
            prop::collection::vec(byte(), grains * 32 * count),
            Just(count),
            ids,
            Just(start),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/codes.proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_codes_any_rows_any_ids((width, query, rows, count, ids, start) in case()) {
        let (query, rows) = (PlacedBytes::new(&query, start), PlacedBytes::new(&rows, 64 - start));
        check(width, query.signed(), rows.bytes(), count, &ids);
    }
}
