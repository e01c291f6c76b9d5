//! Record batches as producers send them.

use bytes::Bytes;
use headwater_records::{BatchBuilder, Batches};

/// Milliseconds; recent enough for no retention to touch it.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_millis()).expect("in range")
}

/// One batch with a record for each of `values`.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.append(now_ms(), None, Some(value.as_bytes()), &[]);
    }
    builder.build(0)
}

/// One batch of an idempotent producer.
pub(crate) fn sequenced(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new().producer(producer_id, epoch, sequence);
    for value in values {
        builder.append(now_ms(), None, Some(value.as_bytes()), &[]);
    }
    builder.build(0)
}

/// One record of `size` bytes.
pub(crate) fn batch_of_size(size: usize) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(now_ms(), None, Some(&vec![b'x'; size]), &[]);
    builder.build(0)
}

/// Offsets and values in fetched bytes.
pub(crate) fn records(fetched: &Bytes) -> Vec<(i64, String)> {
    let mut records = Vec::new();
    for batch in Batches::new(fetched.clone()) {
        let batch = batch.expect("a whole batch");
        batch.check_crc().expect("its checksum holds");
        for record in batch.records(100 << 20).expect("records") {
            let record = record.expect("a record");
            let value = record.value.expect("a value");
            records.push((
                record.offset,
                String::from_utf8(value.to_vec()).expect("text"),
            ));
        }
    }
    records
}
