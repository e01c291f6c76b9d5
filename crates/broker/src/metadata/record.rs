//! The records of `__cluster_metadata`, in the shape of KRaft's.
//!
//! A record's value:
//!
//! ```text
//! frame version: unsigned varint (1) | api key: unsigned varint | version: unsigned varint | body
//! ```
//!
//! Keys are empty. Only the records this node writes are known; reading any other is an error,
//! since skipping it would lose state.

use bytes::Bytes;
use headwater_protocol::{DecodeError, Decoder, EncodeError, Encoder, Message, Uuid};
use thiserror::Error;

use super::security::{
    AccessControlEntryRecord, RemoveAccessControlEntryRecord, RemoveUserScramCredentialRecord,
    UserScramCredentialRecord,
};
use crate::quotas::ClientQuotaRecord;

const FRAME_VERSION: u32 = 1;

/// A topic came to be; its partitions follow.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct TopicRecord {
    pub(crate) name: String,
    pub(crate) topic_id: Uuid,
}

/// A partition came to be.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct PartitionRecord {
    #[field(default = -1)]
    pub(crate) partition_id: i32,
    pub(crate) topic_id: Uuid,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    pub(crate) removing_replicas: Vec<i32>,
    pub(crate) adding_replicas: Vec<i32>,
    #[field(default = -1)]
    pub(crate) leader: i32,
    #[field(versions = 0.., tag = 0)]
    pub(crate) leader_recovery_state: i8,
    #[field(default = -1)]
    pub(crate) leader_epoch: i32,
    #[field(default = -1)]
    pub(crate) partition_epoch: i32,
    #[field(versions = 1..)]
    pub(crate) directories: Vec<Uuid>,
    #[field(versions = 2.., tag = 1)]
    pub(crate) eligible_leader_replicas: Option<Vec<i32>>,
    #[field(versions = 2.., tag = 2)]
    pub(crate) last_known_elr: Option<Vec<i32>>,
}

/// A config was set, or with a null value went back to its default.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct ConfigRecord {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: String,
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

/// A topic went, with its partitions and configs.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct RemoveTopicRecord {
    pub(crate) topic_id: Uuid,
}

/// The level of a feature, such as the metadata format itself.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct FeatureLevelRecord {
    pub(crate) name: String,
    pub(crate) feature_level: i16,
}

/// A block of producer ids was taken; the next begins at `next_producer_id`.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct ProducerIdsRecord {
    pub(crate) broker_id: i32,
    #[field(default = -1)]
    pub(crate) broker_epoch: i64,
    pub(crate) next_producer_id: i64,
}

/// A change of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetadataRecord {
    Topic(TopicRecord),
    Partition(PartitionRecord),
    Config(ConfigRecord),
    RemoveTopic(RemoveTopicRecord),
    FeatureLevel(FeatureLevelRecord),
    ProducerIds(ProducerIdsRecord),
    ClientQuota(ClientQuotaRecord),
    UserScramCredential(UserScramCredentialRecord),
    RemoveUserScramCredential(RemoveUserScramCredentialRecord),
    AccessControlEntry(AccessControlEntryRecord),
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord),
}

/// A value of `__cluster_metadata` that cannot be read.
#[derive(Debug, Error)]
pub(crate) enum MetadataRecordError {
    #[error("a metadata record has no value")]
    Empty,
    #[error("metadata frame version {0} is not known")]
    UnknownFrameVersion(u32),
    #[error("metadata record of api key {api_key}, version {version} is not known")]
    UnknownRecord { api_key: u32, version: u32 },
    #[error("metadata record of api key {api_key}: {source}")]
    Body { api_key: u32, source: DecodeError },
    #[error("metadata record frame: {0}")]
    Frame(#[from] DecodeError),
}

impl MetadataRecord {
    /// KRaft's number for the record and the version it is written at.
    fn api_key_and_version(&self) -> (u32, i16) {
        match self {
            Self::Topic(_) => (2, 0),
            Self::Partition(_) => (3, 2),
            Self::Config(_) => (4, 0),
            Self::RemoveTopic(_) => (9, 0),
            Self::FeatureLevel(_) => (12, 0),
            Self::ProducerIds(_) => (15, 0),
            Self::ClientQuota(_) => (14, 0),
            Self::UserScramCredential(_) => (11, 0),
            Self::RemoveUserScramCredential(_) => (22, 0),
            Self::AccessControlEntry(_) => (18, 0),
            Self::RemoveAccessControlEntry(_) => (19, 0),
        }
    }

