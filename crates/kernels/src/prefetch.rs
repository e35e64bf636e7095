//! Asking for cache lines ahead of their use.

/// Bytes in a cache line.
const LINE: usize = 64;

/// Asks for the cache lines that hold `bytes[at..at + len]`, as far as they exist; does nothing where the architecture
/// has no such instruction. Never faults, changes nothing, costs about a load a line.
#[inline]
pub fn prefetch(bytes: &[u8], at: usize, len: usize) {
    prefetch_items(bytes, at, len);
}

/// The same for the elements `items[at..at + len]`, counted in elements, whatever `at` and `len` are: places that come from a
/// file need no check before they are asked for.
#[inline]
pub fn prefetch_items<T>(items: &[T], at: usize, len: usize) {
    let Some(items) = items.get(at..).map(|items| &items[..len.min(items.len())]) else { return };
    if items.is_empty() {
        return;
    }
    let first = items.as_ptr().cast::<u8>();
    // From the start of the first line, so that a range that begins late in a line gets its last line too.
    let offset = first as usize % LINE;
    let end = offset + size_of_val(items);
    let mut i = 0;
    while i < end {
        line(first.wrapping_sub(offset).wrapping_add(i));
        i += LINE;
    }
}

/// Asks for the cache line at `at`, which need not be a valid address.
#[inline(always)]
pub(crate) fn line(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64; a prefetch never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults and touches no register or flag.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = at;
}
