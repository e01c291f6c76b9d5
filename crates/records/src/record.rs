//! Records inside a batch.

use bytes::Bytes;

use crate::{BatchHeader, RecordError, TimestampType, varint};

/// Bytes of the smallest record: its length, attributes, two deltas, two lengths and a header count.
const SMALLEST_RECORD: usize = 7;

/// A header of a record; Kafka lets a key occur more than once and keeps their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name, UTF-8 by convention and not checked here.
    pub key: Bytes,
    /// Value; absent is not the same as empty.
    pub value: Option<Bytes>,
}

/// One record, its slices sharing the memory of the batch.
///
/// ```text
/// length           varint  bytes after this field
/// attributes       i8      unused
/// timestamp_delta  varlong to the batch's base_timestamp
/// offset_delta     varint  to the batch's base_offset
/// key_length       varint  -1: no key
/// key
/// value_length     varint  -1: a tombstone
/// value
/// header_count     varint
/// headers          key length varint, key, value length varint (-1: none), value
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Key; `None` where there is none.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in their order.
    pub headers: Vec<Header>,
}

/// Walks the records of one batch. Ends after the first error, and tells of bytes left over behind the last record.
#[derive(Debug, Clone)]
pub struct Records {
    payload: Bytes,
    base_offset: i64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    count: i32,
    next: i32,
}

impl Records {
    pub(crate) fn new(header: &BatchHeader, payload: Bytes) -> Result<Self, RecordError> {
        let possible = payload.len() / SMALLEST_RECORD;
        if usize::try_from(header.record_count).map_or(true, |count| count > possible) {
            return Err(RecordError::MalformedRecord {
                index: 0,
                reason: "more records announced than the bytes can hold",
            });
        }
        let log_append_time = (header.attributes.timestamp_type() == TimestampType::LogAppendTime)
            .then_some(header.max_timestamp);
        Ok(Self {
            payload,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            log_append_time,
            count: header.record_count,
            next: 0,
        })
    }

    fn read(&mut self) -> Result<Record, &'static str> {
        let mut rest: &[u8] = &self.payload;
        let length = varint::take_i32(&mut rest).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or("its length is not a number of bytes")?;
        let (body, after) = rest
            .split_at_checked(length)
            .ok_or("it reaches beyond the batch")?;
        let body = self.payload.slice_ref(body);
        self.payload = self.payload.slice_ref(after);
        self.decode(&body)
    }

    fn decode(&self, body: &Bytes) -> Result<Record, &'static str> {
        let mut rest = body.as_ref().split_first().ok_or("it has no attributes")?.1;
        let timestamp_delta = varint::take_i64(&mut rest).ok_or("its timestamp is cut short")?;
        let offset_delta = varint::take_i32(&mut rest).ok_or("its offset is cut short")?;
        if offset_delta < 0 {
            return Err("its offset lies before the batch");
        }
        let key = take_bytes(body, &mut rest, "its key is cut short")?;
        let value = take_bytes(body, &mut rest, "its value is cut short")?;
        let headers = take_headers(body, &mut rest)?;
        if !rest.is_empty() {
            return Err("bytes are left over behind its headers");
        }
        Ok(Record {
            offset: self.base_offset.saturating_add(i64::from(offset_delta)),
            timestamp: self
                .log_append_time
                .unwrap_or_else(|| self.base_timestamp.saturating_add(timestamp_delta)),
            key,
            value,
            headers,
        })
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        if index >= self.count {
            let left_over = !std::mem::take(&mut self.payload).is_empty();
            return left_over.then_some(Err(RecordError::MalformedRecord {
                index,
                reason: "bytes are left over behind the last record",
            }));
        }
        self.next += 1;
        let record = self
            .read()
            .map_err(|reason| RecordError::MalformedRecord { index, reason });
        if record.is_err() {
            self.next = self.count;
            self.payload = Bytes::new();
        }
        Some(record)
    }
}

/// A length and that many bytes; length -1 means that there is no value. `cut_short` is the error otherwise.
fn take_bytes(
    body: &Bytes,
    rest: &mut &[u8],
    cut_short: &'static str,
) -> Result<Option<Bytes>, &'static str> {
    let length = varint::take_i32(rest).ok_or(cut_short)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| cut_short)?;
    let (value, after) = rest.split_at_checked(length).ok_or(cut_short)?;
    *rest = after;
    Ok(Some(body.slice_ref(value)))
}

fn take_headers(body: &Bytes, rest: &mut &[u8]) -> Result<Vec<Header>, &'static str> {
    let count = varint::take_i32(rest)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or("its header count is no count")?;
    // A header takes two bytes at least, so the count is bounded by what is there.
    if count > rest.len() / 2 {
        return Err("more headers announced than the bytes can hold");
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let key =
            take_bytes(body, rest, "a header's key is cut short")?.ok_or("a header has no key")?;
        let value = take_bytes(body, rest, "a header's value is cut short")?;
        headers.push(Header { key, value });
    }
    Ok(headers)
}
