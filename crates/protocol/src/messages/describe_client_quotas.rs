//! `DescribeClientQuotas`: the quotas of the users and clients that match a filter (KIP-546).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=1;
const FLEXIBLE: i16 = 1;

/// A filter of several parts, all of which must match.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeClientQuotasRequest {
    pub components: Vec<ComponentData>,
    /// Whether an entity of further types is left out.
    pub strict: bool,
}

impl Request for DescribeClientQuotasRequest {
    const KEY: ApiKey = ApiKey::DescribeClientQuotas;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeClientQuotasResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse {
            error_code: code.into(),
            entries: None,
            ..DescribeClientQuotasResponse::default()
        }
    }
}

/// The filter on one type of entity.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ComponentData {
    /// `user`, `client-id` or `ip`.
    pub entity_type: String,
    /// 0: this name, 1: the default entity, 2: any name.
    pub match_type: i8,
    /// Null unless by name.
    pub r#match: Option<String>,
}

/// The quotas found.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeClientQuotasResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// Null with an error.
    #[field(default = Some(Vec::new()))]
    pub entries: Option<Vec<EntryData>>,
}

/// The quotas of one entity.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EntryData {
    pub entity: Vec<EntityData>,
    pub values: Vec<ValueData>,
}

/// A part of an entity: a user, a client id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct EntityData {
    pub entity_type: String,
    /// Null: the default.
    pub entity_name: Option<String>,
}

/// One quota.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct ValueData {
    /// `producer_byte_rate` and the like.
    pub key: String,
    pub value: f64,
}
