//! One suite for the fast scan, run on every set of instructions that this machine has, against naive sums.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{PlacedBytes, RandomBytes, every_variant, refused};
use tercet_kernels::LookupQuery;

/// Written from the documentation of the layout.
fn truth(
    tables: &[u8],
    codes: &[u8],
    terms: &[u16],
    scales: &[u16],
    query: LookupQuery,
) -> (Vec<u16>, Vec<u32>) {
    let (mut totals, mut hits) = (Vec::new(), Vec::new());
    for (at, (block, terms)) in codes.chunks(tables.len().max(1)).zip(terms.chunks(32)).enumerate() {
        let mut hit = 0;
        for v in 0..32 {
            let part = |(table, codes): (&[u8], &[u8])| {
                let code = if v < 16 { codes[v] & 15 } else { codes[v - 16] >> 4 };
                u32::from(table[usize::from(code)])
            };
            let sum: u32 = tables.chunks(16).zip(block.chunks(16)).map(part).sum();
            let sum = scales.get(at * 32 + v).map_or(sum, |scale| {
                let scale = u32::from(*scale);
                ((sum * scale) >> 16) + (((65_535 - scale) * u32::from(query.offset)) >> 16)
            });
            let total = sum.min(65_535) + ((u32::from(terms[v]) * u32::from(query.factor)) >> 16);
            let total = total.min(65_535) as u16;
            totals.push(total);
            hit |= u32::from(total <= query.limit) << v;
        }
        hits.push(hit);
    }
    (totals, hits)
}

/// Without scales, and with the terms in another order as scales.
fn check(tables: &[u8], codes: &[u8], terms: &[u16], query: LookupQuery) {
    let scales: Vec<u16> = terms.iter().rev().map(|term| term.wrapping_mul(3)).collect();
    check_scaled(tables, codes, terms, &[], query);
    check_scaled(tables, codes, terms, &scales, LookupQuery { offset: query.limit / 2 + 7, ..query });
}

fn check_scaled(tables: &[u8], codes: &[u8], terms: &[u16], scales: &[u16], query: LookupQuery) {
    let expected = truth(tables, codes, terms, scales, query);
    for kernels in every_variant() {
        let kernel = kernels.lookup();
        let (mut totals, mut hits) = (vec![7; terms.len()], vec![7; terms.len() / 32]);
        (kernel.scan)(tables, codes, terms, scales, query, &mut totals, &mut hits);
        assert_eq!((totals, hits), expected, "{}, {} bytes of tables", kernel.name, tables.len());
    }
}

fn words(random: &mut RandomBytes, count: usize) -> Vec<u16> {
    random.take(count * 2).chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
fn any_number_of_parts_and_blocks_at_any_start() {
    let mut random = RandomBytes(3);
    for (case, groups) in [1, 2, 3, 4, 5, 7, 8, 12, 24, 49].into_iter().enumerate() {
        for blocks in [1, 2, 5] {
            let tables: Vec<u8> = random.take(groups * 64).into_iter().map(|byte| byte & 63).collect();
            let codes = random.take(tables.len() * blocks);
            let terms = words(&mut random, 32 * blocks);
            let middle = (groups * 4 * 32) as u16;
            let (tables, codes) = (PlacedBytes::new(&tables, case * 7), PlacedBytes::new(&codes, case * 5));
            for (factor, limit) in [(0, middle), (65_535, 30_000), (900, middle + 200), (1, 0)] {
                check(tables.bytes(), codes.bytes(), &terms, LookupQuery { factor, limit, offset: 0 });
            }
        }
    }
}

#[test]
fn the_largest_sums_and_limits() {
    let codes = |groups: usize, code: u8| vec![code; groups * 64];
    for groups in [1, 24, 260] {
        for (entry, term) in [(63, 0), (63, 65_535), (0, 65_535), (0, 0)] {
            let tables = vec![entry; groups * 64];
            for limit in [0, 1, 63 * groups as u16 * 4, 65_534, 65_535] {
                let query = LookupQuery { factor: 65_535, limit, offset: 0 };
                check(&tables, &codes(groups, 0xf0), &[term; 32], query);
            }
        }
    }
}

#[test]
fn each_code_meets_the_table_of_its_part() {
    for part in 0..8 {
        for code in 0..16u8 {
            let mut tables = vec![0; 128];
            tables[part * 16 + usize::from(code)] = 1;
            let codes: Vec<u8> = (0..128u32).map(|at| ((at * 37 + 11) % 251) as u8).collect();
            check(&tables, &codes, &[0; 32], LookupQuery::default());
        }
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let query = LookupQuery::default();
    for kernels in every_variant() {
        let scan = kernels.lookup().scan;
        let (tables, codes, terms) = (vec![0; 64], vec![0; 128], vec![0; 64]);
        scan(&tables, &codes, &terms, &[], query, &mut [0; 64], &mut [0; 2]);
        scan(&[], &[], &terms, &[], query, &mut [0; 64], &mut [0; 2]);
        assert!(refused(|| scan(&tables[1..], &codes, &terms, &[], query, &mut [0; 64], &mut [0; 2])));
        assert!(refused(|| scan(&tables, &codes[1..], &terms, &[], query, &mut [0; 64], &mut [0; 2])));
        assert!(refused(|| scan(&tables, &codes, &terms[1..], &[], query, &mut [0; 64], &mut [0; 2])));
        assert!(refused(|| scan(&tables, &codes, &terms, &[], query, &mut [0; 63], &mut [0; 2])));
        assert!(refused(|| scan(&tables, &codes, &terms, &[], query, &mut [0; 64], &mut [0; 3])));
        assert!(refused(|| scan(&tables, &codes, &terms, &terms[1..], query, &mut [0; 64], &mut [0; 2])));
    }
}

#[test]
fn codes_become_bytes_by_their_table() {
    let mut random = RandomBytes(5);
    for bits in [1usize, 2, 4] {
        let values = random.take(1 << bits);
        let tables = tercet_kernels::UnpackTables::new(&values);
        assert_eq!(tables.planes(), 8 / bits);
        for (stride, count) in [(1, 1), (3, 40), (16, 3), (32, 5), (33, 2), (96, 33), (130, 2), (7, 0)] {
            let packed = PlacedBytes::new(&random.take(stride * count), stride % 5);
            let codes = packed.bytes();
            let mut expected = Vec::new();
            for vector in codes.chunks(stride) {
                for plane in 0..8 / bits {
                    let code = |byte: &u8| usize::from(byte >> (plane * bits)) & ((1 << bits) - 1);
                    expected.extend(vector.iter().map(|byte| values[code(byte)]));
                }
            }
            for kernels in every_variant() {
                let mut out = vec![0; expected.len() + tercet_kernels::UNPACK_SLACK];
                (kernels.lookup().unpack)(&tables, codes, stride, &mut out);
                assert_eq!(out[..expected.len()], expected, "{} {bits} bits", kernels.lookup().name);
                assert!(refused(|| (kernels.lookup().unpack)(&tables, codes, stride, &mut [0; 1])));
            }
        }
    }
}
