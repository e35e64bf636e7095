//! Answers, where JavaScript can read them.

use std::ptr;

use tercet_engine::api::{Array, Control, Reply};
use tercet_engine::wire::TercetError;

use crate::memory::{ArrayRef, F32, I8, U8, U16, U32};
use crate::table;

/// What JavaScript reads: on wasm32 ten 32-bit words. `packages/wasm/src/instance.ts` knows this layout.
#[repr(C)]
pub struct Block {
    json: *const u8,
    json_len: usize,
    error: *const u8,
    error_len: usize,
    arrays: *const ArrayRef,
    arrays_len: usize,
    /// 0 when the answer brings none.
    handle: u32,
    padding: u32,
    done: f64,
    total: f64,
}

#[cfg(test)]
impl Block {
    /// JSON and error, read the way JavaScript reads them.
    ///
    /// # Safety
    /// The answer is not freed yet.
    pub(crate) unsafe fn texts(&self) -> (String, String) {
        let text = |data, len| {
            // SAFETY: the answer's own strings.
            String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(data, len) }).into_owned()
        };
        (text(self.json, self.json_len), text(self.error, self.error_len))
    }
}

/// A block with what it points to.
#[repr(C)]
pub(crate) struct Held {
    block: Block,
    json: String,
    error: String,
    arrays: Vec<Array>,
    refs: Vec<ArrayRef>,
}

impl Held {
    /// An answer on the heap, until [`tercet_reply_free`].
    pub(crate) fn answer(result: Result<Reply, TercetError>, control: &Control) -> *mut Block {
        let (reply, error) = match result {
            Ok(reply) => (reply, String::new()),
            Err(error) => (Reply::default(), error.to_json()),
        };
        let refs: Vec<ArrayRef> = reply.arrays.iter().map(array_ref).collect();
        #[allow(clippy::cast_precision_loss)] // Counts stay far below 2^53.
        let held = Box::new(Held {
            block: Block {
                json: reply.json.as_ptr(),
                json_len: reply.json.len(),
                error: error.as_ptr(),
                error_len: error.len(),
                arrays: if refs.is_empty() { ptr::null() } else { refs.as_ptr() },
                arrays_len: refs.len(),
                handle: reply.handle.map_or(0, table::insert),
                padding: 0,
                done: control.done() as f64,
                total: control.total() as f64,
            },
            json: reply.json,
            error,
            arrays: reply.arrays,
            refs,
        });
        // The block comes first in a `repr(C)` struct, so its address is the whole's.
        Box::into_raw(held).cast()
    }
}

fn array_ref(array: &Array) -> ArrayRef {
    let (kind, data, len) = match array {
        Array::F32(values) => (F32, values.as_ptr().cast::<u8>(), values.len()),
        Array::U32(values) => (U32, values.as_ptr().cast(), values.len()),
        Array::U8(values) => (U8, values.as_ptr(), values.len()),
        Array::U16(values) => (U16, values.as_ptr().cast(), values.len()),
        Array::I8(values) => (I8, values.as_ptr().cast(), values.len()),
    };
    ArrayRef { kind, data: data.cast_mut(), len }
}

/// Frees an answer. A handle in it stays open.
///
/// # Safety
/// `block` came from a call and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tercet_reply_free(block: *mut Block) {
    if !block.is_null() {
        // SAFETY: made by `Held::answer` from a box of `Held`, and given back once.
        let held = unsafe { Box::from_raw(block.cast::<Held>()) };
        let Held { json, error, arrays, refs, .. } = *held;
        drop((json, error, arrays, refs));
    }
}
