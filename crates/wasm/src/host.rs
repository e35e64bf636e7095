//! What the host lends: a clock, chance, files, and a place for last words.
//!
//! Paths and texts go out as pointer and length. A function answers a number: 0 or more is the result, below 0 one of
//! the codes here. Text that belongs to an answer (the names in a folder, an error's message) waits at the host; its
//! length is the answer or comes from `pending`, and `take` copies it here. The host must not call back in meanwhile.

use std::io;
use std::panic::PanicHookInfo;

use tercet_store::StoreError;

const NOT_FOUND: f64 = -1.0;
const EXISTS: f64 = -2.0;
const NO_SPACE: f64 = -3.0;
const LOCKED: f64 = -4.0;

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "tercet")]
unsafe extern "C" {
    safe fn now() -> f64;
    safe fn random() -> u32;
    fn panicked(text: *const u8, len: usize);
    safe fn pending() -> usize;
    fn take(to: *mut u8, len: usize);
    fn fs_size(path: *const u8, len: usize) -> f64;
    fn fs_read(path: *const u8, len: usize, start: f64, to: *mut u8, to_len: usize) -> f64;
    fn fs_create(path: *const u8, len: usize) -> f64;
    fn fs_write(file: u32, from: *const u8, len: usize) -> f64;
    safe fn fs_sync(file: u32) -> f64;
    safe fn fs_close(file: u32) -> f64;
    fn fs_rename(from: *const u8, from_len: usize, to: *const u8, to_len: usize) -> f64;
    fn fs_remove(path: *const u8, len: usize) -> f64;
    fn fs_exists(path: *const u8, len: usize) -> f64;
    fn fs_list(path: *const u8, len: usize) -> f64;
    fn fs_make_dirs(path: *const u8, len: usize) -> f64;
    fn fs_sync_dir(path: *const u8, len: usize) -> f64;
    fn fs_lock(path: *const u8, len: usize) -> f64;
    safe fn fs_unlock(lock: u32) -> f64;
}

/// Elsewhere there is no such host; the crate only has to compile, for its tests and for lints.
#[cfg(not(target_arch = "wasm32"))]
mod absent {
    pub(super) fn now() -> f64 {
        0.0
    }
    pub(super) fn random() -> u32 {
        4
    }
    pub(super) fn pending() -> usize {
        0
    }
    pub(super) unsafe fn panicked(_: *const u8, _: usize) {}
    pub(super) unsafe fn take(_: *mut u8, _: usize) {}
    macro_rules! refuse {
        ($($name:ident($($kind:ty),*);)*) => { $(
            pub(super) unsafe fn $name($(_: $kind),*) -> f64 { -5.0 }
        )* };
    }
    refuse! {
        fs_size(*const u8, usize);
        fs_read(*const u8, usize, f64, *mut u8, usize);
        fs_create(*const u8, usize);
        fs_write(u32, *const u8, usize);
        fs_rename(*const u8, usize, *const u8, usize);
        fs_remove(*const u8, usize);
        fs_exists(*const u8, usize);
        fs_list(*const u8, usize);
        fs_make_dirs(*const u8, usize);
        fs_sync_dir(*const u8, usize);
        fs_lock(*const u8, usize);
    }
    pub(super) fn fs_sync(_: u32) -> f64 {
        -5.0
    }
    pub(super) fn fs_close(_: u32) -> f64 {
        0.0
    }
    pub(super) fn fs_unlock(_: u32) -> f64 {
        0.0
    }
}
#[cfg(not(target_arch = "wasm32"))]
use absent::{
    fs_close, fs_create, fs_exists, fs_list, fs_lock, fs_make_dirs, fs_read, fs_remove, fs_rename, fs_size,
    fs_sync, fs_sync_dir, fs_unlock, fs_write, now, panicked, pending, random, take,
};

/// Tells the host of a panic before the trap that follows it.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text =
            text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let text = format!("{text}{place}");
        // SAFETY: pointer and length of one live string, which the host copies before it returns.
        unsafe { panicked(text.as_ptr(), text.len()) };
    }));
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // Saturates; clocks before 1970 give 0.
    let ms = now() as u64;
    ms
}

/// 64 random bits.
pub(crate) fn random_u64() -> u64 {
    u64::from(random()) << 32 | u64::from(random())
}

