//! `AlterUserScramCredentials`: sets and removes users' SCRAM credentials (KIP-554).
//!
//! The client salts and iterates the password; the password itself never travels.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=0;
const FLEXIBLE: i16 = 0;

/// What to remove and what to set.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterUserScramCredentialsRequest {
    pub deletions: Vec<ScramCredentialDeletion>,
    pub upsertions: Vec<ScramCredentialUpsertion>,
}

impl Request for AlterUserScramCredentialsRequest {
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = AlterUserScramCredentialsResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> AlterUserScramCredentialsResponse {
        let deleted = self.deletions.iter().map(|deletion| &deletion.name);
        let upserted = self.upsertions.iter().map(|upsertion| &upsertion.name);
        let users: BTreeSet<_> = deleted.chain(upserted).collect();
        let results = users
            .into_iter()
            .map(|user| AlterUserScramCredentialsResult {
                user: user.clone(),
                error_code: code.into(),
                ..AlterUserScramCredentialsResult::default()
            })
            .collect();
        AlterUserScramCredentialsResponse {
            results,
            ..AlterUserScramCredentialsResponse::default()
        }
    }
}

/// A credential to remove.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ScramCredentialDeletion {
    pub name: String,
    /// 1: SCRAM-SHA-256, 2: SCRAM-SHA-512.
    pub mechanism: i8,
}

/// A credential to set.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ScramCredentialUpsertion {
    pub name: String,
    /// 1: SCRAM-SHA-256, 2: SCRAM-SHA-512.
    pub mechanism: i8,
    pub iterations: i32,
    pub salt: Bytes,
    /// `SaltedPassword` of RFC 5802.
    pub salted_password: Bytes,
}

/// The outcome, once for each user.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterUserScramCredentialsResponse {
    pub throttle_time_ms: i32,
    pub results: Vec<AlterUserScramCredentialsResult>,
}

/// The outcome for one user.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterUserScramCredentialsResult {
    pub user: String,
    pub error_code: i16,
    pub error_message: Option<String>,
}
