//! Sums of look-ups in tables of 16 bytes, 32 vectors at a time: the body of the fast scan of 4-bit codes, once
//! (André et al., Cache locality is not enough, VLDB 2015; Faiss's layout of 32).
//!
//! ```text
//! block(tables of m parts, codes of 32 vectors):
//!   words[4] = 0                                        vectors 0..16 and 16..32, all bytes and the odd ones
//!   for 4 registers of codes:
//!     for each: look the low and the high nibbles up    16 bytes a table, as many tables as the register has lanes
//!     add the four results as bytes                     at most 4 * 63 = 252
//!     words += them, as they are and shifted by 8       what the odd bytes add to the first is taken off at the end
//!   add the lanes; scale the sums, where vectors have scales; total = sums + (term * factor >> 16); hit where <= limit
//! ```
//! Entries of 6 bits let four of them meet in a byte, so that widening, half of the work of the scan with 8 bits, is paid
//! once for four; the rounding of a table is far below the error of codes of 4 bits.
//!
//! # Invariants
//! - Every sum is exact, modulo 2^16, and the same on every instruction set; entries are at most 63, m at most 1,040.
//! - Nothing is read beyond the slices; tables are a multiple of 64 bytes.

#![allow(clippy::needless_range_loop, reason = "several arrays are walked side by side, unrolled")]

use crate::codes::Bytes;
use crate::unpack::{self, Tables, Wide};

/// Vectors in a block.
pub(crate) const BLOCK: usize = 32;
/// Tables come in whole groups of this many bytes.
const GRAIN: usize = 64;
/// Registers whose results meet in a byte.
const MEET: usize = 4;

