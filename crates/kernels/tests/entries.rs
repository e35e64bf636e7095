//! The checked entries: whatever could read or write out of bounds is refused, on every instruction set.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::{every_isa, refused};
use tercet_kernels::{METRICS, MetricKernels};

fn every_kernel() -> impl Iterator<Item = &'static MetricKernels> {
    every_isa().into_iter().flat_map(|kernels| METRICS.map(|metric| kernels.f32(metric)))
}

#[test]
fn wrong_lengths_are_refused() {
    let data = [1.0f32; 64];
    for kernel in every_kernel() {
        assert!(refused(|| _ = (kernel.pair)(&data[..3], &data[..4])));
        assert!(refused(|| _ = (kernel.pair)(&data[..1], &[])));
        assert!(refused(|| (kernel.batch)(&data[..4], &data[..15], &mut [0.0; 4])));
        assert!(refused(|| (kernel.batch)(&data[..4], &data[..16], &mut [0.0; 5])));
        assert!(refused(|| (kernel.batch)(&[], &data[..1], &mut [0.0; 1])));
        assert!(refused(|| (kernel.gather)(&data[..4], &data[..16], &[0, 1], &mut [0.0; 3])));
        assert!(refused(|| (kernel.gather)(&data[..4], &data[..16], &[0, 1], &mut [0.0; 1])));
        assert!(refused(|| (kernel.gather)(&data[..4], &data[..15], &[3], &mut [0.0; 1])));
    }
}

#[test]
fn ids_out_of_bounds_are_refused() {
    let data = [1.0f32; 16];
    for kernel in every_kernel() {
        for bad in [4, 5, 1 << 30, u32::MAX] {
            assert!(refused(|| (kernel.gather)(&data[..4], &data, &[0, bad, 1], &mut [0.0; 3])));
            assert!(refused(|| (kernel.gather)(&data[..4], &[], &[bad], &mut [0.0; 1])));
        }
    }
}

#[test]
fn empty_inputs_are_fine() {
    for kernel in every_kernel() {
        assert_eq!((kernel.pair)(&[], &[]), 0.0);
        (kernel.batch)(&[1.0, 2.0], &[], &mut []);
        (kernel.gather)(&[1.0, 2.0], &[], &[], &mut []);
        let mut out = [7.0; 3];
        (kernel.batch)(&[], &[], &mut out);
        assert_eq!(out, [0.0; 3], "rows without components");
    }
}
