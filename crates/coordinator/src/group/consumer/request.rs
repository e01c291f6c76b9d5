//! What a `ConsumerGroupHeartbeat` has to say, and in which form.

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, TopicPartitions,
};

use super::assignor::ConsumerAssignor;
use super::member::{LEAVING, LEFT_FOR_A_WHILE};
use super::refusal::Refusal;
use crate::config::GroupConfig;
use crate::group::MAX_TEXT;
use crate::versions;

/// Checked in Kafka's order.
pub(super) fn check(
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
    config: &GroupConfig,
) -> Result<(), Refusal> {
    let epoch = request.member_epoch;
    // Whoever joins by version 0 may leave it to the coordinator to make an id.
    let needs_id =
        versions::consumer_heartbeat_needs_member_id(version) || epoch > 0 || epoch == LEAVING;
    if needs_id && request.member_id.is_empty() {
        return Err(Refusal::invalid("MemberId can't be empty."));
    }
    if request.group_id.is_empty() {
        return Err(Refusal::invalid("GroupId can't be empty."));
    }
    if request.instance_id.as_deref() == Some("") {
        return Err(Refusal::invalid("InstanceId can't be empty."));
    }
    if request.rack_id.as_deref() == Some("") {
        return Err(Refusal::invalid("RackId can't be empty."));
    }
    check_lengths(request)?;
    match epoch {
        0 => check_join(request)?,
        LEFT_FOR_A_WHILE if request.instance_id.is_none() => {
            return Err(Refusal::invalid("InstanceId can't be null."));
        }
        epoch if epoch < LEFT_FOR_A_WHILE => {
            return Err(Refusal::invalid("MemberEpoch is invalid."));
        }
        _ => {}
    }
    check_assignor(request, config)
}

fn check_join(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    if request.rebalance_timeout_ms == -1 {
        let message = "RebalanceTimeoutMs must be provided in first request.";
        return Err(Refusal::invalid(message));
    }
    if !matches!(request.topic_partitions.as_deref(), Some([])) {
        let message = "TopicPartitions must be empty when (re-)joining.";
        return Err(Refusal::invalid(message));
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        let message = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

/// Records' keys cannot hold longer texts.
fn check_lengths(request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let texts = [
        Some(&request.group_id),
        Some(&request.member_id),
        request.instance_id.as_ref(),
        request.rack_id.as_ref(),
        request.subscribed_topic_regex.as_ref(),
    ];
    let names = request.subscribed_topic_names.iter().flatten();
    let too_long = |text: &String| text.len() > MAX_TEXT;
    if texts.into_iter().flatten().chain(names).any(too_long) {
        return Err(Refusal::invalid("A text is too long."));
    }
    Ok(())
}

fn check_assignor(
    request: &ConsumerGroupHeartbeatRequest,
    config: &GroupConfig,
) -> Result<(), Refusal> {
    let Some(name) = &request.server_assignor else {
        return Ok(());
    };
    let known = ConsumerAssignor::from_name(name);
    if known.is_some_and(|assignor| config.consumer_assignors.contains(&assignor)) {
        return Ok(());
    }
    let supported: Vec<&str> = config
        .consumer_assignors
        .iter()
        .map(|assignor| assignor.name())
        .collect();
    Err(Refusal::new(
        ErrorCode::UnsupportedAssignor,
        format!(
            "ServerAssignor {name} is not supported. Supported assignors: {}.",
            supported.join(", ")
        ),
    ))
}

/// The member says everything: it joins, or is not sure what was heard of its last words.
pub(super) fn is_full(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.rebalance_timeout_ms != -1
        && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
        && request.topic_partitions.is_some()
}

/// What the member owns, as far as it says.
pub(super) fn reported(request: &ConsumerGroupHeartbeatRequest) -> Option<&[TopicPartitions]> {
    request.topic_partitions.as_deref()
}
