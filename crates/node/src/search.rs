//! `searchInto`, the one call whose cost is counted in nanoseconds.
//!
//! A method of a class costs two look-ups in the receiver (the wrapped pointer and its type tag), about 0.4
//! microseconds. So every handle carries its own function, which brings its pointer as data: there is no receiver that
//! could be the wrong one, and the call costs what reading a few typed arrays costs.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;

use napi::sys;
use tercet_engine::api::SearchInto;
use tercet_engine::wire::TercetError;

use crate::convert::{View, argument, check, overlap};
use crate::slot::Slot;

/// Query, k, rows, scores, settings, filter, rows to leave out.
const ARGUMENTS: usize = 7;

/// What a `searchInto` function needs, and the error it left. Lives on one JavaScript thread.
pub(crate) struct Searcher {
    slot: Arc<Slot>,
    last_error: RefCell<String>,
}

impl Searcher {
    pub(crate) fn new(slot: Arc<Slot>) -> Rc<Self> {
        Rc::new(Searcher { slot, last_error: RefCell::new(String::new()) })
    }

    /// The error of the last failed search, as JSON.
    pub(crate) fn last_error(&self) -> String {
        self.last_error.borrow().clone()
    }

    /// A JavaScript function `(query, k, rows, scores, settings?, filter?, exclude?) => found` that holds a reference to this.
    pub(crate) fn function(self: &Rc<Self>, env: sys::napi_env) -> napi::Result<sys::napi_value> {
        let data = Rc::into_raw(Rc::clone(self)).cast_mut().cast::<c_void>();
        let made = Self::make(env, data);
        if made.is_err() {
            // SAFETY: the reference taken above, which no finalizer will give back.
            drop(unsafe { Rc::from_raw(data.cast::<Searcher>()) });
        }
        made
    }

    fn make(env: sys::napi_env, data: *mut c_void) -> napi::Result<sys::napi_value> {
        let mut function = ptr::null_mut();
        let name = c"searchInto";
        let len = name.count_bytes().cast_signed();
        // SAFETY: live environment of this thread; `data` outlives the function, whose finalizer gives it back.
        check(unsafe {
            sys::napi_create_function(env, name.as_ptr(), len, Some(search_into), data, &mut function)
        })?;
        // SAFETY: live environment and function; the finalizer runs once, on this thread, after the last call.
        check(unsafe {
            let (hint, reference) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_add_finalizer(env, function, data, Some(release), hint, reference)
        })?;
        Ok(function)
    }

