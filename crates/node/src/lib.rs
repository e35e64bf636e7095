//! The N-API binding: one generic door between JavaScript and the engine.
//!
//! It converts arrays and text, chooses a thread, and maps the answer; it knows no verb. Rules it keeps:
//!
//! - JavaScript's memory is touched on JavaScript's thread only. What a pool thread needs is copied before.
//! - Nothing throws: failures come back as data, panics as ERR_INTERNAL, and then the handle is closed.
//! - Nothing belongs to the process but the thread pool, so any number of worker threads may load the addon, and an
//!   environment that ends while calls are running loses their answers and nothing else.

mod control;
mod convert;
mod guard;
mod handle;
mod pool;
mod search;
mod slot;

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;
use tercet_store::FileEnv;

pub use control::NativeControl;
pub use handle::NativeHandle;

/// A fresh root handle over the real file system.
#[napi]
pub fn root(env: &Env) -> napi::Result<ClassInstance<'_, NativeHandle>> {
    guard::install();
    NativeHandle::instance(
        env,
        slot::Slot::stateless(tercet_engine::api::root_with(
            Arc::new(FileEnv::new()),
            Arc::new(pool::Threads),
        )),
    )
}

/// The version of the core; must equal the version of the package in front of it.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
