//! `SaslHandshake`: picks the mechanism by which a connection authenticates.
//!
//! After version 0 the client sends bare tokens without any header; after 1 it wraps them in
//! `SaslAuthenticate` (KIP-152).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=1;

/// The mechanism that the client wants.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct SaslHandshakeRequest {
    /// As registered with IANA: `PLAIN`, `SCRAM-SHA-256`.
    pub mechanism: String,
}

impl Request for SaslHandshakeRequest {
    const KEY: ApiKey = ApiKey::SaslHandshake;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = None;
    type Response = SaslHandshakeResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> SaslHandshakeResponse {
        SaslHandshakeResponse {
            error_code: code.into(),
            ..SaslHandshakeResponse::default()
        }
    }
}

/// Whether it may go on, and what is on offer.
#[derive(Debug, Clone, PartialEq, Message)]
pub struct SaslHandshakeResponse {
    pub error_code: i16,
    /// All that the listener accepts.
    pub mechanisms: Vec<String>,
}
