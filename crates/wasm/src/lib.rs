//! The WebAssembly binding: one generic door between JavaScript and the engine, as a plain C ABI.
//!
//! The surface is one generic call, so glue code has nothing to generate; the other half of this file is
//! `packages/wasm/src/instance.ts`. How values cross:
//!
//! - JavaScript asks [`tercet_alloc`] for memory, writes text or numbers there and hands it over in a call: the engine
//!   then owns it, without a second copy.
//! - A call answers with a pointer to a [`reply::Block`], which JavaScript reads and gives back by
//!   [`tercet_reply_free`].
//! - Handles are numbers of the [`table`]; they are never reused, so a stale one can only be unknown.
//! - A panic aborts (there is no unwinding here): the hook tells the host why, the trap reaches JavaScript as an
//!   exception, and JavaScript gives the whole instance up.
//!
//! There is one thread and no waiting: every call runs to its end. JavaScript yields between calls.

mod env;
mod host;
mod memory;
mod reply;
mod table;

use std::cell::RefCell;
use std::sync::Arc;

use tercet_engine::api::{Control, Reply, SearchInto, View, root, setting};
use tercet_engine::wire::{Code, TercetError};

pub use memory::{ArrayRef, tercet_alloc, tercet_free};
pub use reply::{Block, tercet_reply_free};

use env::HostEnv;
use reply::Held;

thread_local! {
    /// Where a search reads what it is given and leaves what it found: kept between calls.
    static SCRATCH: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static LAST_ERROR: RefCell<Option<TercetError>> = const { RefCell::new(None) };
}

/// A fresh root handle. `storage` is 1 when the host lends files, else only `:memory:` can be opened.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_root(storage: u32) -> u32 {
    host::install_panic_hook();
    table::insert(root(Arc::new(HostEnv::new(storage != 0))))
}

/// Runs one verb and answers with a block. `cancelled` is 1 when the caller gave up before the call began.
///
/// # Safety
/// `verb`, `json` and the memory of all `arrays` come from [`tercet_alloc`] with these lengths and kinds, hold values,
/// and are not used by the caller afterwards. `arrays` points to `arrays_len` readable entries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tercet_call(
    handle: u32,
    verb: *mut u8,
    verb_len: usize,
    json: *mut u8,
    json_len: usize,
    arrays: *const ArrayRef,
    arrays_len: usize,
    cancelled: u32,
) -> *mut Block {
    // SAFETY: as this function's own contract.
    let (verb, json) = unsafe { (memory::take_text(verb, verb_len), memory::take_text(json, json_len)) };
    // SAFETY: as this function's own contract.
    let arrays = unsafe { memory::take_arrays(arrays, arrays_len) };
    let control = Control::new();
    if cancelled != 0 {
        control.cancel();
    }
    let result = (|| {
        let (verb, json, arrays) = (verb?, json?, arrays?);
        open(handle)?.call(&verb, &json, arrays, &control)
    })();
    Held::answer(result, &control)
}

/// Room for a search, `words` words of 64 bits; null when there is no memory. Valid until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_search_room(words: usize) -> *mut u64 {
    SCRATCH.with_borrow_mut(|scratch| {
        let missing = words.saturating_sub(scratch.len());
        if missing > 0 {
            if scratch.try_reserve_exact(missing).is_err() {
                return std::ptr::null_mut();
            }
            scratch.resize(words, 0);
        }
        scratch.as_mut_ptr()
    })
}

/// Words of 64 bits that so many elements of so many bytes take.
fn words(len: usize, bytes: usize) -> usize {
    len.saturating_mul(bytes).div_ceil(8)
}

/// Searches. In the room of [`tercet_search_room`] stand, each from a word of 64 bits on: the settings (f64), the query
/// (`len` elements of a kind of array), room for `k` rows (u32) and `k` scores (f32), the filter (u32; without one when
/// `filter` is -1) and the rows to leave out (u32). Returns how many results stand there, or -1 when
/// [`tercet_last_error`] says why not.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_search(
    handle: u32,
    kind: u32,
    len: usize,
    k: usize,
    filter: i32,
    exclude: usize,
) -> i32 {
    let result = SCRATCH.with_borrow_mut(|scratch| {
        let room = || TercetError::new(Code::Argument, "the room of the search was not asked for");
        let filter_len = usize::try_from(filter).unwrap_or(0);
        let bytes = match kind {
            memory::F32 => 4,
            memory::U16 => 2,
            _ => 1,
        };
        let (settings, rest) = scratch.split_at_mut_checked(setting::COUNT).ok_or_else(room)?;
        let (query, rest) = rest.split_at_mut_checked(words(len, bytes)).ok_or_else(room)?;
        let (rows, rest) = rest.split_at_mut_checked(words(k, 4)).ok_or_else(room)?;
        let (scores, rest) = rest.split_at_mut_checked(words(k, 4)).ok_or_else(room)?;
        let (words_of_filter, rest) = rest.split_at_checked(words(filter_len, 4)).ok_or_else(room)?;
        let excluded = rest.get(..words(exclude, 4)).ok_or_else(room)?;
        let query = match kind {
            memory::F32 => View::F32(memory::numbers(query, len)),
            memory::U16 => View::U16(memory::numbers(query, len)),
            memory::I8 => View::I8(memory::numbers(query, len)),
            _ => View::U8(memory::numbers(query, len)),
        };
        open(handle)?.search_into(SearchInto {
            query,
            k,
            rows: memory::numbers_mut(rows, k),
            scores: memory::numbers_mut(scores, k),
            settings: memory::numbers_mut(settings, setting::COUNT),
            filter: (filter >= 0).then(|| memory::numbers(words_of_filter, filter_len)),
            exclude: memory::numbers(excluded, exclude),
        })
    });
    match result {
        Ok(found) => i32::try_from(found).unwrap_or(i32::MAX),
        Err(error) => {
            LAST_ERROR.set(Some(error));
            -1
        }
    }
}

/// The error of the last failed [`tercet_search`], as a block.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_last_error() -> *mut Block {
    let error = LAST_ERROR.take();
    let result = error.map_or_else(|| Ok(Reply::default()), Err);
    Held::answer(result, &Control::new())
}

/// Closes a handle; unknown ones are fine.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_close(handle: u32) {
    if let Some(handle) = table::remove(handle) {
        handle.close();
    }
}

/// Pointer to the version of the core, UTF-8; its length is [`tercet_version_len`].
#[unsafe(no_mangle)]
pub extern "C" fn tercet_version() -> *const u8 {
    env!("CARGO_PKG_VERSION").as_ptr()
}

/// Length of the text at [`tercet_version`].
#[unsafe(no_mangle)]
pub extern "C" fn tercet_version_len() -> usize {
    env!("CARGO_PKG_VERSION").len()
}

fn open(handle: u32) -> Result<Arc<dyn tercet_engine::api::Handle>, TercetError> {
    table::get(handle).ok_or_else(|| TercetError::new(Code::Closed, "the handle was closed"))
}

#[cfg(test)]
mod tests;
