//! Document ids as bytes: a tag, then a big-endian number or the text, so that byte order is a total order.

use serde_json::{Number, Value};

use crate::wire::{Code, Id, TercetError, shown};

/// The longest string id, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 512;
/// The largest magnitude of a number that JavaScript holds exactly.
pub(crate) const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

const NUMBER: u8 = 1;
const TEXT: u8 = 2;

/// Checks an id and encodes it; `None` stands for a missing one.
pub(crate) fn encode(id: Option<&Value>) -> Result<Vec<u8>, TercetError> {
    let wrong = |found: String| {
        TercetError::new(
            Code::Id,
            format!("an id is a string of 1 to {ID_BYTES_MAX} bytes or a safe integer, found {found}"),
        )
        .field("id")
        .expected(format!("a string of 1 to {ID_BYTES_MAX} bytes or a safe integer"), found)
    };
    match id {
        Some(Value::String(text)) if text.is_empty() => Err(wrong(String::from("an empty string"))),
        Some(Value::String(text)) if text.len() > ID_BYTES_MAX => {
            Err(wrong(format!("a string of {} bytes", text.len())))
        }
        Some(Value::String(text)) => Ok([&[TEXT], text.as_bytes()].concat()),
        Some(Value::Number(number)) => {
            let integer = safe_integer(number).ok_or_else(|| wrong(number.to_string()))?;
            let ordered = (integer as u64) ^ (1 << 63);
            Ok([&[NUMBER][..], &ordered.to_be_bytes()].concat())
        }
        Some(other) => Err(wrong(shown(other))),
        None => Err(wrong(String::from("nothing"))),
    }
}

/// The id behind the bytes; `None` when they are damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Id> {
    match bytes.split_first()? {
        (&TEXT, text) => Some(Id::Text(std::str::from_utf8(text).ok()?.to_owned())),
        (&NUMBER, number) => {
            let ordered = u64::from_be_bytes(number.try_into().ok()?);
            Some(Id::Number((ordered ^ (1 << 63)) as i64))
        }
        _ => None,
    }
}

/// The number as a safe integer: 7 and 7.0 are the same, as they are in JavaScript; -0 is 0.
pub(crate) fn safe_integer(number: &Number) -> Option<i64> {
    let integer = match number.as_i64() {
        Some(integer) => integer,
        None => {
            let float = number.as_f64()?;
            if float.fract() != 0.0 || float.abs() > SAFE_INTEGER_MAX as f64 {
                return None;
            }
            float as i64
        }
    };
    (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&integer).then_some(integer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_come_back_and_keep_their_kind() {
        for id in [
            json!(1),
            json!("1"),
            json!(-5),
            json!(0),
            json!("é"),
            json!(SAFE_INTEGER_MAX),
            json!(-SAFE_INTEGER_MAX),
        ] {
            let back = decode(&encode(Some(&id)).unwrap()).unwrap();
            assert_eq!(serde_json::to_value(back).unwrap(), id);
        }
        assert_eq!(encode(Some(&json!(7.0))).unwrap(), encode(Some(&json!(7))).unwrap());
        assert!(encode(Some(&json!(-5))).unwrap() < encode(Some(&json!(3))).unwrap());
    }

    #[test]
    fn bad_ids_are_refused() {
        for id in [
            json!(""),
            json!("x".repeat(513)),
            json!(1.5),
            json!(1e300),
            json!(null),
            json!([1]),
            json!(9007199254740992i64),
            json!(i64::MIN),
        ] {
            assert_eq!(encode(Some(&id)).unwrap_err().code(), Code::Id);
        }
        assert_eq!(encode(None).unwrap_err().code(), Code::Id);
        for bytes in [&b""[..], b"\x01abc", b"\x02\xff", b"\x09"] {
            assert!(decode(bytes).is_none());
        }
    }
}
