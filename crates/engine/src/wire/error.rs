//! The one error type that leaves the core, and its stable codes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// What went wrong, in a word that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
        pub enum Code { $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+ }
        impl Code {
            /// The code as JavaScript sees it.
            pub fn as_str(self) -> &'static str { match self { $(Code::$name => $text,)+ } }
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];
        }
    };
}

codes! {
    /// The schema is malformed, or differs from the stored one.
    Schema = "ERR_SCHEMA",
    /// A field name is not in the schema.
    Field = "ERR_FIELD",
    /// A required field is missing.
    Required = "ERR_REQUIRED",
    /// A value has the wrong type.
    Type = "ERR_TYPE",
    /// A number is NaN or infinite.
    NotFinite = "ERR_NOT_FINITE",
    /// A vector has the wrong length.
    Dimension = "ERR_DIMENSION",
    /// A zero vector where the metric is cosine.
    ZeroVector = "ERR_ZERO_VECTOR",
    /// An id is neither a string of 1 to 512 bytes nor a safe integer.
    Id = "ERR_ID",
    /// The same id twice in one batch.
    DuplicateId = "ERR_DUPLICATE_ID",
    /// A query is malformed or empty.
    Query = "ERR_QUERY",
    /// A filter is malformed, or names a field or an operator that cannot be filtered so.
    Filter = "ERR_FILTER",
    /// A number is outside its documented range.
    Limit = "ERR_LIMIT",
    /// Text that should be JSON, CSV or another format is not.
    Parse = "ERR_PARSE",
    /// Text is not valid Unicode.
    Encoding = "ERR_ENCODING",
    /// Another argument is wrong.
    Argument = "ERR_ARGUMENT",
    /// This backend or index kind cannot do that.
    Unsupported = "ERR_UNSUPPORTED",
    /// A file, a folder or a document that should be there is not.
    NotFound = "ERR_NOT_FOUND",
    /// A file or a folder that should not be there is.
    Exists = "ERR_EXISTS",
    /// Another writer holds the folder.
    Locked = "ERR_LOCKED",
    /// Stored bytes are damaged.
    Corrupt = "ERR_CORRUPT",
    /// Stored bytes are from a newer version of the format.
    Version = "ERR_VERSION",
    /// The operating system refused.
    Io = "ERR_IO",
    /// Not enough memory for what was asked.
    Memory = "ERR_MEMORY",
    /// The handle was closed.
    Closed = "ERR_CLOSED",
    /// The caller cancelled.
    Aborted = "ERR_ABORTED",
    /// A defect in tercet itself; the handle is closed.
    Internal = "ERR_INTERNAL",
}

/// An error as it crosses to JavaScript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct WireError {
    /// The stable code.
    pub code: Code,
    /// One sentence: what, where, expected and found.
    pub message: String,
    /// The field of the schema or of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub field: Option<String>,
    /// The document's position in the call, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub position: Option<u64>,
    /// The document's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | number")]
    pub id: Option<Value>,
    /// The position inside a vector, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub component: Option<u64>,
    /// What was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub expected: Option<String>,
    /// What came instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub found: Option<String>,
    /// The file concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub file: Option<String>,
    /// The line of that file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number")]
    pub line: Option<u64>,
}

/// The engine's error: a [`WireError`] in a box, so that results stay small.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}: {}", .0.code.as_str(), .0.message)]
pub struct TercetError(pub Box<WireError>);

impl TercetError {
    /// An error with a code and a sentence; the builder methods add the place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        TercetError(Box::new(WireError {
            code,
            message: message.into(),
            field: None,
            position: None,
            id: None,
            component: None,
            expected: None,
            found: None,
            file: None,
            line: None,
        }))
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Names the field.
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.0.field = Some(name.into());
        self
    }

    /// Names the document's position in the call.
    pub fn position(mut self, position: u64) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Names the document's id.
    pub fn id(mut self, id: Value) -> Self {
        self.0.id = Some(id);
        self
    }

    /// Names the position inside a vector.
    pub fn component(mut self, component: u64) -> Self {
        self.0.component = Some(component);
        self
    }

    /// Says what was expected and what came.
    pub fn expected(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.0.expected = Some(expected.into());
        self.0.found = Some(found.into());
        self
    }

    /// Names the file.
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.0.file = Some(file.into());
        self
    }

    /// The error as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&*self.0).unwrap_or_else(|_| {
            String::from("{\"code\":\"ERR_INTERNAL\",\"message\":\"an error could not be written as JSON\"}")
        })
    }
}

/// A JSON value in at most 60 characters, for messages.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
