//! A handle as JavaScript holds it.

use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, FromNapiValue as _, JavaScriptClassExt as _, ToNapiValue as _};
use napi::{Env, JsValue as _, Unknown, ValueType};
use napi_derive::napi;
use tercet_engine::api::{Array, Control};
use tercet_engine::wire::TercetError;

use crate::control::NativeControl;
use crate::convert::{Answer, argument, arrays_in, set, string_in};
use crate::pool;
use crate::search::Searcher;
use crate::slot::Slot;

/// Calls estimated below this run on the calling thread: an awaited task costs about 30 microseconds by itself, and
/// this much does not hurt an event loop.
const INLINE_US: u64 = 200;

/// Something open in the core. `searchInto` is a property of every instance, see [`Searcher`].
#[napi(js_name = "Handle")]
pub struct NativeHandle {
    slot: Arc<Slot>,
    searcher: Rc<Searcher>,
}

impl NativeHandle {
    /// The JavaScript object of a handle.
    pub(crate) fn instance(env: &Env, slot: Arc<Slot>) -> napi::Result<ClassInstance<'_, Self>> {
        let searcher = Searcher::new(Arc::clone(&slot));
        let function = searcher.function(env.raw())?;
        let instance = NativeHandle { slot, searcher }.into_instance(env)?;
        set(env.raw(), instance.value().value, c"searchInto", function)?;
        Ok(instance)
    }
}

/// What a call brings, in the engine's own memory.
struct Request {
    verb: String,
    json: String,
    arrays: Vec<Array>,
}

impl Request {
    fn read(verb: &Unknown<'_>, json: &Unknown<'_>, arrays: &Unknown<'_>) -> Result<Self, TercetError> {
        let (verb, json) = (string_in(verb, "the verb")?, string_in(json, "the request")?);
        Ok(Request { verb, json, arrays: arrays_in(arrays)? })
    }

    fn run(self, slot: &Slot, control: &Control) -> Answer {
        Answer(slot.call(&self.verb, &self.json, self.arrays, control))
    }
}

#[napi]
impl NativeHandle {
    /// Runs one verb: short work at once, long work as a promise.
    #[napi]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        verb: Unknown<'env>,
        request: Unknown<'env>,
        arrays: Unknown<'env>,
        control: Unknown<'env>,
    ) -> napi::Result<Unknown<'env>> {
        let prepared = Request::read(&verb, &request, &arrays)
            .and_then(|request| Ok((request, control_in(env, &control)?)))
            .and_then(|(request, control)| {
                let us = self.slot.estimate_us(&request.verb, &request.json, &request.arrays)?;
                Ok((request, control, us))
            });
        match prepared {
            Err(error) => answer(env, Answer(Err(error))),
            Ok((request, control, us)) if us < INLINE_US => answer(env, request.run(&self.slot, &control)),
            Ok((request, control, us)) => {
                let (deferred, promise) = env.create_deferred()?;
                let slot = Arc::clone(&self.slot);
                let work = move || {
                    let done = request.run(&slot, &control);
                    deferred.resolve(move |_| Ok(done));
                };
                // Without an estimate a call may wait for the disk or for others.
                if us == u64::MAX {
                    pool::spawn_waiting(work)
                } else {
                    pool::spawn(work)
                }
                Ok(promise.to_unknown())
            }
        }
    }

    /// Like `call`, but always on the calling thread.
    #[napi]
    pub fn call_sync<'env>(
        &self,
        env: &'env Env,
        verb: Unknown<'env>,
        request: Unknown<'env>,
        arrays: Unknown<'env>,
    ) -> napi::Result<Unknown<'env>> {
        let done = match Request::read(&verb, &request, &arrays) {
            Ok(request) => request.run(&self.slot, &Control::new()),
            Err(error) => Answer(Err(error)),
        };
        answer(env, done)
    }

    /// The error of the last failed `searchInto` on this handle, as JSON.
    #[napi]
    pub fn last_error(&self) -> String {
        self.searcher.last_error()
    }

    /// Frees it. Calls in flight finish; later ones answer ERR_CLOSED. May be called twice.
    #[napi]
    pub fn close(&self) {
        self.slot.close();
    }
}

fn control_in(env: &Env, value: &Unknown<'_>) -> Result<Arc<Control>, TercetError> {
    if matches!(value.get_type(), Ok(ValueType::Undefined | ValueType::Null)) {
        return Ok(Arc::new(Control::new()));
    }
    // SAFETY: live environment and value of this thread; napi checks the class.
    let instance = unsafe { ClassInstance::<NativeControl>::from_napi_value(env.raw(), value.value().value) };
    match instance {
        Ok(control) => Ok(Arc::clone(&control.inner)),
        Err(_) => Err(argument("the control is not one of this backend".to_owned())),
    }
}

fn answer(env: &Env, answer: Answer) -> napi::Result<Unknown<'_>> {
    // SAFETY: the live environment of this thread; the value was made in it a moment ago.
    unsafe {
        let value = Answer::to_napi_value(env.raw(), answer)?;
        Ok(Unknown::from_raw_unchecked(env.raw(), value))
    }
}
