//! What every verb does first and last: read its request, write its reply.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Reply;
use crate::wire::{Code, TercetError};

/// Reads a request.
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, TercetError> {
    serde_json::from_str(json).map_err(|e| {
        let text = e.to_string();
        // A lone surrogate is the one way in which a JavaScript string is not Unicode.
        if text.contains("surrogate") || text.contains("unexpected end of hex escape") {
            return TercetError::new(
                Code::Encoding,
                format!("the request holds text that is not valid Unicode: {text}"),
            )
            .expected("well-formed Unicode", "a lone surrogate");
        }
        TercetError::new(Code::Argument, format!("the request is malformed: {text}"))
    })
}

/// Writes a reply without arrays.
pub(crate) fn reply<T: Serialize>(value: &T) -> Result<Reply, TercetError> {
    Ok(Reply { json: to_json(value)?, ..Reply::default() })
}

/// Writes a reply's JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, TercetError> {
    serde_json::to_string(value)
        .map_err(|e| TercetError::new(Code::Internal, format!("a reply could not be written as JSON: {e}")))
}

/// The error of a verb that a handle does not have.
pub(crate) fn unknown_verb(verb: &str, handle: &str) -> TercetError {
    TercetError::new(Code::Unsupported, format!("{handle} has no verb `{verb}`"))
}
