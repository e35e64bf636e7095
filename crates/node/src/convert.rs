//! Between JavaScript's values and the engine's, on JavaScript's thread.
//!
//! Everything that reads or writes JavaScript's memory stands in this file.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;

use napi::bindgen_prelude::ToNapiValue;
use napi::{Env, JsValue, Status, Unknown, sys};
use tercet_engine::api::{self, Array, Reply};
use tercet_engine::wire::{Code, TercetError};

use crate::handle::NativeHandle;
use crate::slot::Slot;

/// Arrays larger than this go to JavaScript without a copy: an external buffer costs about a microsecond more to make.
const COPY_BYTES_MAX: usize = 64 * 1024;

/// The answer of a call, on its way to JavaScript.
pub(crate) struct Answer(pub(crate) Result<Reply, TercetError>);

impl ToNapiValue for Answer {
    unsafe fn to_napi_value(raw: sys::napi_env, answer: Self) -> napi::Result<sys::napi_value> {
        let env = Env::from_raw(raw);
        let mut object = ptr::null_mut();
        // SAFETY: `raw` is the live environment of this thread and the out-pointer is ours.
        check(unsafe { sys::napi_create_object(raw, &mut object) })?;
        let (reply, error) = match answer.0 {
            Ok(reply) => (reply, None),
            Err(error) => (Reply::default(), Some(error.to_json())),
        };
        set(raw, object, c"json", text(raw, &reply.json)?)?;
        set(raw, object, c"arrays", arrays_out(raw, reply.arrays)?)?;
        if let Some(handle) = reply.handle {
            let instance = NativeHandle::instance(&env, Slot::new(handle))?;
            set(raw, object, c"handle", instance.value().value)?;
        }
        if let Some(error) = error {
            set(raw, object, c"error", text(raw, &error)?)?;
        }
        Ok(object)
    }
}

/// A status as a result.
pub(crate) fn check(status: sys::napi_status) -> napi::Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(napi::Error::from_status(Status::from(status))) }
}

/// Sets a property.
pub(crate) fn set(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &'static std::ffi::CStr,
    value: sys::napi_value,
) -> napi::Result<()> {
    // SAFETY: live environment and values of this thread; the name ends with a zero byte.
    check(unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), value) })
}

fn text(env: sys::napi_env, text: &str) -> napi::Result<sys::napi_value> {
    let mut value = ptr::null_mut();
    let len = isize::try_from(text.len()).map_err(|_| napi::Error::from_status(Status::InvalidArg))?;
    // SAFETY: pointer and length are of one live string; the engine copies it.
    check(unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), len, &mut value) })?;
    Ok(value)
}

fn arrays_out(env: sys::napi_env, arrays: Vec<Array>) -> napi::Result<sys::napi_value> {
    let mut list = ptr::null_mut();
    // SAFETY: live environment, our out-pointer.
    check(unsafe { sys::napi_create_array_with_length(env, arrays.len(), &mut list) })?;
    for (at, array) in (0u32..).zip(arrays) {
        let value = match array {
            Array::F32(values) => array_out(env, sys::TypedarrayType::float32_array, values),
            Array::U32(values) => array_out(env, sys::TypedarrayType::uint32_array, values),
            Array::U8(values) => array_out(env, sys::TypedarrayType::uint8_array, values),
            Array::U16(values) => array_out(env, sys::TypedarrayType::uint16_array, values),
            Array::I8(values) => array_out(env, sys::TypedarrayType::int8_array, values),
        }?;
        // SAFETY: live environment and values of this thread.
        check(unsafe { sys::napi_set_element(env, list, at, value) })?;
    }
    Ok(list)
}

/// Element types that have a typed array.
trait Element: Copy + Send + 'static {}
impl Element for f32 {}
impl Element for u32 {}
impl Element for u8 {}
impl Element for u16 {}
impl Element for i8 {}
impl Element for f64 {}

fn array_out<T: Element>(
    env: sys::napi_env,
    kind: sys::napi_typedarray_type,
    values: Vec<T>,
) -> napi::Result<sys::napi_value> {
    let len = values.len();
    let external = if size_of_val(values.as_slice()) > COPY_BYTES_MAX { lend(env, &values) } else { None };
    let buffer = match external {
        Some(buffer) => {
            // JavaScript owns the vector from here on; `give_back` rebuilds and drops it.
            std::mem::forget(values);
            buffer
        }
        None => copied(env, &values)?,
    };
    let mut array = ptr::null_mut();
    // SAFETY: the buffer holds `len` elements of this type from offset 0.
    check(unsafe { sys::napi_create_typedarray(env, kind, len, buffer, 0, &mut array) })?;
    Ok(array)
}

/// A buffer over the vector's own memory, or nothing where the host refuses such buffers.
fn lend<T: Element>(env: sys::napi_env, values: &Vec<T>) -> Option<sys::napi_value> {
    let mut buffer = ptr::null_mut();
    // SAFETY: on success the caller forgets the vector, so its memory lives until `give_back` runs, once, with the
    // capacity that stands in the hint. On failure the host has taken nothing.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env,
            values.as_ptr().cast_mut().cast(),
            size_of_val(values.as_slice()),
            Some(give_back::<T>),
            ptr::without_provenance_mut(values.capacity()),
            &mut buffer,
        )
    };
    (status == sys::Status::napi_ok).then_some(buffer)
}

