//! Codes of 1, 2 or 4 bits as bytes by a table: look-ups in registers, a nibble at a time.
//!
//! ```text
//! for each vector, for each plane of codes:           plane k: the codes that stand k * bits above a byte's lowest
//!   for the bytes of the vector, a register at a time:
//!     the low or the high nibbles, looked up in the plane's table of 16 entries
//!     written to the plane's components
//! ```
//! Planes are written in order, so that what a register writes past its plane is overwritten by the next; what the last one
//! of all writes is the slack. A register that would read past the last vector is done byte by byte.

use crate::lookup::{Lookup, LookupBackend};

/// Bytes that `out` has more than the components.
pub const SLACK: usize = 64;

/// A table of 16 entries, as often as the widest register has room for it.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Wide([u8; 64]);

/// What each code becomes.
#[derive(Clone, Debug)]
pub struct Tables(Vec<Wide>);

impl Tables {
    /// Of `values[code]`: 2, 4 or 16 of them, for codes of 1, 2 or 4 bits.
    ///
    /// Panics for any other number of values.
    pub fn new(values: &[u8]) -> Self {
        assert!(matches!(values.len(), 2 | 4 | 16), "values of codes of 1, 2 or 4 bits");
        let bits = values.len().trailing_zeros() as usize;
        let entry = |at: usize| move |i: usize| values[(i % 16) >> (at * bits) & (values.len() - 1)];
        Tables((0..4 / bits).map(|at| Wide(std::array::from_fn(entry(at)))).collect())
    }

    /// Components that a byte has.
    pub fn planes(&self) -> usize {
        2 * self.0.len()
    }
}

/// The checked entry.
pub(crate) fn entry<B: LookupBackend>(tables: &Tables, codes: &[u8], stride: usize, out: &mut [u8]) {
    assert!(stride > 0 && codes.len().is_multiple_of(stride), "vectors that are not whole");
    let wanted = codes.len().checked_mul(tables.planes()).and_then(|bytes| bytes.checked_add(SLACK));
    assert_eq!(wanted, Some(out.len()), "a place for every component, and the slack");
    // SAFETY: the lengths are checked; the table this stands in is handed out only where `B` is available.
    unsafe { B::unpack(&tables.0, codes, stride, out) }
}

/// The body.
///
/// # Safety
/// The instruction set is available, `codes` are whole vectors, and `out` has `2 * tables.len()` bytes for each of them, and
/// [`SLACK`] more.
#[inline(always)]
pub(crate) unsafe fn unpack<L: Lookup>(tables: &[Wide], codes: &[u8], stride: usize, out: &mut [u8]) {
    let planes = 2 * tables.len();
    for (vector, bytes) in codes.chunks_exact(stride).enumerate() {
        for plane in 0..planes {
            let Wide(table) = &tables[plane % tables.len()];
            let high = plane >= tables.len();
            let (from, to) = (vector * stride, (vector * planes + plane) * stride);
            let mut j = 0;
            while j < stride && codes.len() - from - j >= L::STEP {
                // SAFETY: `STEP` bytes are left of the codes; `to + j` is a component's place, and `SLACK` bytes or more are
                // behind it.
                unsafe {
                    let some = L::load(codes.as_ptr().add(from + j));
                    let nibbles = if high { L::high(some) } else { L::low(some) };
                    let values = L::look_up(L::load(table.as_ptr()), nibbles);
                    L::store(values, out.as_mut_ptr().add(to + j));
                }
                j += L::STEP;
            }
            for j in j..stride {
                let nibble = if high { bytes[j] >> 4 } else { bytes[j] & 15 };
                out[to + j] = table[usize::from(nibble)];
            }
        }
    }
}
