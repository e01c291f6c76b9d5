//! The two traits of the protocol: what has a wire format, and what asks for an answer.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use crate::schema::Schema;
use crate::{ApiKey, DecodeError, Decoder, EncodeError, Encoder, ErrorCode};

/// A struct with a wire format that depends on a version. Implemented by `#[derive(Message)]`.
///
/// A message cannot contain itself (its schema would not end, which the compiler refuses), so that
/// decoding is never deeper than the types are.
pub trait Message: Default + Clone + Debug + PartialEq {
    /// The fields, for those who walk them.
    const SCHEMA: &'static Schema;
    /// No encoding, at whatever version, is shorter. Bounds what a count on the wire can mean.
    const MINIMUM_SIZE: usize;

    /// Appends the struct. A value that the version cannot carry is refused unless its field is
    /// ignorable or it is the default.
    fn encode(&self, out: &mut Encoder, version: i16) -> Result<(), EncodeError>;

    /// Reads the struct; fields that the version does not carry get their defaults, and bytes after
    /// it are left in `input`. Unknown tagged fields are skipped.
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError>;
}

/// A message that a client sends.
pub trait Request: Message {
    const KEY: ApiKey;
    /// The versions served: decoding is right for these only.
    const VERSIONS: RangeInclusive<i16>;
    /// `None`: never flexible.
    const FIRST_FLEXIBLE: Option<i16>;
    type Response: Message;

    /// The answer that refuses all of the request: `code` for every topic, partition, group or
    /// resource asked for, named in the way of `version`.
    fn error_response(&self, code: ErrorCode, version: i16) -> Self::Response;
}
