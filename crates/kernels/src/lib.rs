//! SIMD kernels on slices: distances between vectors, one query against many rows.
//!
//! A kernel is a plain safe function on slices. The ones for the best instruction set of this CPU are resolved
//! once, by [`kernels`]; nothing above this crate asks about CPU features. Three forms of each metric:
//!
//! - `pair`: two vectors;
//! - `batch`: one query against contiguous rows (a flat scan, the centroids of a partition);
//! - `gather`: one query against rows by number (a graph hop, a filtered scan), the next rows prefetched.
//!
//! # Invariants
//! - No allocation, no I/O, no threads. (Resolving reads one environment variable, once.)
//! - On one instruction set the three forms give the same bits for the same query and row, wherever the row
//!   stands in its batch: a score does not depend on the plan that led to it.
//! - Across instruction sets the bits differ: order of summation and fused multiply-add. Over `n` components and with
//!   `u = 2^-24`, a dot product is within `(n + 2) u sum |q_i r_i|` of the true value, a squared distance within
//!   `(n + 4) u` of itself, a cosine within `(2n + 8) u` (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
//!   section 3.1; infinities and squared norms out of range aside). The tests hold every instruction set to that
//!   against an f64 oracle.
//! - [`Isa::Scalar`] uses no fused multiply-add and one fixed order of summation: the same bits on every machine.
//!   Whatever feeds a discontinuous choice that is stored (a sign, the number of a cell) is computed with it.
//! - Codes, bits, postings, conversions and the projection give the same bits on every instruction set.
//!
//! # Where things are
//! Distances: `generic.rs` the body, once; `vector.rs` what it asks of an instruction set; `tile.rs` the body for many
//! queries; `metric/` the metrics, a file each, and their table; `half.rs` half precision. `project.rs` a vector times a
//! matrix. `maxsim.rs` queries and documents of many tokens. `codes.rs` integer codes, `bits.rs` bit sets, `lookup.rs`
//! sums of look-ups in tables, `sparse.rs` weighted postings. `arch/` the instruction sets; `table.rs` the checked entries
//! and the tables of function pointers.
//!
//! ```
//! use tercet_kernels::{Metric, kernels};
//! let rows = [1.0, 0.0, 0.0, 2.0]; // two rows of two components
//! let mut out = [0.0; 2];
//! (kernels().f32(Metric::Dot).batch)(&[3.0, 4.0], &rows, &mut out);
//! assert_eq!(out, [3.0, 8.0]);
//! ```

mod arch;
mod bits;
mod codes;
mod generic;
mod half;
mod isa;
mod lookup;
mod maxsim;
mod metric;
mod prefetch;
mod project;
mod sparse;
mod table;
mod tile;
mod unpack;
mod vector;

pub use bits::BitKernels;
pub use codes::CodeKernels;
pub use half::{f16_to_f32, f16s_to_f32s, f32_to_f16, f32s_to_f16s};
pub use isa::{Isa, IsaOverrideError};
pub use lookup::{LookupKernels, Query as LookupQuery};
pub use maxsim::{MaxSimCodes, MaxSimKernels};
pub use metric::{METRICS, Metric};
pub use prefetch::{prefetch, prefetch_items};
pub use sparse::{CELL, CellSums, SPAN, SparseKernels};
pub use table::{
    HalfKernels, Kernels, MetricKernels, available, isa_override_error, kernels, kernels_for, variants_for,
};
pub use unpack::{SLACK as UNPACK_SLACK, Tables as UnpackTables};
