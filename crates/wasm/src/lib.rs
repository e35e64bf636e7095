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

use tercet_engine::api::{Control, Reply, root};
use tercet_engine::wire::{Code, TercetError};

pub use memory::{ArrayRef, tercet_alloc, tercet_free};
pub use reply::{Block, tercet_reply_free};

use env::HostEnv;
use reply::Held;

thread_local! {
    /// Where a search reads its query and leaves rows and scores: kept between calls.
    static SCRATCH: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
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

/// Room for a search over `dims` components for `k` neighbours: query, then rows, then scores; null when there is no
/// memory. Valid until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_search_room(dims: usize, k: usize) -> *mut u32 {
    let words = k.checked_mul(2).and_then(|words| words.checked_add(dims));
    SCRATCH.with_borrow_mut(|scratch| {
        let missing = words.map(|words| (words, words.saturating_sub(scratch.len())));
        let Some((words, missing)) = missing else { return std::ptr::null_mut() };
        if missing > 0 {
            if scratch.try_reserve_exact(missing).is_err() {
                return std::ptr::null_mut();
            }
            scratch.resize(words, 0);
        }
        scratch.as_mut_ptr()
    })
}

/// Searches with the query in the room of [`tercet_search_room`]; returns how many results stand there, or -1 when
/// [`tercet_last_error`] says why not.
#[unsafe(no_mangle)]
pub extern "C" fn tercet_search(handle: u32, dims: usize, k: usize) -> i32 {
    let result = SCRATCH.with_borrow_mut(|scratch| {
        let room = || TercetError::new(Code::Argument, "the room of the search was not asked for");
        let (query, rest) = scratch.split_at_mut_checked(dims).ok_or_else(room)?;
        let (rows, rest) = rest.split_at_mut_checked(k).ok_or_else(room)?;
        let scores = rest.get_mut(..k).ok_or_else(room)?;
        open(handle)?.search_into(memory::as_floats(query), k, rows, memory::as_floats_mut(scores))
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
