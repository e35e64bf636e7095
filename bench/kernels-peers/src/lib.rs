//! The batch kernels behind a C ABI, so that Python can time them in one process with its own libraries.

use std::slice::{from_raw_parts, from_raw_parts_mut};

use tercet_kernels::{Isa, METRICS, kernels_for};

/// Scores `n` rows of `d` components with instruction set `isa` (its place in `Isa::ALL`) and metric `metric` (its place in
/// `METRICS`). Returns false where this machine lacks the instruction set.
///
/// # Safety
/// `query` points to `d` floats, `rows` to `n * d`, `out` to `n` that nobody else uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn batch(isa: u32, metric: u32, query: *const f32, rows: *const f32, out: *mut f32, d: usize, n: usize) -> bool {
    let (Some(isa), Some(metric)) = (Isa::ALL.get(isa as usize), METRICS.get(metric as usize)) else { return false };
    let Some(kernels) = kernels_for(*isa) else { return false };
    // SAFETY: the caller's promise.
    let (query, rows, out) = unsafe { (from_raw_parts(query, d), from_raw_parts(rows, n * d), from_raw_parts_mut(out, n)) };
    (kernels.f32(*metric).batch)(query, rows, out);
    true
}
