//! `DeleteTopics`: deletes topics with all they hold.
//!
//! 5 adds messages, 6 deletes by id and turns names into nullable fields of a struct (KIP-516).

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request, Uuid};

const VERSIONS: RangeInclusive<i16> = 1..=6;
const FLEXIBLE: i16 = 4;

/// The topics to delete: names up to 5, names or ids from 6 on.
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

    fn error_response(&self, code: ErrorCode, _version: i16) -> DeleteTopicsResponse {
        let by_name = self.topic_names.iter().map(|name| DeletableTopicResult {
            name: Some(name.clone()),
            error_code: code.into(),
            ..DeletableTopicResult::default()
        });
        let by_name_or_id = self.topics.iter().map(|topic| DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            error_code: code.into(),
            ..DeletableTopicResult::default()
        });
        let responses = by_name.chain(by_name_or_id).collect();
        DeleteTopicsResponse {
            responses,
            ..DeleteTopicsResponse::default()
        }
    }
}

/// A topic by name or, with a null name, by id.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteTopicState {
    pub name: Option<String>,
    pub topic_id: Uuid,
}

/// Which topics were deleted.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DeleteTopicsResponse {
    pub throttle_time_ms: i32,
    pub responses: Vec<DeletableTopicResult>,
}

/// The outcome for one topic.
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
