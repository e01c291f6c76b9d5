//! The records of `__consumer_offsets`, in Kafka's format.
//!
//! Owns what is durable: which keys there are, and the versions of keys and values that are written
//! and read. Never decides when something is written.

mod group_metadata;
mod offset_commit;

use bytes::Bytes;
use headwater_protocol::{DecodeError, Decoder, EncodeError, Encoder, Message};
use thiserror::Error;

use crate::effect::CoordinatorRecord;

pub use group_metadata::{GroupMetadata, MemberMetadata};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

/// Keys of commits in a format of Kafka 0.8.2, which everyone still reads as [`OFFSET_COMMIT_KEY`].
const LEGACY_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;

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
            key_version => Ok(Self::Unknown { key_version }),
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
            Self::Unknown { key_version } => Err(EncodeError::UnsupportedVersion(*key_version)),
        }
    }
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
