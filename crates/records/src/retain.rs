//! What a compaction makes of a batch: a smaller one in the same place.
//!
//! Base and last offset, leader epoch, producer and sequence stay, so that readers and the producer's state see the
//! same batch with some of its records gone.

use bytes::Bytes;

use crate::builder::put_record;
use crate::{BatchHeader, Compression, CompressionLevels, Record};

/// Stands where a batch without records has no first timestamp.
const NO_TIMESTAMP: i64 = -1;

/// The batch with only these of its records, in its own codec. With a delete horizon, `base_timestamp` says from when
/// on the tombstones among them may go (KIP-534); timestamps of records do not change by it.
pub fn retain_records(
    header: &BatchHeader,
    records: &[Record],
    delete_horizon: Option<i64>,
) -> Bytes {
    let first = records
        .first()
        .map_or(NO_TIMESTAMP, |record| record.timestamp);
    let base_timestamp = delete_horizon.unwrap_or(first);
    let mut payload = Vec::new();
    let mut max_timestamp = NO_TIMESTAMP;
    for record in records {
        max_timestamp = max_timestamp.max(record.timestamp);
        put_record(
            &mut payload,
            record.timestamp.wrapping_sub(base_timestamp),
            record.offset - header.base_offset,
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        );
    }
    let compressed = match header.attributes.compression() {
        Ok(Compression::None) | Err(_) => payload,
        Ok(codec) => codec.compress(&payload, CompressionLevels::default()),
    };
    let header = BatchHeader {
        attributes: header.attributes.with_delete_horizon(delete_horizon),
        base_timestamp,
        max_timestamp,
        record_count: records.len() as i32,
        ..*header
    };
    header.encode(&compressed)
}

/// The batch without any records: what is left where its producer's last sequence, or the end of what was compacted,
/// must stay known.
pub fn retain_header(header: &BatchHeader) -> Bytes {
    let attributes = header
        .attributes
        .with_compression(Compression::None)
        .with_delete_horizon(None);
    let header = BatchHeader {
        attributes,
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*header
    };
    header.encode(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, RecordBatch};

    fn batch(codec: Compression) -> RecordBatch {
        let mut builder = BatchBuilder::new().compression(codec).producer(7, 1, 40);
        for n in 0..5_u8 {
            builder.append(1000 + i64::from(n), Some(&[n]), Some(b"value"), &[]);
        }
        RecordBatch::parse(&builder.build(100)).unwrap()
    }

    fn records(batch: &RecordBatch) -> Vec<Record> {
        batch
            .records(1 << 20)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn what_is_retained_keeps_offsets_times_and_sequences_in_every_codec() {
        for codec in Compression::ALL {
            let batch = batch(codec);
            let kept: Vec<_> = records(&batch).into_iter().skip(1).step_by(2).collect();
            for horizon in [None, Some(50), Some(5_000)] {
                let bytes = retain_records(&batch.header, &kept, horizon);
                let smaller = RecordBatch::parse(&bytes).unwrap();
                smaller.check_crc().unwrap();
                assert_eq!(records(&smaller), kept);
                let header = smaller.header;
                assert_eq!((header.base_offset, header.last_offset()), (100, 104));
                assert_eq!((header.base_sequence, header.last_sequence()), (40, 44));
                assert_eq!(header.max_timestamp, 1003);
                assert_eq!(header.delete_horizon_ms(), horizon);
            }
        }
    }

    #[test]
    fn an_empty_batch_keeps_its_place_and_its_sequences() {
        let batch = batch(Compression::Zstd);
        let empty = RecordBatch::parse(&retain_header(&batch.header)).unwrap();
        empty.check_crc().unwrap();
        assert_eq!(records(&empty), []);
        assert_eq!(
            (empty.header.base_offset, empty.header.last_offset()),
            (100, 104)
        );
        assert_eq!(empty.header.last_sequence(), 44);
        assert_eq!(empty.header.max_timestamp, 1004);
    }
}
