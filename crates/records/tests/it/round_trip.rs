//! What is built is what is read, whatever the codec.

use bytes::Bytes;
use headwater_records::{
    BatchBuilder, BatchHeader, Batches, Compression, Header, Record, RecordBatch, TimestampType,
    set_base_offset, set_leader_epoch, set_log_append_time, set_max_timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

fn header() -> impl Strategy<Value = Header> {
    (vec(any::<u8>(), 0..8), option::of(vec(any::<u8>(), 0..8))).prop_map(|(key, value)| Header {
        key: key.into(),
        value: value.map(Bytes::from),
    })
}

fn record() -> impl Strategy<Value = Record> {
    (
        0..i64::MAX / 2,
        option::of(vec(any::<u8>(), 0..40)),
        option::of(vec(any::<u8>(), 0..300)),
        vec(header(), 0..4),
    )
        .prop_map(|(timestamp, key, value, headers)| Record {
            offset: 0,
            timestamp,
            key: key.map(Bytes::from),
            value: value.map(Bytes::from),
            headers,
        })
}

fn built(records: &[Record], compression: Compression, base_offset: i64) -> Bytes {
    let mut builder = BatchBuilder::new().compression(compression);
    for record in records {
        builder.append(
            record.timestamp,
            record.key.as_deref(),
            record.value.as_deref(),
            &record.headers,
        );
    }
    builder.build(base_offset)
}

proptest! {
    #[test]
    fn records_come_back_as_they_went_in(
        mut records in vec(record(), 1..20),
        codec in 0_u8..5,
        base_offset in 0_i64..1 << 40,
    ) {
        let bytes = built(&records, Compression::from_id(codec).unwrap(), base_offset);
        for (record, offset) in records.iter_mut().zip(base_offset..) {
            record.offset = offset;
        }
        let batch = RecordBatch::parse(&bytes).unwrap();
        prop_assert_eq!(batch.check_crc(), Ok(()));
        prop_assert_eq!(batch.header.size_in_bytes(), bytes.len());
        prop_assert_eq!(batch.header.next_offset(), base_offset + records.len() as i64);
        prop_assert_eq!(batch.header.max_timestamp, records.iter().map(|record| record.timestamp).max().unwrap());
        let read: Vec<Record> = batch.records(LIMIT).unwrap().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn place_and_epoch_are_patched_outside_the_checksum(records in vec(record(), 1..5), offset in 0_i64..1 << 50, epoch: i32) {
        let mut bytes = built(&records, Compression::None, 0).to_vec();
        set_base_offset(&mut bytes, offset);
        set_leader_epoch(&mut bytes, epoch);
        let batch = RecordBatch::parse(&bytes.into()).unwrap();
        prop_assert_eq!(batch.check_crc(), Ok(()));
        prop_assert_eq!(batch.header.base_offset, offset);
        prop_assert_eq!(batch.header.partition_leader_epoch, epoch);
    }
}

#[test]
fn log_append_time_replaces_every_timestamp_and_the_checksum() {
    let mut builder = BatchBuilder::new().compression(Compression::Zstd);
    builder
        .append(10, None, Some(b"a"), &[])
        .append(20, None, Some(b"b"), &[]);
    let mut bytes = builder.build(0).to_vec();
    set_log_append_time(&mut bytes, 99);
    let batch = RecordBatch::parse(&bytes.into()).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!(
        batch.header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(batch.header.attributes.compression(), Ok(Compression::Zstd));
    let times: Vec<i64> = batch
        .records(LIMIT)
        .unwrap()
        .map(|record| record.unwrap().timestamp)
        .collect();
    assert_eq!(times, [99, 99]);
}

#[test]
fn the_greatest_timestamp_is_patched_with_the_checksum_and_nothing_else() {
    let mut builder = BatchBuilder::new().compression(Compression::Gzip);
    builder
        .append(10, None, Some(b"a"), &[])
        .append(20, None, Some(b"b"), &[]);
    let right = builder.build(0);
    let mut bytes = right.to_vec();
    set_max_timestamp(&mut bytes, 99);
    let batch = RecordBatch::parse(&bytes.clone().into()).unwrap();
    assert_eq!(batch.check_crc(), Ok(()));
    assert_eq!(batch.header.max_timestamp, 99);
    let times: Vec<i64> = batch
        .records(LIMIT)
        .unwrap()
        .map(|record| record.unwrap().timestamp)
        .collect();
    assert_eq!(times, [10, 20]);
    set_max_timestamp(&mut bytes, 20);
    assert_eq!(bytes, right);
}

#[test]
fn sequences_wrap_at_the_largest_int() {
    let mut builder = BatchBuilder::new().producer(7, 0, i32::MAX - 1);
    for _ in 0..4 {
        builder.append(1, None, None, &[]);
    }
    assert_eq!(
        BatchHeader::parse(&builder.build(0))
            .unwrap()
            .last_sequence(),
        1
    );
}

#[test]
fn batches_one_behind_the_other_are_walked_in_order() {
    let mut builder = BatchBuilder::new();
    builder.append(1, None, Some(b"x"), &[]);
    let bytes: Bytes = [builder.build(5), builder.build(6), builder.build(7)]
        .concat()
        .into();
    let offsets: Vec<i64> = Batches::new(bytes)
        .map(|batch| batch.unwrap().header.base_offset)
        .collect();
    assert_eq!(offsets, [5, 6, 7]);
}

#[test]
fn the_builder_knows_its_size_before_it_builds() {
    let mut builder = BatchBuilder::new();
    builder.append(1, Some(b"key"), Some(b"value"), &[]);
    assert_eq!(builder.uncompressed_size(), builder.build(0).len());
    assert_eq!(builder.record_count(), 1);
}
