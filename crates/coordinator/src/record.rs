//! The records of `__consumer_offsets`, in Kafka's format.
//!
//! Owns what is durable: which keys there are, and the versions of keys and values that are written
//! and read. Never decides when something is written.

mod consumer_group;
mod group_metadata;
mod offset_commit;

use bytes::Bytes;
use headwater_protocol::{DecodeError, Decoder, EncodeError, Encoder, Message};
use thiserror::Error;

use crate::effect::CoordinatorRecord;

pub use consumer_group::{
    AssignedTopicPartitions, ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMemberMetadata,
    ConsumerGroupMetadata, ConsumerGroupPartitionMetadata, ConsumerGroupRecord,
    CurrentMemberAssignment, PartitionMetadata, ResolvedTopics, TargetAssignmentMember,
    TargetAssignmentMetadata, TargetTopicPartitions, TopicMetadata,
};
pub use group_metadata::{GroupMetadata, MemberMetadata};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

/// Keys of commits in a format of Kafka 0.8.2, which everyone still reads as [`OFFSET_COMMIT_KEY`].
const LEGACY_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;
const CONSUMER_GROUP_KEY: i16 = 3;
const PARTITION_METADATA_KEY: i16 = 4;
const MEMBER_KEY: i16 = 5;
const TARGET_KEY: i16 = 6;
const MEMBER_TARGET_KEY: i16 = 7;
const MEMBER_ASSIGNMENT_KEY: i16 = 8;
const REGULAR_EXPRESSION_KEY: i16 = 16;
/// The only version of every value of a consumer group.
const CONSUMER_GROUP_VERSION: i16 = 0;

/// Why a record was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("key of a record: {0}")]
    Key(DecodeError),
    #[error("value of {kind}: {error}")]
    Value {
        kind: &'static str,
        error: DecodeError,
    },
    #[error("version {version} of {kind} is not known")]
    UnknownVersion { kind: &'static str, version: i16 },
    #[error("a transaction of state {0}, which is not known")]
    UnknownState(i8),
    #[error("a record without a key")]
    NoKey,
}

/// A record, decoded. Encoding one writes what Kafka 4.3 writes.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRecord {
    /// What a group committed for a partition; without a value the commit is gone.
    OffsetCommit {
        key: OffsetCommitKey,
        value: Option<OffsetCommitValue>,
    },
    /// The state of a classic group; without a value the group is gone.
    GroupMetadata {
        group_id: String,
        value: Option<GroupMetadata>,
    },
    /// A part of the state of a consumer group.
    ConsumerGroup {
        group_id: String,
        record: ConsumerGroupRecord,
    },
    /// A kind of a later Kafka, or of a feature that is not built here: kept in the log, not read.
    Unknown { key_version: i16 },
}

impl GroupRecord {
    /// A key is a 16-bit version, which names the kind, and the fields of the kind; a value is a
    /// 16-bit version and its fields.
    pub fn decode(record: &CoordinatorRecord) -> Result<Self, RecordError> {
        let mut key = Decoder::new(record.key.clone());
        if key.is_empty() {
            return Err(RecordError::NoKey);
        }
        match key.read_i16().map_err(RecordError::Key)? {
            LEGACY_OFFSET_COMMIT_KEY | OFFSET_COMMIT_KEY => Ok(Self::OffsetCommit {
                key: OffsetCommitKey::decode(&mut key, 0).map_err(RecordError::Key)?,
                value: value(record, OffsetCommitValue::KIND, OffsetCommitValue::LATEST)?,
            }),
            GROUP_METADATA_KEY => Ok(Self::GroupMetadata {
                group_id: group_metadata::GroupMetadataKey::decode(&mut key, 0)
                    .map_err(RecordError::Key)?
                    .group,
                value: value(record, GroupMetadata::KIND, GroupMetadata::LATEST)?,
            }),
            key_version => decode_consumer_group(key_version, key, record),
        }
    }

    /// Fails only for text that the format cannot hold, which no request can carry either.
    pub fn encode(&self) -> Result<CoordinatorRecord, EncodeError> {
        match self {
            Self::OffsetCommit { key, value } => Ok(CoordinatorRecord {
                key: versioned(OFFSET_COMMIT_KEY, key, 0)?,
                value: encoded(value.as_ref(), OffsetCommitValue::written_version)?,
            }),
            Self::GroupMetadata { group_id, value } => {
                let key = group_metadata::GroupMetadataKey {
                    group: group_id.clone(),
                };
                Ok(CoordinatorRecord {
                    key: versioned(GROUP_METADATA_KEY, &key, 0)?,
                    value: encoded(value.as_ref(), |_| GroupMetadata::WRITTEN)?,
                })
            }
            Self::ConsumerGroup {
                group_id,
                record: part,
            } => encode_consumer_group(group_id, part),
            Self::Unknown { key_version } => Err(EncodeError::UnsupportedVersion(*key_version)),
        }
    }
}

