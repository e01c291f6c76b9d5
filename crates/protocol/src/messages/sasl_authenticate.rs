//! `SaslAuthenticate`: carries the tokens of a SASL exchange (KIP-152).
//!
//! 1 tells how long the session lasts before the client has to authenticate again (KIP-368).

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 2;

/// The client's next token.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SaslAuthenticateRequest {
    /// In the form of the mechanism.
    pub auth_bytes: Bytes,
}

impl Request for SaslAuthenticateRequest {
    const KEY: ApiKey = ApiKey::SaslAuthenticate;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = SaslAuthenticateResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse {
            error_code: code.into(),
            ..SaslAuthenticateResponse::default()
        }
    }
}

/// The server's answer to it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct SaslAuthenticateResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    /// In the form of the mechanism.
    pub auth_bytes: Bytes,
    /// 0: as long as the connection.
    #[field(versions = 1.., ignorable)]
    pub session_lifetime_ms: i64,
}