/// Frees a vector that was lent to JavaScript. Only its memory matters: elements need no drop, so the length is 0.
unsafe extern "C" fn give_back<T: Element>(_: sys::napi_env, data: *mut c_void, capacity: *mut c_void) {
    // SAFETY: pointer and capacity are those of the vector that `lend` was given and its caller forgot.
    drop(unsafe { Vec::<T>::from_raw_parts(data.cast(), 0, capacity.addr()) });
}

fn copied<T: Element>(env: sys::napi_env, values: &[T]) -> napi::Result<sys::napi_value> {
    let (mut data, mut buffer) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: live environment, our out-pointers.
    check(unsafe { sys::napi_create_arraybuffer(env, size_of_val(values), &mut data, &mut buffer) })?;
    if !values.is_empty() {
        // SAFETY: the new buffer has exactly this many bytes, is aligned for any element and overlaps nothing.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), data.cast(), values.len()) };
    }
    Ok(buffer)
}

/// A string argument, or ERR_ARGUMENT.
pub(crate) fn string_in(value: &Unknown<'_>, what: &str) -> Result<String, TercetError> {
    let raw = value.value();
    let wrong = || argument(format!("{what} must be a string"));
    let mut len = 0;
    // SAFETY: live environment and value; a null buffer asks for the length only.
    let status = unsafe { sys::napi_get_value_string_utf8(raw.env, raw.value, ptr::null_mut(), 0, &mut len) };
    if status != sys::Status::napi_ok {
        return Err(wrong());
    }
    let mut bytes: Vec<u8> = Vec::new();
    bytes.try_reserve_exact(len + 1).map_err(|_| memory(len + 1))?;
    let mut written = 0;
    // SAFETY: the buffer has room for `len` bytes and the final zero that the host writes.
    let status = unsafe {
        let buffer = bytes.as_mut_ptr().cast();
        sys::napi_get_value_string_utf8(raw.env, raw.value, buffer, len + 1, &mut written)
    };
    if status != sys::Status::napi_ok {
        return Err(wrong());
    }
    // SAFETY: the host initialised `written` bytes, at most `len`.
    unsafe { bytes.set_len(written.min(len)) };
    String::from_utf8(bytes).map_err(|_| TercetError::new(Code::Encoding, format!("{what} is not Unicode")))
}

/// The arrays of a call, copied; or ERR_ARGUMENT, ERR_MEMORY.
pub(crate) fn arrays_in(list: &Unknown<'_>) -> Result<Vec<Array>, TercetError> {
    let raw = list.value();
    let mut len = 0;
    // SAFETY: live environment and value; the host says so when the value is no array.
    if unsafe { sys::napi_get_array_length(raw.env, raw.value, &mut len) } != sys::Status::napi_ok {
        return Err(argument("the arrays of a call must stand in an array".to_owned()));
    }
    (0..len).map(|at| array_in(raw.env, raw.value, at)).collect()
}

fn array_in(env: sys::napi_env, list: sys::napi_value, at: u32) -> Result<Array, TercetError> {
    let wrong = || {
        let kinds = "Float32Array, Uint32Array, Uint8Array, Uint16Array or Int8Array";
        argument(format!("array {at} of the call is not a {kinds}")).expected(kinds, "something else")
    };
    let mut value = ptr::null_mut();
    // SAFETY: live environment and array; a getter that throws gives a status that is not ok.
    if unsafe { sys::napi_get_element(env, list, at, &mut value) } != sys::Status::napi_ok {
        // SAFETY: live environment; the exception is taken so that it is not thrown when the call returns.
        unsafe { sys::napi_get_and_clear_last_exception(env, &mut value) };
        return Err(wrong());
    }
    let view = View::of(env, value).ok_or_else(wrong)?;
    match view.kind {
        sys::TypedarrayType::float32_array => Ok(Array::F32(view.copy()?)),
        sys::TypedarrayType::uint32_array => Ok(Array::U32(view.copy()?)),
        sys::TypedarrayType::uint8_array | sys::TypedarrayType::uint8_clamped_array => {
            Ok(Array::U8(view.copy()?))
        }
        sys::TypedarrayType::uint16_array => Ok(Array::U16(view.copy()?)),
        sys::TypedarrayType::int8_array => Ok(Array::I8(view.copy()?)),
        _ => Err(wrong()),
    }
}

/// Where a typed array's elements lie. Valid until JavaScript runs again.
#[derive(Clone, Copy)]
pub(crate) struct View {
    kind: sys::napi_typedarray_type,
    data: *mut c_void,
    len: usize,
}

impl View {
    /// The typed array behind `value`, or nothing if it is none.
    #[inline]
    pub(crate) fn of(env: sys::napi_env, value: sys::napi_value) -> Option<View> {
        let mut view = View { kind: -1, data: ptr::null_mut(), len: 0 };
        // SAFETY: live environment and value; the out-pointers that are null are not written.
        let status = unsafe {
            let (buffer, offset) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_get_typedarray_info(
                env,
                value,
                &mut view.kind,
                &mut view.len,
                &mut view.data,
                buffer,
                offset,
            )
        };
        (status == sys::Status::napi_ok).then_some(view)
    }

