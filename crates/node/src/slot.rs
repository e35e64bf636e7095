//! Where a handle lives until it is closed.
//!
//! Calls take a counted reference out of the slot, so closing frees the engine's memory as soon as the last call in
//! flight ends, whenever JavaScript collects its object. A panic closes the slot: what a defect left half-changed must
//! not be used again.

use std::sync::{Arc, PoisonError, RwLock};

use tercet_engine::api::{Array, Control, Handle, Reply, SearchInto};
use tercet_engine::wire::{Code, TercetError};

use crate::guard::guarded;

/// A handle, until it is closed.
pub(crate) struct Slot {
    handle: RwLock<Option<Arc<dyn Handle>>>,
    /// A handle that holds no data (the root) survives a panic: there is nothing to be half-changed.
    stateless: bool,
}

impl Slot {
    /// A handle that a panic closes.
    pub(crate) fn new(handle: Arc<dyn Handle>) -> Arc<Slot> {
        Arc::new(Slot { handle: RwLock::new(Some(handle)), stateless: false })
    }

    /// A handle without data of its own.
    pub(crate) fn stateless(handle: Arc<dyn Handle>) -> Arc<Slot> {
        Arc::new(Slot { handle: RwLock::new(Some(handle)), stateless: true })
    }

    /// Runs one verb on the calling thread.
    pub(crate) fn call(
        &self,
        verb: &str,
        json: &str,
        arrays: Vec<Array>,
        control: &Control,
    ) -> Result<Reply, TercetError> {
        self.run(|handle| handle.call(verb, json, arrays, control))
    }

    /// The engine's estimate of a call, in microseconds.
    pub(crate) fn estimate_us(&self, verb: &str, json: &str, arrays: &[Array]) -> Result<u64, TercetError> {
        self.run(|handle| Ok(handle.estimate_us(verb, json, arrays)))
    }

    /// Level-1 search into the caller's arrays.
    pub(crate) fn search_into(&self, search: SearchInto<'_>) -> Result<usize, TercetError> {
        self.run(|handle| handle.search_into(search))
    }

    /// Closes it; calls in flight finish. May be called twice.
    pub(crate) fn close(&self) {
        let taken = self.handle.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = taken {
            // A panic while closing leaves nothing to tell: the handle is gone either way.
            let _ = guarded(|| {
                handle.close();
                drop(handle);
                Ok(())
            });
        }
    }

    fn run<T>(&self, work: impl FnOnce(&dyn Handle) -> Result<T, TercetError>) -> Result<T, TercetError> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(handle) = handle else {
            return Err(TercetError::new(Code::Closed, "the handle was closed"));
        };
        let result = guarded(move || work(&*handle));
        if !self.stateless && result.as_ref().is_err_and(|error| error.code() == Code::Internal) {
            self.close();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Fake {
        closes: AtomicU32,
    }

    impl Handle for Fake {
        fn call(
            &self,
            verb: &str,
            json: &str,
            arrays: Vec<Array>,
            _: &Control,
        ) -> Result<Reply, TercetError> {
            match verb {
                "panic" => panic!("on purpose: {json}"),
                "fail" => Err(TercetError::new(Code::Argument, "no")),
                _ => Ok(Reply { json: json.to_owned(), arrays, handle: None }),
            }
        }

        fn estimate_us(&self, verb: &str, _: &str, _: &[Array]) -> u64 {
            if verb == "panic.estimate" { panic!("on purpose") } else { 7 }
        }

        fn close(&self) {
            assert_eq!(self.closes.fetch_add(1, Ordering::Relaxed), 0, "closed twice");
        }
    }

    fn call(slot: &Slot, verb: &str) -> Result<Reply, TercetError> {
        slot.call(verb, "{}", Vec::new(), &Control::new())
    }

    #[test]
    fn a_panic_becomes_internal_and_closes_the_handle() {
        crate::guard::install();
        let fake = Arc::new(Fake::default());
        let slot = Slot::new(fake.clone());
        assert_eq!(call(&slot, "echo").unwrap().json, "{}");
        assert_eq!(call(&slot, "fail").err().unwrap().code(), Code::Argument);
        let error = call(&slot, "panic").err().unwrap();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.0.message.contains("on purpose: {}"), "{}", error.0.message);
        assert!(error.0.message.contains("slot.rs:"), "{}", error.0.message);
        assert_eq!(fake.closes.load(Ordering::Relaxed), 1);
        assert_eq!(call(&slot, "echo").err().unwrap().code(), Code::Closed);
        slot.close();
        assert_eq!(Arc::strong_count(&fake), 1, "closing lets go of the engine's memory");
    }

    #[test]
    fn a_panic_in_the_estimate_is_caught_too() {
        crate::guard::install();
        let slot = Slot::new(Arc::new(Fake::default()));
        assert_eq!(slot.estimate_us("echo", "", &[]).unwrap(), 7);
        assert_eq!(slot.estimate_us("panic.estimate", "", &[]).unwrap_err().code(), Code::Internal);
        assert_eq!(slot.estimate_us("echo", "", &[]).unwrap_err().code(), Code::Closed);
    }

    #[test]
    fn a_panic_on_another_thread_closes_the_handle_for_all() {
        crate::guard::install();
        let slot = Slot::new(Arc::new(Fake::default()));
        let (sender, answers) = std::sync::mpsc::channel();
        let shared = Arc::clone(&slot);
        crate::pool::spawn(move || sender.send(call(&shared, "panic").err().unwrap().code()).unwrap());
        assert_eq!(answers.recv().unwrap(), Code::Internal);
        assert_eq!(call(&slot, "echo").err().unwrap().code(), Code::Closed);
        let (sender, answers) = std::sync::mpsc::channel();
        crate::pool::spawn(move || sender.send(()).unwrap());
        answers.recv().expect("the pool outlives a panic");
    }

    #[test]
    fn the_root_survives_a_panic() {
        crate::guard::install();
        let slot = Slot::stateless(Arc::new(Fake::default()));
        assert_eq!(call(&slot, "panic").err().unwrap().code(), Code::Internal);
        assert!(call(&slot, "echo").is_ok());
    }

    #[test]
    fn searching_a_handle_that_is_no_index_is_unsupported() {
        let slot = Slot::new(Arc::new(Fake::default()));
        let search = SearchInto {
            query: tercet_engine::api::View::F32(&[0.0]),
            k: 1,
            rows: &mut [0],
            scores: &mut [0.0],
            settings: &mut [],
            filter: None,
            exclude: &[],
        };
        let error = slot.search_into(search).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
    }
}
