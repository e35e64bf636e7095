//! An allocator that knows the largest piece that was asked for, and refuses what no input here can justify.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest single piece of memory that was asked for.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// Files in these tests have some kilobytes; a block of documents may honestly claim 16 MiB.
pub const MEMORY_MAX: usize = 64 << 20;

/// More than this is not given: the machine outlives a test that fails.
const REFUSED: usize = 1 << 30;

pub struct Watched;

// SAFETY: every call goes to the system's allocator unchanged, or is answered with null, which says that there is no memory.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        if layout.size() > REFUSED {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        if layout.size() > REFUSED {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        if size > REFUSED {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Begins to count anew.
pub fn reset() {
    LARGEST.store(0, Ordering::Relaxed);
}

/// Fails where a piece was too large since the last reset, of any test of this program.
pub fn check(what: &dyn std::fmt::Display) {
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < MEMORY_MAX, "{largest} bytes at once: {what}");
}