    /// As a view of 32-bit floats.
    #[inline]
    pub(crate) fn floats(self) -> Option<Elements<f32>> {
        (self.kind == sys::TypedarrayType::float32_array).then(|| self.elements()).flatten()
    }

    /// As a view of 32-bit unsigned integers.
    #[inline]
    pub(crate) fn uints(self) -> Option<Elements<u32>> {
        (self.kind == sys::TypedarrayType::uint32_array).then(|| self.elements()).flatten()
    }

    /// As a view of 64-bit floats.
    #[inline]
    pub(crate) fn doubles(self) -> Option<Elements<f64>> {
        (self.kind == sys::TypedarrayType::float64_array).then(|| self.elements()).flatten()
    }

    /// As a view of a query's components.
    #[inline]
    pub(crate) fn query(self) -> Option<Components> {
        match self.kind {
            sys::TypedarrayType::float32_array => self.elements().map(Components::F32),
            sys::TypedarrayType::uint8_array => self.elements().map(Components::U8),
            sys::TypedarrayType::int8_array => self.elements().map(Components::I8),
            sys::TypedarrayType::uint16_array => self.elements().map(Components::U16),
            _ => None,
        }
    }

    /// The bytes that it covers.
    #[inline]
    pub(crate) fn bytes(self) -> Range<usize> {
        let width = match self.kind {
            sys::TypedarrayType::float32_array | sys::TypedarrayType::uint32_array => 4,
            sys::TypedarrayType::float64_array => 8,
            sys::TypedarrayType::uint16_array => 2,
            _ => 1,
        };
        let start = self.data.addr();
        start..start + self.len * width
    }

    fn elements<T: Element>(self) -> Option<Elements<T>> {
        let data: *mut T = self.data.cast();
        if self.len == 0 || data.is_null() {
            return Some(Elements { data: ptr::NonNull::dangling().as_ptr(), len: 0 });
        }
        // Only a foreign external buffer can be misaligned.
        data.is_aligned().then_some(Elements { data, len: self.len })
    }

    fn copy<T: Element>(self) -> Result<Vec<T>, TercetError> {
        let mut copy = Vec::new();
        if self.len == 0 || self.data.is_null() {
            return Ok(copy);
        }
        copy.try_reserve_exact(self.len).map_err(|_| memory(self.len * size_of::<T>()))?;
        // SAFETY: the host says that `len` elements of this type lie at `data`; the copy has room for them, and byte
        // copies need no alignment. Shared memory may change underneath: that gives odd numbers, which every value
        // of these types is allowed to be.
        unsafe {
            let (from, to): (*const u8, *mut u8) = (self.data.cast(), copy.as_mut_ptr().cast());
            ptr::copy_nonoverlapping(from, to, self.len * size_of::<T>());
            copy.set_len(self.len);
        }
        Ok(copy)
    }
}

/// Whether two ranges of memory share a byte.
#[inline]
pub(crate) fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end && a.start < a.end && b.start < b.end
}

/// The components of a query, in JavaScript's memory.
#[derive(Clone, Copy)]
pub(crate) enum Components {
    F32(Elements<f32>),
    U8(Elements<u8>),
    I8(Elements<i8>),
    U16(Elements<u16>),
}

impl Components {
    /// The components, to read.
    ///
    /// # Safety
    /// As for [`Elements::read`].
    #[inline]
    pub(crate) unsafe fn read<'a>(self) -> api::View<'a> {
        // SAFETY: the caller keeps writers away from all of them.
        unsafe {
            match self {
                Components::F32(values) => api::View::F32(values.read()),
                Components::U8(values) => api::View::U8(values.read()),
                Components::I8(values) => api::View::I8(values.read()),
                Components::U16(values) => api::View::U16(values.read()),
            }
        }
    }
}

/// The elements of a typed array, in JavaScript's memory.
#[derive(Clone, Copy)]
pub(crate) struct Elements<T> {
    data: *mut T,
    len: usize,
}

impl<T> Elements<T> {
    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The elements, to read.
    ///
    /// # Safety
    /// JavaScript must not run, and nothing else may write these elements, while the slice lives.
    pub(crate) unsafe fn read<'a>(self) -> &'a [T] {
        // SAFETY: the view holds `len` aligned elements; the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }

    /// The elements, to write.
    ///
    /// # Safety
    /// As for [`Elements::read`], and nothing else may read them.
    pub(crate) unsafe fn write<'a>(self) -> &'a mut [T] {
        // SAFETY: as above; the caller keeps readers away as well.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

/// ERR_ARGUMENT with a sentence.
pub(crate) fn argument(message: String) -> TercetError {
    TercetError::new(Code::Argument, message)
}

fn memory(bytes: usize) -> TercetError {
    TercetError::new(Code::Memory, format!("cannot allocate {bytes} bytes for the call"))
}
