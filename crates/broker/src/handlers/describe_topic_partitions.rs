//! `DescribeTopicPartitions`, version 0: topics by name, page by page.
//!
//! A page holds at most `response_partition_limit` partitions, and never more than
//! `max.request.partition.size.limit`; the cursor says where the next one begins. No topics means
//! all of them. Topics come ordered by name, as in Kafka.

use std::collections::BTreeSet;

use headwater_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use headwater_protocol::{ErrorCode, Uuid};

use super::authorized_operations;
use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Image, Topic, validate_topic_name};
use crate::reply::Reply;
use crate::settings::NODE_ID;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DescribeTopicPartitionsRequest,
) -> Reply<DescribeTopicPartitionsResponse> {
    let image = context.metadata.image();
    let most = context.metadata.number("max.request.partition.size.limit");
    let limit = i64::from(request.response_partition_limit).clamp(1, most.max(1)) as usize;
    let response = page(&image, &request, limit);
    when_durable(context, image.position(), version, request, response)
}

fn page(
    image: &Image,
    request: &DescribeTopicPartitionsRequest,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let first = request
        .cursor
        .as_ref()
        .map_or("", |cursor| &cursor.topic_name);
    let mut names: BTreeSet<&str> = if request.topics.is_empty() {
        image
            .topics_from(first)
            .map(|topic| topic.name.as_str())
            .collect()
    } else {
        request
            .topics
            .iter()
            .map(|topic| topic.name.as_str())
            .collect()
    };
    names.retain(|name| *name >= first);
    let mut response = DescribeTopicPartitionsResponse::default();
    let mut room = limit;
    for name in names {
        if room == 0 {
            response.next_cursor = Some(cursor(name, 0));
            break;
        }
        let Some(topic) = image.topic(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let start = match &request.cursor {
            Some(cursor) if cursor.topic_name == name => cursor.partition_index.max(0) as usize,
            _ => 0,
        };
        let end = topic.partitions.len().min(start.saturating_add(room));
        response.topics.push(describe(topic, start..end));
        room -= end.saturating_sub(start);
        if end < topic.partitions.len() {
            response.next_cursor = Some(cursor(name, end as i32));
            break;
        }
    }
    response
}

fn cursor(topic_name: &str, partition_index: i32) -> Cursor {
    Cursor {
        topic_name: topic_name.to_owned(),
        partition_index,
    }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let code = match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: code.into(),
        name: Some(name.to_owned()),
        topic_id: Uuid::ZERO,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(topic: &Topic, range: std::ops::Range<usize>) -> DescribeTopicPartitionsResponseTopic {
    let partitions = range
        .filter_map(|index| Some((index, topic.partitions.get(index)?)))
        .map(
            |(index, partition)| DescribeTopicPartitionsResponsePartition {
                partition_index: index as i32,
                leader_id: NODE_ID,
                leader_epoch: partition.leader_epoch,
                replica_nodes: vec![NODE_ID],
                isr_nodes: vec![NODE_ID],
                eligible_leader_replicas: Some(Vec::new()),
                last_known_elr: Some(Vec::new()),
                ..DescribeTopicPartitionsResponsePartition::default()
            },
        )
        .collect();
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions,
        topic_authorized_operations: authorized_operations::TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
