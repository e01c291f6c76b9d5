//! What the topics that are written to take, as they were when the application started.
//!
//! A record that a topic does not take is refused before it is sent: under exactly-once a refusal of the cluster would
//! cost the whole transaction. What is not known here (a topic that the record chose, a config changed since, the
//! cluster's own rules) the cluster refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admin::Admin;
use super::client::{ClientRole, ClientSettings};
use crate::collector::Outgoing;

/// What one topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicLimits {
    /// The largest batch of it, in bytes; none where that is not known before the batch is compressed.
    pub(crate) max_message_bytes: Option<usize>,
    /// Whether it is compacted, and takes no record without a key.
    pub(crate) is_compacted: bool,
}

/// The limits of the topics that are known.
pub(crate) type Limits = BTreeMap<Arc<str>, TopicLimits>;

/// Asks the cluster. What it does not tell (the principal may not describe topics, say) has no limits here.
pub(crate) fn read(topics: &[Arc<str>], settings: &ClientSettings, admin: &Admin) -> Limits {
    let names: Vec<_> = topics.iter().map(|topic| &**topic).collect();
    let configs = match admin.topic_configs(&names, &["max.message.bytes", "cleanup.policy"]) {
        Ok(configs) => configs,
        Err(error) => {
            tracing::info!(%error, "what the topics take is not known before it is sent");
            return Limits::new();
        }
    };
    let compresses = compresses(settings);
    let limits = |(topic, values): (String, Vec<Option<String>>)| {
        let value = |index: usize| values.get(index)?.as_deref();
        let bytes = value(0).and_then(|bytes| bytes.parse().ok());
        let limits = TopicLimits {
            max_message_bytes: bytes.filter(|_| !compresses),
            is_compacted: value(1).is_some_and(|policy| policy.contains("compact")),
        };
        (Arc::from(topic), limits)
    };
    configs.into_iter().map(limits).collect()
}

/// The largest batch that all of the topics take.
pub(crate) fn smallest(limits: &Limits) -> Option<usize> {
    let bytes = limits
        .values()
        .filter_map(|limits| limits.max_message_bytes);
    bytes.min()
}

fn compresses(settings: &ClientSettings) -> bool {
    let config = settings.config(ClientRole::Producer, &[]);
    ["compression.type", "compression.codec"]
        .into_iter()
        .filter_map(|key| config.get(key))
        .any(|codec| codec != "none")
}

/// The bytes of a batch that holds the record alone, not compressed: Kafka's record batch of version 2.
pub(crate) fn batch_bytes(record: &Outgoing<'_>) -> usize {
    const BATCH_HEADER: usize = 61;
    // Attributes, and the deltas of timestamp and offset, which are 0.
    let mut size = 3;
    size += field(record.key) + field(record.value);
    size += varint(record.headers.iter().len() as i64);
    for header in record.headers {
        size += field(Some(header.key.as_bytes())) + field(header.value.as_deref());
    }
    BATCH_HEADER + varint(size as i64) + size
}

/// Length and bytes; -1 stands for null.
fn field(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(varint(-1), |bytes| varint(bytes.len() as i64) + bytes.len())
}

/// The bytes of a number in Kafka's zigzag encoding.
fn varint(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - zigzag.max(1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Headers;

    fn bytes(key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers) -> usize {
        batch_bytes(&Outgoing {
            topic: &"results".into(),
            partition: 0,
            key,
            value,
            timestamp: 1,
            headers,
        })
    }

    #[test]
    fn a_records_batch_has_the_bytes_of_kafkas_format() {
        let mut headers = Headers::default();
        // 61 of the header; length, attributes, two deltas, key and value of length -1, no headers.
        assert_eq!(bytes(None, None, &headers), 61 + 7);
        assert_eq!(bytes(Some(b""), Some(b""), &headers), 61 + 7);
        // Lengths from 64 on take two bytes.
        assert_eq!(
            bytes(Some(b"key"), Some(&[0; 64]), &headers),
            61 + 2 + 3 + 4 + 66 + 1
        );
        headers.push("h", Some(bytes::Bytes::from_static(b"12")));
        headers.push("n", None);
        assert_eq!(bytes(None, None, &headers), 61 + 7 + 5 + 3);
    }
}
