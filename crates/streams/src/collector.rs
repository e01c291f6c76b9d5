//! Where a task's results go: implemented by the runtime's producer and by the test driver.

use std::sync::Arc;

use crate::error::StreamsError;
use crate::record::Headers;

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a Arc<str>,
    /// The partition, below the topic's count.
    pub partition: i32,
    /// The key's bytes, or null.
    pub key: Option<&'a [u8]>,
    /// The value's bytes, or null: a tombstone.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The headers.
    pub headers: &'a Headers,
}

/// Takes a task's results: a producer, or the memory of the test driver. Kafka Streams' `RecordCollector`.
pub trait Collector {
    /// How many partitions the topic has.
    ///
    /// # Errors
    /// The topic does not exist, or the cluster cannot be asked.
    fn partitions(&mut self, topic: &Arc<str>) -> Result<i32, StreamsError>;

    /// Takes a record, copying its bytes. What the cluster says of it is known at the commit at the latest.
    ///
    /// # Errors
    /// The record is refused at once (too large, say), or an earlier one was.
    fn send(&mut self, record: Outgoing<'_>) -> Result<(), StreamsError>;
}
