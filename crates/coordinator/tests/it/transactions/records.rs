//! The records of `__transaction_state`.

use bytes::Bytes;
use headwater_coordinator::{
    CoordinatorRecord, Outcome, PartitionsSchema, TransactionConfig, TransactionCoordinator,
    TransactionLogValue, TransactionRecord, TransactionState,
};

use super::harness::{Bench, Entry, ID};

fn record(value: TransactionLogValue) -> TransactionRecord {
    TransactionRecord::Transaction {
        transactional_id: "tx".to_owned(),
        value: Some(value),
    }
}

fn ongoing() -> TransactionLogValue {
    TransactionLogValue {
        producer_id: 1,
        previous_producer_id: -1,
        next_producer_id: -1,
        producer_epoch: 2,
        next_producer_epoch: -1,
        transaction_timeout_ms: 60_000,
        transaction_status: TransactionState::Ongoing.id(),
        transaction_partitions: Some(vec![PartitionsSchema {
            topic: "t".to_owned(),
            partition_ids: vec![0, 3],
        }]),
        transaction_last_update_timestamp_ms: 7,
        transaction_start_timestamp_ms: 6,
        client_transaction_version: 0,
    }
}

const FIXTURE: &str = include_str!("../fixtures/kafka-4.3.1-transaction-state.txt");

fn unhex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// What Apache Kafka wrote.
fn written_by_kafka() -> Vec<CoordinatorRecord> {
    let lines = FIXTURE.lines().filter(|line| !line.starts_with('#'));
    let records = lines.map(|line| {
        let (key, value) = line.split_once(' ').unwrap();
        CoordinatorRecord {
            key: unhex(key),
            value: Some(unhex(value)),
        }
    });
    records.collect()
}

#[test]
fn records_of_apache_kafka_decode_and_encode_to_the_same_bytes() {
    let records = written_by_kafka();
    assert_eq!(records.len(), 12);
    for record in records {
        let decoded = TransactionRecord::decode(&record).unwrap();
        assert_eq!(decoded.encode(2).unwrap(), record, "{decoded:?}");
    }
}

#[test]
fn the_coordinator_loads_the_partition_of_an_apache_kafka() {
    use TransactionState::{
        CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit,
    };

    let mut coordinator = TransactionCoordinator::new(TransactionConfig::default(), 2);
    let mut states = Vec::new();
    for record in written_by_kafka() {
        coordinator.replay(&record).unwrap();
        let (_, transaction) = coordinator.transactions().next().unwrap();
        states.push((transaction.state, transaction.producer_epoch));
    }
    let expected = [
        (Empty, 0),
        (Ongoing, 0),
        (PrepareCommit, 0),
        (CompleteCommit, 0),
        (Ongoing, 0),
        (Ongoing, 0),
        (PrepareCommit, 1),
        (CompleteCommit, 1),
        (Ongoing, 1),
        (PrepareAbort, 2),
        (CompleteAbort, 2),
        (Empty, 3),
    ];
    assert_eq!(states, expected);
    let (_, transaction) = coordinator.transactions().next().unwrap();
    assert_eq!(transaction.timeout_ms, 70_000);
    assert_eq!(transaction.previous_producer_id, transaction.producer_id);
}

/// What does not hang on the moment or on the names.
fn shape(value: &TransactionLogValue, first_id: i64) -> (i8, i16, i64, i16, Option<usize>) {
    (
        value.transaction_status,
        value.producer_epoch,
        value.previous_producer_id - first_id,
        value.client_transaction_version,
        value.transaction_partitions.as_ref().map(Vec::len),
    )
}

fn values(records: &[CoordinatorRecord]) -> Vec<TransactionLogValue> {
    let decoded = records.iter().map(TransactionRecord::decode);
    let values = decoded.filter_map(|decoded| match decoded.unwrap() {
        TransactionRecord::Transaction { value, .. } => value,
        TransactionRecord::Unknown { .. } => None,
    });
    values.collect()
}

#[test]
fn the_same_requests_leave_the_same_records_as_on_apache_kafka() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.add(3, producer, &[2]);
    bench.end(4, producer, Outcome::Commit);
    bench.write(producer, 0).unwrap();
    bench.write_offsets(producer, 2).unwrap();
    let producer = bench.ended(producer, Outcome::Commit);
    bench.write(producer, 1).unwrap();
    bench.ended(producer, Outcome::Abort);
    bench.init();
    let ours: Vec<CoordinatorRecord> = bench
        .journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Record(record) => Some(record.clone()),
            Entry::Marker { .. } => None,
        })
        .collect();
    let ours = values(&ours);
    let theirs = values(&written_by_kafka());
    let shapes = |values: &[TransactionLogValue]| -> Vec<_> {
        let first_id = values[0].producer_id;
        values.iter().map(|value| shape(value, first_id)).collect()
    };
    assert_eq!(shapes(&ours), shapes(&theirs));
}

