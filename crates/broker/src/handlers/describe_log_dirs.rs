//! `DescribeLogDirs`, versions 1 to 5: the data directory and how much each partition takes of it.
//!
//! There is one directory, and no topics asked for means all of them. Partitions without a record
//! are listed with size 0, unknown ones are left out. Version 3 adds an error for the whole, 4 the
//! volume's size and room (KIP-827), 5 whether the directory is cordoned (KIP-1066).

use std::collections::BTreeSet;

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};

use super::durable::when_durable;
use crate::context::{ConnectionInfo, Context};
use crate::metadata::{Image, Topic};
use crate::reply::Reply;

/// What the volume does not tell.
const NOT_KNOWN: i64 = -1;

pub(crate) fn begin(
    context: &Context,
    _connection: &ConnectionInfo,
    version: i16,
    request: DescribeLogDirsRequest,
) -> Reply<DescribeLogDirsResponse> {
    let image = context.metadata.image();
    let room = context.partitions.room_on_disk();
    let bytes = |bytes: Option<u64>| {
        bytes.map_or(NOT_KNOWN, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
    };
    let error_code = match context.partitions.poisoned() {
        Some(_) => ErrorCode::KafkaStorageError,
        None => ErrorCode::None,
    };
    let result = DescribeLogDirsResult {
        error_code: error_code.into(),
        log_dir: context.partitions.log_dir_path().display().to_string(),
        topics: match error_code {
            ErrorCode::None => topics(context, &image, &request),
            _ => Vec::new(),
        },
        total_bytes: bytes(room.as_ref().map(|room| room.total_bytes)),
        usable_bytes: bytes(room.as_ref().map(|room| room.free_bytes)),
        is_cordoned: context.metadata.is_cordoned(),
    };
    let response = DescribeLogDirsResponse {
        results: vec![result],
        ..DescribeLogDirsResponse::default()
    };
    match error_code {
        ErrorCode::None => when_durable(context, image.position(), version, request, response),
        _ => Reply::Now(response),
    }
}

fn topics(
    context: &Context,
    image: &Image,
    request: &DescribeLogDirsRequest,
) -> Vec<DescribeLogDirsTopic> {
    let Some(wanted) = &request.topics else {
        return image
            .topics()
            .map(|topic| describe(context, topic, 0..topic.partitions.len()))
            .collect();
    };
    wanted
        .iter()
        .filter_map(|wanted| {
            let topic = image.topic(&wanted.topic)?;
            let known: BTreeSet<usize> = wanted
                .partitions
                .iter()
                .filter_map(|partition| usize::try_from(*partition).ok())
                .filter(|partition| *partition < topic.partitions.len())
                .collect();
            (!known.is_empty()).then(|| describe(context, topic, known))
        })
        .collect()
}

fn describe(
    context: &Context,
    topic: &Topic,
    partitions: impl IntoIterator<Item = usize>,
) -> DescribeLogDirsTopic {
    let size = |partition| context.partitions.size_in_bytes(topic.id, partition);
    DescribeLogDirsTopic {
        name: topic.name.clone(),
        partitions: partitions
            .into_iter()
            .map(|partition| DescribeLogDirsPartition {
                partition_index: partition as i32,
                partition_size: i64::try_from(size(partition as i32)).unwrap_or(i64::MAX),
                offset_lag: 0,
                is_future_key: false,
            })
            .collect(),
    }
}
