#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The C ABI as JavaScript uses it, called from Rust.

use super::*;
use crate::memory::U8;

fn handed(text: &str) -> (*mut u8, usize) {
    let data = tercet_alloc(U8, text.len());
    if !text.is_empty() {
        // SAFETY: freshly allocated for this many bytes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), data, text.len()) };
    }
    (data, text.len())
}

fn call(handle: u32, verb: &str, json: &str) -> (String, String) {
    let ((verb, verb_len), (json, json_len)) = (handed(verb), handed(json));
    // SAFETY: everything was allocated and filled above.
    let block = unsafe { tercet_call(handle, verb, verb_len, json, json_len, std::ptr::null(), 0, 0) };
    // SAFETY: the call's answer, not freed yet.
    let texts = unsafe { (*block).texts() };
    // SAFETY: freed once.
    unsafe { tercet_reply_free(block) };
    texts
}

#[test]
fn the_root_answers_until_it_is_closed() {
    let root = tercet_root(0);
    let (json, error) = call(root, "info", "{}");
    assert_eq!(error, "");
    assert!(json.contains(env!("CARGO_PKG_VERSION")), "{json}");
    let (json, error) = call(root, "no such verb", "{}");
    assert_eq!(json, "");
    assert!(error.contains("ERR_"), "{error}");
    tercet_close(root);
    tercet_close(root);
    assert!(call(root, "info", "{}").1.contains("ERR_CLOSED"));
    assert!(call(0, "info", "{}").1.contains("ERR_CLOSED"));
}

#[test]
fn numbers_of_handles_are_not_reused() {
    let first = tercet_root(0);
    tercet_close(first);
    assert_ne!(tercet_root(0), first);
}

#[test]
fn memory_is_refused_not_trusted() {
    assert!(tercet_alloc(U8, 0).is_null());
    assert!(tercet_alloc(9, 1).is_null());
    assert!(tercet_alloc(memory::F32, usize::MAX).is_null());
    assert!(tercet_search_room(usize::MAX).is_null());
    assert!(tercet_search_room(usize::MAX / 16).is_null());
    let data = tercet_alloc(memory::U32, 3);
    assert!(!data.is_null());
    // SAFETY: allocated a line above.
    unsafe { tercet_free(memory::U32, data, 3) };
}

#[test]
fn searching_a_handle_that_is_no_index_is_an_error() {
    let root = tercet_root(0);
    assert_eq!(tercet_search(root, memory::F32, 1 << 20, 1, -1, 0), -1, "without room");
    assert!(!tercet_search_room(setting::COUNT + 4).is_null());
    assert_eq!(tercet_search(root, memory::F32, 4, 2, -1, 0), -1);
    let block = tercet_last_error();
    // SAFETY: an answer, not freed yet, then freed once.
    let error = unsafe { (*block).texts() }.1;
    // SAFETY: as above.
    unsafe { tercet_reply_free(block) };
    assert!(error.contains("ERR_UNSUPPORTED"), "{error}");
    assert_eq!(tercet_search(root + 1000, memory::F32, 4, 2, -1, 0), -1);
}

#[test]
fn without_storage_files_are_refused() {
    use tercet_store::Env as _;
    let env = HostEnv::new(false);
    for error in [env.read("a").unwrap_err(), env.list("a").unwrap_err(), env.lock("a").unwrap_err()] {
        assert!(error.to_string().contains(":memory:"), "{error}");
    }
}
