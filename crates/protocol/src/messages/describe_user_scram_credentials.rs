//! `DescribeUserScramCredentials`: which users have SCRAM credentials, and of what strength (KIP-554).
//!
//! Never the credentials themselves.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=0;
const FLEXIBLE: i16 = 0;

/// The users to describe.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeUserScramCredentialsRequest {
    /// Null or empty: all of them.
    #[field(default = Some(Vec::new()))]
    pub users: Option<Vec<UserName>>,
}

impl Request for DescribeUserScramCredentialsRequest {
    const KEY: ApiKey = ApiKey::DescribeUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeUserScramCredentialsResponse;

    fn error_response(
        &self,
        code: ErrorCode,
        _version: i16,
    ) -> DescribeUserScramCredentialsResponse {
        let results = self
            .users
            .iter()
            .flatten()
            .map(|user| DescribeUserScramCredentialsResult {
                user: user.name.clone(),
                error_code: code.into(),
                ..DescribeUserScramCredentialsResult::default()
            })
            .collect();
        DescribeUserScramCredentialsResponse {
            error_code: code.into(),
            results,
            ..DescribeUserScramCredentialsResponse::default()
        }
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct UserName {
    pub name: String,
}

/// The users asked for.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub results: Vec<DescribeUserScramCredentialsResult>,
}

/// What one user has.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeUserScramCredentialsResult {
    pub user: String,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub credential_infos: Vec<CredentialInfo>,
}

/// A credential, without its secrets.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct CredentialInfo {
    /// 1: SCRAM-SHA-256, 2: SCRAM-SHA-512.
    pub mechanism: i8,
    pub iterations: i32,
}
