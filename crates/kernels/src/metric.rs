//! The metrics and their table. A new metric is a file in this folder and a line in the table below.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

mod cosine;
mod dot;
mod l2;

pub(crate) use dot::Dot;

use crate::table::{Backend, HalfKernels, MetricKernels, entry, half_entry};
use crate::vector::Vector;

/// What a metric adds up over the components, and what it makes of the sums.
///
/// # Safety
/// As for [`Vector`]: to be called only where its instruction set is available.
pub(crate) trait Distance {
    /// The sums kept per row.
    type Sums<V: Vector>: Sums<V, Totals = Self::Totals>;
    /// Those sums with their lanes added.
    type Totals: Copy;
    /// Whether the query's squared norm is asked for; computed once a batch.
    const NEEDS_QUERY_NORM: bool;

    /// Takes in `LANES` components of the query and of the row. Zeros on both sides must change nothing: tails are
    /// filled with them.
    unsafe fn step<V: Vector>(sums: Self::Sums<V>, query: V, row: V) -> Self::Sums<V>;
    /// The distance from the totals and the query's squared norm (0 where not asked for).
    fn finish(totals: Self::Totals, query_norm_squared: f32) -> f32;
}

/// A few registers of running sums.
pub(crate) trait Sums<V: Vector>: Copy {
    /// How many registers.
    const COUNT: usize;
    /// A number for each register.
    type Totals: Copy;
    /// Nothing summed yet.
    unsafe fn zero() -> Self;
    /// Both together.
    unsafe fn add(self, other: Self) -> Self;
    /// The sum of the lanes of each register.
    unsafe fn totals(self) -> Self::Totals;
    /// The same for four rows together, with the same bits.
    unsafe fn totals_of_four(four: [Self; 4]) -> [Self::Totals; 4];
}

impl<V: Vector, const N: usize> Sums<V> for [V; N] {
    const COUNT: usize = N;
    type Totals = [f32; N];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for the instruction set.
        [unsafe { V::zero() }; N]
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (sum, more) in self.iter_mut().zip(other) {
            // SAFETY: the caller vouches for the instruction set.
            *sum = unsafe { sum.add(more) };
        }
        self
    }

    #[inline(always)]
    unsafe fn totals(self) -> [f32; N] {
        let mut totals = [0.0; N];
        for n in 0..N {
            // SAFETY: the caller vouches for the instruction set.
            totals[n] = unsafe { self[n].sum() };
        }
        totals
    }

    #[inline(always)]
    unsafe fn totals_of_four([a, b, c, d]: [Self; 4]) -> [[f32; N]; 4] {
        let mut totals = [[0.0; N]; 4];
        for n in 0..N {
            // SAFETY: the caller vouches for the instruction set.
            let sums = unsafe { V::sum_of_four([a[n], b[n], c[n], d[n]]) };
            for r in 0..4 {
                totals[r][n] = sums[r];
            }
        }
        totals
    }
}

/// Turns the table's lines into the enum, its names and the kernels of one instruction set.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $metric:ident $name:literal $kind:ty;)+) => {
        /// How two vectors are compared.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric { $($(#[doc = $doc])+ $metric,)+ }

        /// Every metric, in the order of the table.
        pub const METRICS: [Metric; COUNT] = [$(Metric::$metric,)+];

        const COUNT: usize = [$($name,)+].len();

        impl Metric {
            /// The name in schemas and on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Metric::$metric => $name,)+ }
            }
        }

        /// The kernels of one instruction set, indexed by `Metric as usize`.
        pub(crate) const fn kernels_of<B: Backend>() -> [MetricKernels; COUNT] {
            [$(entry::<B, $kind>(),)+]
        }

        /// The same on rows of half precision.
        pub(crate) const fn halves_of<B: Backend>() -> [HalfKernels; COUNT] {
            [$(half_entry::<B, $kind>(),)+]
        }

        pub(crate) type Table = [MetricKernels; COUNT];
        pub(crate) type HalfTable = [HalfKernels; COUNT];
    };
}

metrics! {
    /// The inner product; higher is closer.
    Dot "dot" dot::Dot;
    /// The squared Euclidean distance; lower is closer.
    L2 "l2" l2::L2;
    /// The cosine of the angle, in -1..=1; higher is closer, and 0 where a norm is zero.
    Cosine "cosine" cosine::Cosine;
}

impl Metric {
    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Metric> {
        METRICS.into_iter().find(|metric| metric.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_indexed_by_the_enum_and_names_round_trip() {
        for (at, metric) in METRICS.into_iter().enumerate() {
            assert_eq!(metric as usize, at);
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("euclid"), None);
    }
}
