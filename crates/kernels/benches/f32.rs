//! Benchmarks of the f32 kernels.

fn main() {}