/// The text that waits at the host.
fn text() -> String {
    let len = pending();
    let mut bytes = Vec::new();
    if len == 0 || bytes.try_reserve_exact(len).is_err() {
        return String::new();
    }
    bytes.resize(len, 0);
    // SAFETY: exactly `len` writable bytes.
    unsafe { take(bytes.as_mut_ptr(), len) };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer of the host as a result.
fn answer(path: &str, op: &'static str, answer: f64) -> Result<f64, StoreError> {
    let path = path.to_owned();
    Err(match answer {
        ok if ok >= 0.0 => return Ok(ok),
        NOT_FOUND => StoreError::NotFound { path },
        EXISTS => StoreError::Exists { path },
        NO_SPACE => StoreError::NoSpace { path, op },
        LOCKED => StoreError::Locked { path, holder: text().parse().ok() },
        _ => StoreError::Io { path, op, source: io::Error::other(text()) },
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Numbers that the host gave out, from 0.
fn number(answer: f64) -> u32 {
    answer as u32
}

/// The file's length in bytes.
pub(crate) fn size(path: &str) -> Result<u64, StoreError> {
    // SAFETY: pointer and length of one live string.
    let size = unsafe { fs_size(path.as_ptr(), path.len()) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Not negative; sizes are below 2^53.
    answer(path, "size", size).map(|size| size as u64)
}

/// Reads the file's bytes from `start` on into `to`; how many there were.
pub(crate) fn read(path: &str, start: u64, to: &mut [u8]) -> Result<usize, StoreError> {
    #[allow(clippy::cast_precision_loss)] // Sizes are below 2^53.
    let start = start as f64;
    // SAFETY: pointers and lengths of a live string and a live, writable slice.
    let read = unsafe { fs_read(path.as_ptr(), path.len(), start, to.as_mut_ptr(), to.len()) };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // At most the slice's length.
    answer(path, "read", read).map(|read| read as usize)
}

/// Makes a new file and opens it for writing.
pub(crate) fn create(path: &str) -> Result<u32, StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "create", unsafe { fs_create(path.as_ptr(), path.len()) }).map(number)
}

/// Appends to a file.
pub(crate) fn write(file: u32, path: &str, from: &[u8]) -> Result<(), StoreError> {
    // SAFETY: pointer and length of one live slice.
    answer(path, "write", unsafe { fs_write(file, from.as_ptr(), from.len()) }).map(drop)
}

/// Makes a file's bytes durable.
pub(crate) fn sync(file: u32, path: &str) -> Result<(), StoreError> {
    answer(path, "sync", fs_sync(file)).map(drop)
}

/// Closes a file.
pub(crate) fn close(file: u32) {
    fs_close(file);
}

/// Moves a file.
pub(crate) fn rename(from: &str, to: &str) -> Result<(), StoreError> {
    // SAFETY: pointers and lengths of two live strings.
    let moved = unsafe { fs_rename(from.as_ptr(), from.len(), to.as_ptr(), to.len()) };
    answer(from, "rename", moved).map(drop)
}

/// Removes a file.
pub(crate) fn remove(path: &str) -> Result<(), StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "remove", unsafe { fs_remove(path.as_ptr(), path.len()) }).map(drop)
}

/// Whether something stands there.
pub(crate) fn exists(path: &str) -> Result<bool, StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "exists", unsafe { fs_exists(path.as_ptr(), path.len()) }).map(|found| found > 0.0)
}

/// The names in a folder.
pub(crate) fn list(path: &str) -> Result<Vec<String>, StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "list", unsafe { fs_list(path.as_ptr(), path.len()) })?;
    // Names come with a zero byte between them, which no name can hold.
    Ok(text().split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Makes a folder and those above it.
pub(crate) fn make_dirs(path: &str) -> Result<(), StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "create folder", unsafe { fs_make_dirs(path.as_ptr(), path.len()) }).map(drop)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(path: &str) -> Result<(), StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "sync folder", unsafe { fs_sync_dir(path.as_ptr(), path.len()) }).map(drop)
}

/// Takes a lock.
pub(crate) fn lock(path: &str) -> Result<u32, StoreError> {
    // SAFETY: pointer and length of one live string.
    answer(path, "lock", unsafe { fs_lock(path.as_ptr(), path.len()) }).map(number)
}

/// Lets a lock go.
pub(crate) fn unlock(lock: u32) {
    fs_unlock(lock);
}
