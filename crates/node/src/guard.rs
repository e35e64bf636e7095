//! Panics become errors here.
//!
//! The addon carries its own copy of the standard library, so the hook sees this addon's panics and no others. It keeps
//! message and place for the error instead of writing them to a terminal that belongs to somebody else.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::sync::Once;

use tercet_engine::wire::{Code, TercetError};

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sets the hook, once.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| set_hook(Box::new(note)));
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
    LAST_PANIC.with_borrow_mut(|last| *last = format!("{text}{place}"));
}

/// Runs `work`; a panic inside becomes ERR_INTERNAL with the panic's message.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, TercetError>) -> Result<T, TercetError> {
    // The caller closes what `work` may have left half-changed, so nothing broken is ever looked at again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        // A payload may panic while it is dropped; it is small, and a defect has just been found.
        std::mem::forget(payload);
        let message = LAST_PANIC.with_borrow_mut(std::mem::take);
        Err(TercetError::new(Code::Internal, format!("a defect in tercet; the handle is closed: {message}")))
    })
}
