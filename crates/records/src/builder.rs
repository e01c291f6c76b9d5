//! Building a batch, where the broker itself is the producer, and in tests.

use bytes::Bytes;

use crate::{
    Attributes, BatchHeader, Compression, CompressionLevels, HEADER_SIZE, Header, MAGIC,
    NO_PRODUCER_ID, NO_SEQUENCE, varint,
};

/// Collects records and writes them as one batch.
///
/// ```
/// # use headwater_records::{BatchBuilder, Compression};
/// let mut batch = BatchBuilder::new().compression(Compression::Lz4);
/// batch.append(1_700_000_000_000, Some(b"ada"), Some(b"tea"), &[]);
/// let bytes = batch.build(42);
/// assert_eq!(&bytes[..8], 42_i64.to_be_bytes());
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    attributes: Attributes,
    levels: CompressionLevels,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
    payload: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self {
            attributes: Attributes::default(),
            levels: CompressionLevels::default(),
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
            base_timestamp: -1,
            max_timestamp: -1,
            count: 0,
            payload: Vec::new(),
        }
    }
}

impl BatchBuilder {
    /// An empty batch: uncompressed, no producer id.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses the records with `compression`.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.attributes = self.attributes.with_compression(compression);
        self
    }

    /// How hard the codec tries.
    pub fn compression_levels(mut self, levels: CompressionLevels) -> Self {
        self.levels = levels;
        self
    }

    /// Marks the batch as part of a transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes = self.attributes.with_transactional();
        self
    }

    /// Marks the batch as a control batch.
    pub fn control(mut self) -> Self {
        self.attributes = self.attributes.with_control();
        self
    }

    /// Makes the batch that of an idempotent producer.
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.producer_id = producer_id;
        self.producer_epoch = producer_epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Adds a record; `timestamp` in milliseconds since the epoch.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> &mut Self {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let (timestamp_delta, offset_delta) =
            (timestamp - self.base_timestamp, i64::from(self.count));
        put_record(
            &mut self.payload,
            timestamp_delta,
            offset_delta,
            key,
            value,
            headers,
        );
        self.count += 1;
        self
    }

    /// Records added so far.
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch if it were built now without compression.
    pub fn uncompressed_size(&self) -> usize {
        HEADER_SIZE + self.payload.len()
    }

    /// Writes the batch as one that begins at `base_offset`.
    pub fn build(&self, base_offset: i64) -> Bytes {
        assert!(self.count > 0, "a batch has at least one record");
        let compression = self.attributes.compression().expect("set from a codec");
        let compressed = (compression != Compression::None)
            .then(|| compression.compress(&self.payload, self.levels));
        let payload = compressed.as_deref().unwrap_or(&self.payload);
        let header = BatchHeader {
            base_offset,
            batch_length: 0,
            partition_leader_epoch: 0,
            magic: MAGIC,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            record_count: self.count,
        };
        header.encode(payload)
    }
}

/// Appends a record whose time and offset are given as distances from the batch's.
pub(crate) fn put_record(
    out: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) {
    let mut body = vec![0];
    varint::put_i64(&mut body, timestamp_delta);
    varint::put_i64(&mut body, offset_delta);
    put_bytes(&mut body, key);
    put_bytes(&mut body, value);
    varint::put_i64(&mut body, headers.len() as i64);
    for header in headers {
        put_bytes(&mut body, Some(&header.key));
        put_bytes(&mut body, header.value.as_deref());
    }
    varint::put_i64(out, body.len() as i64);
    out.extend_from_slice(&body);
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put_i64(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(bytes.unwrap_or_default());
}
