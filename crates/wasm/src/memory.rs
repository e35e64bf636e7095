//! Memory that JavaScript fills and the engine then owns.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr;

use tercet_engine::api::Array;
use tercet_engine::wire::{Code, TercetError};

/// Kinds of arrays, as numbers.
pub(crate) const F32: u32 = 0;
pub(crate) const U32: u32 = 1;
pub(crate) const U8: u32 = 2;
pub(crate) const U16: u32 = 3;
pub(crate) const I8: u32 = 4;

/// An array as it stands in a call or a reply.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ArrayRef {
    /// 0 for f32, 1 for u32, 2 for u8, 3 for u16, 4 for i8.
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
        U16 => Layout::array::<u16>(len).ok(),
        I8 => Layout::array::<i8>(len).ok(),
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
                    U16 => take::<u16>(entry.data, entry.len).map(Array::U16),
                    I8 => take::<i8>(entry.data, entry.len).map(Array::I8),
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

/// Numbers of which every bit pattern is one, so that words can be seen as an array of them.
pub(crate) trait Plain: Copy {}
impl Plain for f32 {}
impl Plain for f64 {}
impl Plain for u32 {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for i8 {}

/// The first `len` numbers in these words; fewer when there is no room for them.
pub(crate) fn numbers<T: Plain>(words: &[u64], len: usize) -> &[T] {
    let len = len.min(size_of_val(words) / size_of::<T>());
    // SAFETY: within the words, which are aligned for every such type; and every bit pattern is one of its numbers.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), len) }
}

/// The same, to write.
pub(crate) fn numbers_mut<T: Plain>(words: &mut [u64], len: usize) -> &mut [T] {
    let len = len.min(size_of_val(words) / size_of::<T>());
    // SAFETY: as above, in both directions; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}