pub(crate) fn decode_consumer_group(
    key_version: i16,
    mut key: Decoder,
    record: &CoordinatorRecord,
) -> Result<GroupRecord, RecordError> {
    let group = |key: &mut Decoder| {
        consumer_group::GroupKey::decode(key, 0)
            .map(|key| key.group_id)
            .map_err(RecordError::Key)
    };
    let member = |key: &mut Decoder| {
        consumer_group::MemberKey::decode(key, 0)
            .map(|key| (key.group_id, key.member_id))
            .map_err(RecordError::Key)
    };
    let (group_id, record) = match key_version {
        CONSUMER_GROUP_KEY => {
            let value = value(record, "a consumer group", CONSUMER_GROUP_VERSION)?;
            (group(&mut key)?, ConsumerGroupRecord::Group(value))
        }
        PARTITION_METADATA_KEY => {
            let value = value(record, "partition metadata", CONSUMER_GROUP_VERSION)?;
            (
                group(&mut key)?,
                ConsumerGroupRecord::PartitionMetadata(value),
            )
        }
        MEMBER_KEY => {
            let (group_id, member_id) = member(&mut key)?;
            let value = value(record, "a consumer group's member", CONSUMER_GROUP_VERSION)?;
            (group_id, ConsumerGroupRecord::Member { member_id, value })
        }
        TARGET_KEY => {
            let value = value(record, "a target assignment", CONSUMER_GROUP_VERSION)?;
            (group(&mut key)?, ConsumerGroupRecord::Target(value))
        }
        MEMBER_TARGET_KEY => {
            let (group_id, member_id) = member(&mut key)?;
            let value = value(record, "a member's target", CONSUMER_GROUP_VERSION)?;
            let record = ConsumerGroupRecord::MemberTarget { member_id, value };
            (group_id, record)
        }
        MEMBER_ASSIGNMENT_KEY => {
            let (group_id, member_id) = member(&mut key)?;
            let value = value(record, "a member's assignment", CONSUMER_GROUP_VERSION)?;
            let record = ConsumerGroupRecord::MemberAssignment { member_id, value };
            (group_id, record)
        }
        REGULAR_EXPRESSION_KEY => {
            let key = consumer_group::RegularExpressionKey::decode(&mut key, 0)
                .map_err(RecordError::Key)?;
            let record = ConsumerGroupRecord::RegularExpression {
                regex: key.regular_expression,
                value: value(record, "a regular expression", CONSUMER_GROUP_VERSION)?,
            };
            (key.group_id, record)
        }
        key_version => return Ok(GroupRecord::Unknown { key_version }),
    };
    Ok(GroupRecord::ConsumerGroup { group_id, record })
}

fn encode_consumer_group(
    group_id: &str,
    record: &ConsumerGroupRecord,
) -> Result<CoordinatorRecord, EncodeError> {
    let group = |kind| {
        let group_id = group_id.to_owned();
        versioned(kind, &consumer_group::GroupKey { group_id }, 0)
    };
    let member = |kind, member_id: &String| {
        let key = consumer_group::MemberKey {
            group_id: group_id.to_owned(),
            member_id: member_id.clone(),
        };
        versioned(kind, &key, 0)
    };
    let (key, value) = match record {
        ConsumerGroupRecord::Group(value) => {
            (group(CONSUMER_GROUP_KEY)?, only_version(value.as_ref())?)
        }
        ConsumerGroupRecord::PartitionMetadata(value) => (
            group(PARTITION_METADATA_KEY)?,
            only_version(value.as_ref())?,
        ),
        ConsumerGroupRecord::Member { member_id, value } => (
            member(MEMBER_KEY, member_id)?,
            only_version(value.as_ref())?,
        ),
        ConsumerGroupRecord::Target(value) => (group(TARGET_KEY)?, only_version(value.as_ref())?),
        ConsumerGroupRecord::MemberTarget { member_id, value } => (
            member(MEMBER_TARGET_KEY, member_id)?,
            only_version(value.as_ref())?,
        ),
        ConsumerGroupRecord::MemberAssignment { member_id, value } => {
            let key = member(MEMBER_ASSIGNMENT_KEY, member_id)?;
            (key, only_version(value.as_ref())?)
        }
        ConsumerGroupRecord::RegularExpression { regex, value } => {
            let key = consumer_group::RegularExpressionKey {
                group_id: group_id.to_owned(),
                regular_expression: regex.clone(),
            };
            let key = versioned(REGULAR_EXPRESSION_KEY, &key, 0)?;
            (key, only_version(value.as_ref())?)
        }
    };
    Ok(CoordinatorRecord { key, value })
}

fn only_version(value: Option<&impl Message>) -> Result<Option<Bytes>, EncodeError> {
    encoded(value, |_| CONSUMER_GROUP_VERSION)
}

pub(crate) fn value<T: Message>(
    record: &CoordinatorRecord,
    kind: &'static str,
    latest: i16,
) -> Result<Option<T>, RecordError> {
    let Some(bytes) = record.value.clone() else {
        return Ok(None);
    };
    let refused = |error| RecordError::Value { kind, error };
    let mut input = Decoder::new(bytes);
    let version = input.read_i16().map_err(refused)?;
    if !(0..=latest).contains(&version) {
        return Err(RecordError::UnknownVersion { kind, version });
    }
    T::decode(&mut input, version).map(Some).map_err(refused)
}

fn encoded<T: Message>(
    value: Option<&T>,
    version: impl Fn(&T) -> i16,
) -> Result<Option<Bytes>, EncodeError> {
    value
        .map(|value| {
            let version = version(value);
            versioned(version, value, version)
        })
        .transpose()
}

pub(crate) fn versioned(
    prefix: i16,
    message: &impl Message,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut out = Encoder::new();
    out.write_i16(prefix);
    message.encode(&mut out, version)?;
    Ok(out.into_bytes())
}