    fn search(
        &self,
        env: sys::napi_env,
        args: [sys::napi_value; ARGUMENTS],
        count: usize,
    ) -> Result<usize, TercetError> {
        let wrong = |what: &str| argument(format!("searchInto: {what}"));
        let view = |at: usize| View::of(env, args[at]);
        // The last three may be left out, and undefined is as good as nothing.
        let given = |at: usize| if at < count && !undefined(env, args[at]) { Some(view(at)) } else { None };
        let query_view = view(0).ok_or_else(|| wrong("the query must be a typed array"))?;
        let query = query_view.query();
        let query = query.ok_or_else(|| wrong("the query must be an array of f32, f16, i8, u8 or bits"))?;
        let k = whole(env, args[1]).ok_or_else(|| wrong("k must be a whole number from 0 to 2^32 - 1"))?;
        let uints = |view: Option<View>, what: &str| {
            let view = view.and_then(|view| Some((view.uints()?, view.bytes())));
            view.ok_or_else(|| wrong(&format!("{what} must be a Uint32Array")))
        };
        let (rows, rows_at) = uints(view(2), "rows")?;
        let scores = view(3).and_then(|view| Some((view.floats()?, view.bytes())));
        let (scores, scores_at) = scores.ok_or_else(|| wrong("scores must be a Float32Array"))?;
        let settings = given(4).map(|view| view.and_then(|view| Some((view.doubles()?, view.bytes()))));
        let settings = match settings {
            None => None,
            Some(view) => Some(view.ok_or_else(|| wrong("the settings must be a Float64Array"))?),
        };
        let filter = given(5).map(|view| uints(view, "the filter")).transpose()?;
        let exclude = given(6).map(|view| uints(view, "the rows to leave out")).transpose()?;
        if rows.len() < k || scores.len() < k {
            let found = format!("{} and {}", rows.len(), scores.len());
            return Err(wrong("rows and scores must hold k elements").expected(k.to_string(), found));
        }
        let nothing = 0..0;
        let settings_at = settings.as_ref().map_or(&nothing, |(_, at)| at);
        let read = [
            &query_view.bytes(),
            filter.as_ref().map_or(&nothing, |(_, at)| at),
            exclude.as_ref().map_or(&nothing, |(_, at)| at),
        ];
        let written = [&rows_at, &scores_at, settings_at];
        let shared = written.iter().any(|a| read.iter().any(|b| overlap(a, b)))
            || overlap(&rows_at, &scores_at)
            || overlap(&rows_at, settings_at)
            || overlap(&scores_at, settings_at);
        if shared {
            return Err(wrong("what is read and what is written must not share memory"));
        }
        // SAFETY: JavaScript does not run on this thread until we return, and what is written shares no byte with
        // anything else. Where arrays lie in shared memory the documentation asks the caller to keep other threads away
        // meanwhile; a caller who does not gets odd numbers, since every bit pattern is a value of these types.
        let search = unsafe {
            SearchInto {
                query: query.read(),
                k,
                rows: &mut rows.write()[..k],
                scores: &mut scores.write()[..k],
                settings: settings.map_or(&mut [], |(settings, _)| settings.write()),
                filter: filter.map(|(filter, _)| filter.read()),
                exclude: exclude.map_or(&[], |(exclude, _)| exclude.read()),
            }
        };
        self.slot.search_into(search)
    }
}

/// Whether an argument is `undefined`.
fn undefined(env: sys::napi_env, value: sys::napi_value) -> bool {
    let mut kind = sys::ValueType::napi_undefined;
    // SAFETY: live environment and value, our out-pointer.
    let status = unsafe { sys::napi_typeof(env, value, &mut kind) };
    status == sys::Status::napi_ok && kind == sys::ValueType::napi_undefined
}

/// A whole number of at most 32 bits.
fn whole(env: sys::napi_env, value: sys::napi_value) -> Option<usize> {
    let mut k = -1.0;
    // SAFETY: live environment and value; the host says so when the value is no number.
    let status = unsafe { sys::napi_get_value_double(env, value, &mut k) };
    let inside = status == sys::Status::napi_ok && k >= 0.0 && k <= f64::from(u32::MAX) && k.fract() == 0.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Whole, and in the range of u32.
    inside.then_some(k as usize)
}

unsafe extern "C" fn search_into(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut args = [ptr::null_mut(); ARGUMENTS];
    let (mut count, mut data) = (args.len(), ptr::null_mut());
    // SAFETY: called by the host with its environment and call; missing arguments are set to undefined.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, args.as_mut_ptr(), ptr::null_mut(), &mut data)
    };
    if status != sys::Status::napi_ok || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the pointer given to `napi_create_function`: a reference that `release` gives back later than any call.
    let searcher = unsafe { &*data.cast::<Searcher>() };
    #[allow(clippy::cast_precision_loss)] // At most k, which is below 2^32.
    let found = match searcher.search(env, args, count) {
        Ok(found) => found as f64,
        Err(error) => {
            *searcher.last_error.borrow_mut() = error.to_json();
            -1.0
        }
    };
    let mut value = ptr::null_mut();
    // SAFETY: live environment, our out-pointer.
    unsafe { sys::napi_create_double(env, found, &mut value) };
    value
}

unsafe extern "C" fn release(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: the reference that `function` handed over.
    drop(unsafe { Rc::from_raw(data.cast::<Searcher>()) });
}
