//! Memory that JavaScript fills and the engine then owns.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;

use tercet_engine::api::Array;
use tercet_engine::wire::{Code, TercetError};

/// Kinds of arrays, as numbers.
pub(crate) const F32: u32 = 0;
pub(crate) const U32: u32 = 1;
pub(crate) const U8: u32 = 2;

/// An array as it stands in a call or a reply.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ArrayRef {
    /// 0 for f32, 1 for u32, 2 for u8.
    pub kind: u32,
    /// The first element.
    pub data: *mut u8,
    /// Elements, not bytes.
    pub len: usize,
}

/// Memory for `len` elements of a kind; null when there is none, or `len` is 0, or the kind is unknown.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_alloc(kind: u32, len: usize) -> *mut u8 {
    match layout(kind, len) {
        // SAFETY: the layout's size is not 0.
        Some(layout) if layout.size() > 0 => unsafe { alloc(layout) },
        _ => ptr::null_mut(),
    }
}

/// Gives memory back that was not handed over in a call.
///
/// # Safety
/// `data` came from [`tercet_alloc`] with this kind and length, and was not handed over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tercet_free(kind: u32, data: *mut u8, len: usize) {
    if let Some(layout) = layout(kind, len).filter(|layout| layout.size() > 0 && !data.is_null()) {
        // SAFETY: allocated with this very layout.
        unsafe { dealloc(data, layout) };
    }
}

fn layout(kind: u32, len: usize) -> Option<Layout> {
    match kind {
        F32 => Layout::array::<f32>(len).ok(),
        U32 => Layout::array::<u32>(len).ok(),
        U8 => Layout::array::<u8>(len).ok(),
        _ => None,
    }
}

/// Takes text over.
///
/// # Safety
/// `data` came from [`tercet_alloc`] as `len` u8, was filled, and belongs to nobody else afterwards.
pub(crate) unsafe fn take_text(data: *mut u8, len: usize) -> Result<String, TercetError> {
    // SAFETY: as this function's own contract.
    let bytes = unsafe { take::<u8>(data, len) }?;
    String::from_utf8(bytes).map_err(|_| TercetError::new(Code::Encoding, "the request is not UTF-8"))
}

/// Takes the arrays of a call over.
///
/// # Safety
/// `list` points to `len` entries, each of which names memory as in [`take_text`], of its kind.
pub(crate) unsafe fn take_arrays(list: *const ArrayRef, len: usize) -> Result<Vec<Array>, TercetError> {
    if len == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: `list` points to `len` readable entries.
    let list = unsafe { std::slice::from_raw_parts(list, len) };
    list.iter()
        .map(|entry| {
            // SAFETY: each entry names filled memory of its kind that nobody else owns.
            unsafe {
                match entry.kind {
                    F32 => take::<f32>(entry.data, entry.len).map(Array::F32),
                    U32 => take::<u32>(entry.data, entry.len).map(Array::U32),
                    U8 => take::<u8>(entry.data, entry.len).map(Array::U8),
                    kind => Err(TercetError::new(Code::Argument, format!("unknown kind of array {kind}"))),
                }
            }
        })
        .collect()
}

/// # Safety
/// As [`take_text`], for `len` elements of `T`, allocated with the layout of `[T; len]`.
unsafe fn take<T>(data: *mut u8, len: usize) -> Result<Vec<T>, TercetError> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if data.is_null() {
        return Err(TercetError::new(Code::Memory, "no memory for the arrays of the call"));
    }
    // SAFETY: allocated by the global allocator with the layout of `[T; len]`, filled, and owned by us from here on.
    Ok(unsafe { Vec::from_raw_parts(data.cast::<T>(), len, len) })
}

/// The same words, as floats.
pub(crate) fn as_floats(words: &[u32]) -> &[f32] {
    // SAFETY: u32 and f32 have the same size and alignment, and every bit pattern is an f32.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
}

/// The same words, as floats to write.
pub(crate) fn as_floats_mut(words: &mut [u32]) -> &mut [f32] {
    // SAFETY: as above, in both directions; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}
