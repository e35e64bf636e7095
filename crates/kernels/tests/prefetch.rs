//! A prefetch changes nothing and takes any range.

use tercet_kernels::{prefetch, prefetch_items};

#[test]
fn any_range_is_taken() {
    let bytes: Vec<u8> = (0..1000).map(|i| i as u8).collect();
    let numbers: Vec<u64> = (0..1000).collect();
    for at in [0, 1, 63, 64, 999, 1000, 1001, usize::MAX] {
        for len in [0, 1, 64, 65, 1000, usize::MAX] {
            prefetch(&bytes, at, len);
            prefetch(&[], at, len);
            // In bytes these leave the range of numbers.
            prefetch_items(&numbers, at, len);
            prefetch_items(&numbers, at / 2, len / 4 + 1);
        }
    }
    assert!(numbers.iter().enumerate().all(|(i, &number)| number == i as u64));
    assert!(bytes.iter().enumerate().all(|(i, &byte)| byte == i as u8));
}
