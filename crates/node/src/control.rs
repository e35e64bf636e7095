//! A call's control as JavaScript holds it: polled, so that no thread ever waits for JavaScript.

use std::sync::Arc;

use napi_derive::napi;
use tercet_engine::api::Control;

/// Cancels a running call and tells how far it is.
#[napi(js_name = "Control")]
pub struct NativeControl {
    pub(crate) inner: Arc<Control>,
}

#[napi]
impl NativeControl {
    /// Nothing done, not cancelled.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)] // JavaScript's constructor; Rust has no use for a default.
    pub fn new() -> Self {
        NativeControl { inner: Arc::new(Control::new()) }
    }

    /// Asks the call to stop at its next look.
    #[napi]
    pub fn cancel(&self) {
        self.inner.cancel();
    }

    /// Work done so far, in the call's own unit.
    #[napi]
    #[allow(clippy::cast_precision_loss)] // Counts stay far below 2^53.
    pub fn done(&self) -> f64 {
        self.inner.done() as f64
    }

    /// Work in all; 0 while unknown.
    #[napi]
    #[allow(clippy::cast_precision_loss)] // Counts stay far below 2^53.
    pub fn total(&self) -> f64 {
        self.inner.total() as f64
    }
}
