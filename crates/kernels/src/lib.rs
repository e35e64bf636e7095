//! SIMD kernels on slices: distances between vectors, one query against many rows.
