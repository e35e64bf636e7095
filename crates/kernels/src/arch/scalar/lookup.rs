//! The fast scan in plain Rust: the reference.

use super::codes::Plain;
use crate::lookup::{Lookup, Query, lookup_backend};

lookup_backend!(Plain);

const STEP: usize = 16;

#[inline(always)]
fn words(bytes: [u8; STEP]) -> [u16; STEP / 2] {
    std::array::from_fn(|i| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]))
}

#[inline(always)]
fn bytes(words: [u16; STEP / 2]) -> [u8; STEP] {
    std::array::from_fn(|i| words[i / 2].to_le_bytes()[i % 2])
}

impl Lookup for Plain {
    #[inline(always)]
    unsafe fn nothing() -> [u8; STEP] {
        [0; STEP]
    }

    #[inline(always)]
    unsafe fn store(bytes: [u8; STEP], to: *mut u8) {
        // SAFETY: the caller vouches for the bytes; an array of bytes has no alignment.
        unsafe { to.cast::<[u8; STEP]>().write(bytes) }
    }

    #[inline(always)]
    unsafe fn look_up(table: [u8; STEP], codes: [u8; STEP]) -> [u8; STEP] {
        codes.map(|code| table[usize::from(code & 15)])
    }

    #[inline(always)]
    unsafe fn add_bytes(a: [u8; STEP], b: [u8; STEP]) -> [u8; STEP] {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    unsafe fn add_words(a: [u8; STEP], b: [u8; STEP]) -> [u8; STEP] {
        let (a, b) = (words(a), words(b));
        bytes(std::array::from_fn(|i| a[i].wrapping_add(b[i])))
    }

    #[inline(always)]
    unsafe fn odd(of: [u8; STEP]) -> [u8; STEP] {
        bytes(words(of).map(|word| word >> 8))
    }

    #[inline(always)]
    unsafe fn close(
        sums: [[[u8; STEP]; 2]; 2],
        terms: *const u16,
        scales: Option<*const u16>,
        query: Query,
        totals: *mut u16,
    ) -> u32 {
        let mut hits = 0;
        for (half, [all, odd]) in sums.into_iter().enumerate() {
            let (all, odd) = (words(all), words(odd));
            for v in 0..STEP {
                let odd = odd[v / 2];
                let sum = if v % 2 == 1 { odd } else { all[v / 2].wrapping_sub(odd << 8) };
                let at = half * STEP + v;
                // SAFETY: the caller vouches for 32 words at both places.
                unsafe {
                    let term = (u32::from(terms.add(at).read()) * u32::from(query.factor)) >> 16;
                    let scaled = scales.map_or(sum, |scales| {
                        let scale = u32::from(scales.add(at).read());
                        let part = (u32::from(sum) * scale) >> 16;
                        let rest = ((65_535 - scale) * u32::from(query.offset)) >> 16;
                        (part as u16).saturating_add(rest as u16)
                    });
                    let total = scaled.saturating_add(term as u16);
                    totals.add(at).write(total);
                    hits |= u32::from(total <= query.limit) << at;
                }
            }
        }
        hits
    }
}