    /// The record's value in the log.
    pub(crate) fn encode(&self) -> Result<Bytes, EncodeError> {
        let (api_key, version) = self.api_key_and_version();
        let mut out = Encoder::new();
        out.write_unsigned_varint(FRAME_VERSION);
        out.write_unsigned_varint(api_key);
        out.write_unsigned_varint(u32::from(version.unsigned_abs()));
        match self {
            Self::Topic(record) => record.encode(&mut out, version)?,
            Self::Partition(record) => record.encode(&mut out, version)?,
            Self::Config(record) => record.encode(&mut out, version)?,
            Self::RemoveTopic(record) => record.encode(&mut out, version)?,
            Self::FeatureLevel(record) => record.encode(&mut out, version)?,
            Self::ProducerIds(record) => record.encode(&mut out, version)?,
            Self::ClientQuota(record) => record.encode(&mut out, version)?,
            Self::UserScramCredential(record) => record.encode(&mut out, version)?,
            Self::RemoveUserScramCredential(record) => record.encode(&mut out, version)?,
            Self::AccessControlEntry(record) => record.encode(&mut out, version)?,
            Self::RemoveAccessControlEntry(record) => record.encode(&mut out, version)?,
        }
        Ok(out.into_bytes())
    }

    /// Reads a value of the log.
    pub(crate) fn decode(value: Option<Bytes>) -> Result<MetadataRecord, MetadataRecordError> {
        let mut input = Decoder::new(value.ok_or(MetadataRecordError::Empty)?);
        let frame_version = input.read_unsigned_varint()?;
        if frame_version != FRAME_VERSION {
            return Err(MetadataRecordError::UnknownFrameVersion(frame_version));
        }
        let api_key = input.read_unsigned_varint()?;
        let version = input.read_unsigned_varint()?;
        let record = match (api_key, version) {
            (2, 0) => body(input, 0).map(Self::Topic),
            (3, 0..=2) => body(input, version as i16).map(Self::Partition),
            (4, 0) => body(input, 0).map(Self::Config),
            (9, 0) => body(input, 0).map(Self::RemoveTopic),
            (12, 0) => body(input, 0).map(Self::FeatureLevel),
            (14, 0) => body(input, 0).map(Self::ClientQuota),
            (15, 0) => body(input, 0).map(Self::ProducerIds),
            (11, 0) => body(input, 0).map(Self::UserScramCredential),
            (18, 0) => body(input, 0).map(Self::AccessControlEntry),
            (19, 0) => body(input, 0).map(Self::RemoveAccessControlEntry),
            (22, 0) => body(input, 0).map(Self::RemoveUserScramCredential),
            _ => return Err(MetadataRecordError::UnknownRecord { api_key, version }),
        };
        record.map_err(|source| MetadataRecordError::Body { api_key, source })
    }
}

fn body<T: Message>(mut input: Decoder, version: i16) -> Result<T, DecodeError> {
    let record = T::decode(&mut input, version)?;
    input.finish()?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_reads_back() {
        let topic_id = Uuid::from_u128(7);
        for record in [
            MetadataRecord::Topic(TopicRecord {
                name: "orders".into(),
                topic_id,
            }),
            MetadataRecord::Partition(PartitionRecord {
                partition_id: 3,
                topic_id,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: 0,
                partition_epoch: 0,
                directories: vec![Uuid::ZERO],
                ..PartitionRecord::default()
            }),
            MetadataRecord::Config(ConfigRecord {
                resource_type: 2,
                resource_name: "orders".into(),
                name: "retention.ms".into(),
                value: None,
            }),
            MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }),
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: "metadata.version".into(),
                feature_level: 1,
            }),
            MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: 1,
                broker_epoch: -1,
                next_producer_id: 1000,
            }),
        ] {
            let value = record.encode().unwrap();
            assert_eq!(MetadataRecord::decode(Some(value)).unwrap(), record);
        }
    }

    #[test]
    fn a_topic_record_has_krafts_bytes() {
        let record = MetadataRecord::Topic(TopicRecord {
            name: "ab".into(),
            topic_id: Uuid::from_u128(1),
        });
        let mut expected = vec![1, 2, 0, 3, b'a', b'b'];
        expected.extend([0; 15]);
        expected.extend([1, 0]);
        assert_eq!(record.encode().unwrap(), expected);
    }

    #[test]
    fn an_unknown_record_is_an_error_and_not_skipped() {
        for value in [
            None,
            Some(Bytes::from_static(&[2, 2, 0])),
            Some(Bytes::from_static(&[1, 99, 0])),
            Some(Bytes::from_static(&[1, 2, 0, 9])),
        ] {
            assert!(MetadataRecord::decode(value).is_err());
        }
    }
}
