//! `AlterClientQuotas`: sets and removes the quotas of users and clients (KIP-546).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=1;
const FLEXIBLE: i16 = 1;

/// The entities to change.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterClientQuotasRequest {
    pub entries: Vec<EntryData>,
    /// Check, and change nothing.
    pub validate_only: bool,
}

impl Request for AlterClientQuotasRequest {
    const KEY: ApiKey = ApiKey::AlterClientQuotas;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = AlterClientQuotasResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> AlterClientQuotasResponse {
        let entries = self
            .entries
            .iter()
            .map(|entry| EntryResult {
                error_code: code.into(),
                entity: entry.entity.clone(),
                ..EntryResult::default()
            })
            .collect();
        AlterClientQuotasResponse {
            entries,
            ..AlterClientQuotasResponse::default()
        }
    }
}

/// The changes to one entity.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EntryData {
    pub entity: Vec<EntityData>,
    pub ops: Vec<OpData>,
}

/// A part of an entity: a user, a client id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EntityData {
    /// `user`, `client-id` or `ip`.
    pub entity_type: String,
    /// Null: the default.
    pub entity_name: Option<String>,
}

/// A change to one quota.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct OpData {
    /// `producer_byte_rate` and the like.
    pub key: String,
    pub value: f64,
    /// If set, the value is not looked at.
    pub remove: bool,
}

/// Which entities were changed.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct AlterClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub entries: Vec<EntryResult>,
}

/// The outcome for one entity; `EntryData` in the schema of the response.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EntryResult {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub entity: Vec<EntityData>,
}
