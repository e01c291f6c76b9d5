//! DeleteTopics.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 1..=6;
const FLEXIBLE: i16 = 4;

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteTopicsRequest {
    #[field(versions = 6..)]
    pub topics: Vec<DeleteTopicState>,
    #[field(versions = ..=5, ignorable)]
    pub topic_names: Vec<String>,
    pub timeout_ms: i32,
}

impl Request for DeleteTopicsRequest {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DeleteTopicsResponse;

    fn error_response(&self, _code: ErrorCode, _version: i16) -> DeleteTopicsResponse {
        DeleteTopicsResponse::default()
    }
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteTopicState {
    pub name: Option<String>,
    pub topic_id: Uuid,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeletableTopicResult {
    #[field(nullable = 6.., default = Some(String::new()))]
    pub name: Option<String>,
    #[field(versions = 6.., ignorable)]
    pub topic_id: Uuid,
    pub error_code: i16,
    #[field(versions = 5.., ignorable)]
    pub error_message: Option<String>,
}