#[test]
fn the_bytes_are_those_of_kafkas_schema_at_both_versions() {
    let key = [0, 0, 0, 2, b't', b'x'];
    let fixed: Vec<u8> = [
        &1_i64.to_be_bytes()[..],
        &2_i16.to_be_bytes(),
        &60_000_i32.to_be_bytes(),
        &[1],
    ]
    .concat();
    let times = [7_i64.to_be_bytes(), 6_i64.to_be_bytes()].concat();
    let version_0 = [
        &[0, 0][..],
        &fixed,
        &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3],
        &times,
    ]
    .concat();
    let encoded = record(ongoing()).encode(0).unwrap();
    assert_eq!(encoded.key[..], key);
    assert_eq!(encoded.value.unwrap()[..], version_0);
    // Compact, with a tagged field: the client's version under tag 2.
    let version_1 = [
        &[0, 1][..],
        &fixed,
        &[2, 2, b't', 3, 0, 0, 0, 0, 0, 0, 0, 3, 0],
        &times,
        &[1, 2, 2, 0, 2],
    ]
    .concat();
    let value = TransactionLogValue {
        client_transaction_version: 2,
        ..ongoing()
    };
    for feature in [1, 2] {
        let encoded = record(value.clone()).encode(feature).unwrap();
        assert_eq!(encoded.value.unwrap()[..], version_1);
    }
}

#[test]
fn every_field_survives_and_tags_of_later_versions_are_skipped() {
    let value = TransactionLogValue {
        previous_producer_id: 41,
        next_producer_id: 42,
        next_producer_epoch: 3,
        client_transaction_version: 2,
        ..ongoing()
    };
    let mut encoded = record(value.clone()).encode(2).unwrap();
    let decoded = TransactionRecord::decode(&encoded).unwrap();
    assert_eq!(decoded, record(value.clone()));
    // One more tag, 9, of one byte: four became five.
    let mut bytes = encoded.value.unwrap().to_vec();
    let tags = bytes.len() - (1 + 3 * 2 + 8 + 8 + 2 + 2 + 2);
    assert_eq!(bytes[tags], 4);
    bytes[tags] = 5;
    bytes.extend([9, 1, 0xff]);
    encoded.value = Some(Bytes::from(bytes));
    assert_eq!(TransactionRecord::decode(&encoded).unwrap(), record(value));
}

#[test]
fn an_empty_transaction_has_no_list_of_partitions() {
    let mut bench = Bench::new();
    let producer = bench.producer();
    bench.write(producer, 0).unwrap();
    bench.ended(producer, Outcome::Commit);
    let values: Vec<TransactionLogValue> = bench
        .journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Record(record) => match TransactionRecord::decode(record).unwrap() {
                TransactionRecord::Transaction { value, .. } => value,
                TransactionRecord::Unknown { .. } => None,
            },
            Entry::Marker { .. } => None,
        })
        .collect();
    let states: Vec<(i8, Option<usize>)> = values
        .iter()
        .map(|value| {
            let partitions = value.transaction_partitions.as_ref();
            (value.transaction_status, partitions.map(Vec::len))
        })
        .collect();
    assert_eq!(
        states,
        [(0, None), (1, Some(1)), (2, Some(1)), (4, Some(0))]
    );
}

#[test]
fn kinds_of_records_that_are_not_known_are_skipped_and_states_that_are_not_are_refused() {
    let mut coordinator = TransactionCoordinator::new(TransactionConfig::default(), 2);
    let unknown = CoordinatorRecord {
        key: Bytes::from_static(&[0, 9, 1]),
        value: None,
    };
    coordinator.replay(&unknown).unwrap();
    let mut odd = ongoing();
    odd.transaction_status = 9;
    let odd = record(odd).encode(2).unwrap();
    let refused = coordinator.replay(&odd).unwrap_err();
    assert!(refused.to_string().contains('9'), "{refused}");
    assert!(coordinator.transactions().all(|(id, _)| id != ID));
}
