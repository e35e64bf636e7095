//! The naive f64 oracle, the written tolerance, and reproducible inputs.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use tercet_kernels::{Kernels, Metric, available, kernels_for, variants_for};

/// Half an ulp of 1 in f32.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// The smallest subnormal f32.
const SMALLEST: f64 = 1.401_298_464_324_817e-45;

/// The true value and how far an f32 kernel may be from it.
pub(crate) struct Truth {
    pub(crate) value: f64,
    pub(crate) tolerance: f64,
}

/// In f64: the products of f32 are exact there, and its own rounding is far below the tolerance.
pub(crate) fn truth(metric: Metric, query: &[f32], row: &[f32]) -> Truth {
    let pairs = || query.iter().zip(row).map(|(&q, &r)| (f64::from(q), f64::from(r)));
    let n = query.len() as f64;
    match metric {
        Metric::Dot => {
            let absolute: f64 = pairs().map(|(q, r)| (q * r).abs()).sum();
            let tolerance = (n + 2.0) * ROUNDING * absolute + n * SMALLEST;
            Truth { value: pairs().map(|(q, r)| q * r).sum(), tolerance }
        }
        Metric::L2 => {
            let value: f64 = pairs().map(|(q, r)| (q - r) * (q - r)).sum();
            Truth { value, tolerance: (n + 4.0) * ROUNDING * value + n * SMALLEST }
        }
        Metric::Cosine => {
            let dot: f64 = pairs().map(|(q, r)| q * r).sum();
            let norm = |x: &[f32]| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            let (a, b) = (norm(query), norm(row));
            let value = if a == 0.0 || b == 0.0 { 0.0 } else { dot / (a * b) };
            Truth { value, tolerance: (2.0 * n + 8.0) * ROUNDING }
        }
    }
}

/// Fails unless `got` is what the truth allows; not-a-number and infinities have to be met exactly.
pub(crate) fn assert_near(got: f32, truth: &Truth, what: &dyn Fn() -> String) {
    let agrees = if truth.value.is_nan() {
        got.is_nan()
    } else if truth.value.is_infinite() {
        f64::from(got) == truth.value
    } else {
        (f64::from(got) - truth.value).abs() <= truth.tolerance
    };
    assert!(agrees, "{}: got {got}, expected {} within {:e}", what(), truth.value, truth.tolerance);
}

/// The same bits, any not-a-number being as good as another.
pub(crate) fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// The kernels of every instruction set of this machine.
pub(crate) fn every_isa() -> Vec<&'static Kernels> {
    available().into_iter().map(|isa| kernels_for(isa).expect("available, so it has kernels")).collect()
}

/// Numbers in -1..1 from a linear congruential generator (Knuth's MMIX constants).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// `values` from place `start` of a longer buffer, not-a-number all around: whatever is read beyond them shows.
pub(crate) struct Placed {
    buffer: Vec<f32>,
    start: usize,
    len: usize,
}

impl Placed {
    pub(crate) fn new(values: &[f32], start: usize) -> Placed {
        let mut buffer = vec![f32::NAN; start + values.len() + 64];
        buffer[start..start + values.len()].copy_from_slice(values);
        Placed { buffer, start, len: values.len() }
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.buffer[self.start..self.start + self.len]
    }
}

/// Every set of kernels that this machine can run: each instruction set, without and with what is optional beside it.
pub(crate) fn every_variant() -> &'static [Kernels] {
    static VARIANTS: OnceLock<Vec<Kernels>> = OnceLock::new();
    VARIANTS.get_or_init(|| available().into_iter().flat_map(variants_for).collect())
}

/// Whether the call panics.
pub(crate) fn refused(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// Bytes from the same generator as [`Numbers`].
pub(crate) struct RandomBytes(pub(crate) u64);

impl RandomBytes {
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as u8
        };
        (0..count).map(|_| next()).collect()
    }

    pub(crate) fn signed(&mut self, count: usize) -> Vec<i8> {
        self.take(count).into_iter().map(|byte| byte as i8).collect()
    }
}

/// Bytes at a given distance from a multiple of 64 in memory, with other bytes, all 0xa5, around them: whatever is
/// read beyond shows in the sums.
pub(crate) struct PlacedBytes {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl PlacedBytes {
    pub(crate) fn new(values: &[u8], start: usize) -> PlacedBytes {
        let mut buffer = vec![0xa5; start + values.len() + 192];
        let start = start + buffer.as_ptr().align_offset(64);
        buffer[start..start + values.len()].copy_from_slice(values);
        PlacedBytes { buffer, start, len: values.len() }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }

    pub(crate) fn signed(&self) -> &[i8] {
        let bytes = self.bytes();
        // SAFETY: the same bytes; i8 and u8 have the same size, alignment and validity.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
    }
}

/// Halves from place `start` of a longer buffer, not-a-number all around.
pub(crate) struct PlacedHalves {
    buffer: Vec<u16>,
    start: usize,
    len: usize,
}

impl PlacedHalves {
    pub(crate) fn new(values: &[u16], start: usize) -> PlacedHalves {
        let mut buffer = vec![0x7e00; start + values.len() + 64];
        buffer[start..start + values.len()].copy_from_slice(values);
        PlacedHalves { buffer, start, len: values.len() }
    }

    pub(crate) fn values(&self) -> &[u16] {
        &self.buffer[self.start..self.start + self.len]
    }
}
