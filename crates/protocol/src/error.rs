//! What can go wrong between bytes and structs.
//!
//! Owns the wording; which Kafka error a client gets is the broker's decision.

use thiserror::Error;

/// The bytes are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{problem}", field.map(|name| format!("field {name}: ")).unwrap_or_default())]
pub struct DecodeError {
    /// The innermost field being read, where one was.
    pub field: Option<&'static str>,
    pub problem: DecodeProblem,
}

impl DecodeError {
    /// Names the field, unless one inside of it was named already.
    pub(crate) fn in_field(mut self, name: &'static str) -> Self {
        self.field.get_or_insert(name);
        self
    }
}

impl From<DecodeProblem> for DecodeError {
    fn from(problem: DecodeProblem) -> Self {
        Self {
            field: None,
            problem,
        }
    }
}

/// Why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeProblem {
    #[error("needs {needed} bytes, only {remaining} left")]
    Truncated { needed: usize, remaining: usize },
    #[error("length {0} is negative")]
    NegativeLength(i64),
    #[error("text of {0} bytes is longer than the format allows")]
    OversizedText(usize),
    #[error("{length} elements cannot be in the {remaining} bytes left")]
    ImpossibleCount { length: usize, remaining: usize },
    #[error("decoded arrays would take more than the memory allowed")]
    MemoryLimit,
    #[error("null where the version allows none")]
    NullNotAllowed,
    #[error("text is not UTF-8")]
    InvalidUtf8,
    #[error("a variable-length integer exceeds its type")]
    OversizedVarint,
    #[error("tag {tag} follows tag {previous}")]
    TagOrder { previous: u32, tag: u32 },
    #[error("{0} bytes left over")]
    TrailingBytes(usize),
    #[error("version {0} is not served")]
    UnsupportedVersion(i16),
}

/// The struct cannot be told in that version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    #[error("field {field} has a value that version {version} cannot carry")]
    UnsupportedField { field: &'static str, version: i16 },
    #[error("field {field} is null, which version {version} cannot carry")]
    NullNotAllowed { field: &'static str, version: i16 },
    #[error("field {field} of {length} bytes or elements is longer than the format allows")]
    TooLong { field: &'static str, length: usize },
    #[error("version {0} is not served")]
    UnsupportedVersion(i16),
}