/// What the fast scan asks of an instruction set beside [`Bytes`].
///
/// # Safety
/// As for [`Bytes`].
pub(crate) trait Lookup: Bytes {
    /// A register of zeros.
    unsafe fn nothing() -> Self::Register;
    /// Writes `STEP` bytes, at any alignment.
    unsafe fn store(bytes: Self::Register, to: *mut u8);
    /// Each code, 0 to 15, replaced by that byte of the table in its 16 bytes.
    unsafe fn look_up(table: Self::Register, codes: Self::Register) -> Self::Register;
    /// Sums of bytes, which do not wrap.
    unsafe fn add_bytes(a: Self::Register, b: Self::Register) -> Self::Register;
    /// Sums of words, which wrap.
    unsafe fn add_words(a: Self::Register, b: Self::Register) -> Self::Register;
    /// The odd bytes as words.
    unsafe fn odd(bytes: Self::Register) -> Self::Register;
    /// Ends a block: `words` are the sums of both halves, each of all bytes and of the odd ones. Writes 32 totals and
    /// gives the hits.
    ///
    /// # Safety
    /// 32 words can be read at `terms` and at `scales`, and written at `totals`.
    unsafe fn close(
        words: [[Self::Register; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32;
}

/// What a query adds to the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Each vector's term is multiplied by this and divided by 2^16.
    pub factor: u16,
    /// The largest total that is a hit.
    pub limit: u16,
    /// What a vector of scale 0 adds, and others the less the larger their scale: for sums that begin below zero.
    pub offset: u16,
}

/// The body compiled for one instruction set.
pub(crate) trait LookupBackend {
    /// # Safety
    /// The instruction set is available; the lengths are as [`check`] wants them.
    unsafe fn scan(
        tables: &[u8],
        codes: &[u8],
        terms: &[u16],
        scales: &[u16],
        query: Query,
        totals: &mut [u16],
        hits: &mut [u32],
    );

    /// # Safety
    /// The instruction set is available; `out` has room as [`crate::unpack::unpack`] wants it.
    unsafe fn unpack(tables: &[Wide], codes: &[u8], stride: usize, out: &mut [u8]);
}

/// Compiles the body for one instruction set under the given target features.
macro_rules! lookup_backend {
    ($bytes:ty $(, $features:literal)?) => {
        impl crate::lookup::LookupBackend for $bytes {
            $(#[target_feature(enable = $features)])?
            unsafe fn scan(
                tables: &[u8],
                codes: &[u8],
                terms: &[u16],
                scales: &[u16],
                query: crate::lookup::Query,
                totals: &mut [u16],
                hits: &mut [u32],
            ) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::lookup::scan::<$bytes>(tables, codes, terms, scales, query, totals, hits) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn unpack(tables: &[crate::unpack::Wide], codes: &[u8], stride: usize, out: &mut [u8]) {
                // SAFETY: the caller vouches for the instruction set and the lengths.
                unsafe { crate::unpack::unpack::<$bytes>(tables, codes, stride, out) }
            }
        }
    };
}
pub(crate) use lookup_backend;

/// The kernel's signature: see [`LookupKernels::scan`].
type Scan = fn(&[u8], &[u8], &[u16], &[u16], Query, &mut [u16], &mut [u32]);

/// The fast scan of one instruction set.
#[derive(Clone, Copy)]
pub struct LookupKernels {
    /// The instructions it uses.
    pub name: &'static str,
    /// `scan(tables, codes, terms, scales, query, totals, hits)`: for each block of 32 vectors, `totals[v]` becomes the sum
    /// of the entries that its codes name, one of each table, plus `terms[v] * factor >> 16`, at most 65,535; bit v of the
    /// block's `hits` is set where that is at most `limit`. Where there are scales, the sum is `sum * scales[v] >> 16`
    /// instead, plus `(65,535 - scales[v]) * offset >> 16`.
    ///
    /// `tables` are 16 bytes a part, each at most 63. A block has 16 bytes for each part: byte j holds the code of vector j
    /// in its low nibble and of vector 16 + j in its high one. Sums of parts are taken modulo 2^16.
    ///
    /// Panics unless `tables.len()` is a multiple of 64, and `codes`, `terms` and `totals` hold as many blocks as `hits`.
    pub scan: Scan,
    /// `unpack(tables, codes, stride, out)`: bytes for codes of 1, 2 or 4 bits. Vectors of `stride` bytes lie one after
    /// another; byte j holds, low bits first, the codes of the components j, stride + j, 2 stride + j, and so on. Each
    /// component becomes a byte of `out`: `8 / bits * stride` bytes a vector, and [`UNPACK_SLACK`](crate::UNPACK_SLACK) more
    /// at the end, which mean nothing.
    ///
    /// Panics unless vectors are whole and `out` is as long.
    pub unpack: fn(&Tables, &[u8], usize, &mut [u8]),
}

impl LookupKernels {
    /// To be handed out only where the instruction set of `B` is available.
    pub(crate) const fn new<B: LookupBackend + Bytes>() -> LookupKernels {
        LookupKernels { name: B::NAME, scan: entry::<B>, unpack: unpack::entry::<B> }
    }
}

fn entry<B: LookupBackend>(
    tables: &[u8],
    codes: &[u8],
    terms: &[u16],
    scales: &[u16],
    query: Query,
    totals: &mut [u16],
    hits: &mut [u32],
) {
    check(tables, codes, terms, totals, hits.len());
    assert!(scales.is_empty() || scales.len() == terms.len(), "as many scales as terms, or none");
    // SAFETY: the lengths are checked; the table this stands in is handed out only where `B` is available.
    unsafe { B::scan(tables, codes, terms, scales, query, totals, hits) }
}

fn check(tables: &[u8], codes: &[u8], terms: &[u16], totals: &[u16], blocks: usize) {
    assert!(tables.len().is_multiple_of(GRAIN), "tables that are no multiple of 64 bytes");
    assert_eq!(tables.len().checked_mul(blocks), Some(codes.len()), "codes that do not fill the hits");
    assert_eq!(blocks.checked_mul(BLOCK), Some(terms.len()), "terms that do not fill the hits");
    assert_eq!(terms.len(), totals.len(), "as many totals as terms");
}

/// The body.
///
/// # Safety
/// As [`LookupBackend::scan`].
#[inline(always)]
pub(crate) unsafe fn scan<L: Lookup>(
    tables: &[u8],
    codes: &[u8],
    terms: &[u16],
    scales: &[u16],
    query: Query,
    totals: &mut [u16],
    hits: &mut [u32],
) {
    let (bytes, table) = (tables.len(), tables.as_ptr());
    for (block, hit) in hits.iter_mut().enumerate() {
        let code = codes.as_ptr().wrapping_add(block * bytes);
        // SAFETY: `i` plus what is loaded from there stays within a block, whose bytes are those of the tables; there are
        // 32 terms and totals a block.
        unsafe {
            let zero = L::nothing();
            let mut words = [[zero; 2]; 2];
            let mut i = 0;
            while bytes - i >= MEET * L::STEP {
                let mut sums = looked_up::<L>(table.add(i), code.add(i));
                for step in 1..MEET {
                    let more = looked_up::<L>(table.add(i + step * L::STEP), code.add(i + step * L::STEP));
                    sums = [L::add_bytes(sums[0], more[0]), L::add_bytes(sums[1], more[1])];
                }
                widen::<L>(&mut words, sums);
                i += MEET * L::STEP;
            }
            if i < bytes {
                let mut sums = [zero; 2];
                while i < bytes {
                    let more = looked_up::<L>(table.add(i), code.add(i));
                    sums = [L::add_bytes(sums[0], more[0]), L::add_bytes(sums[1], more[1])];
                    i += L::STEP;
                }
                widen::<L>(&mut words, sums);
            }
            let at = block * BLOCK;
            let scales = if scales.is_empty() { None } else { Some(scales.as_ptr().add(at)) };
            *hit = L::close(words, terms.as_ptr().add(at), scales, query, totals.as_mut_ptr().add(at));
        }
    }
}

/// The entries of the low and of the high nibbles.
///
/// # Safety
/// `STEP` bytes can be read at both places.
#[inline(always)]
unsafe fn looked_up<L: Lookup>(table: *const u8, code: *const u8) -> [L::Register; 2] {
    // SAFETY: the caller vouches for the bytes.
    unsafe {
        let (table, codes) = (L::load(table), L::load(code));
        [L::look_up(table, L::low(codes)), L::look_up(table, L::high(codes))]
    }
}

#[inline(always)]
unsafe fn widen<L: Lookup>(words: &mut [[L::Register; 2]; 2], sums: [L::Register; 2]) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        for half in 0..2 {
            words[half][0] = L::add_words(words[half][0], sums[half]);
            words[half][1] = L::add_words(words[half][1], L::odd(sums[half]));
        }
    }
}
