use super::*;
use headwater_records::{BatchBuilder, RecordBatch, TimestampType};
use proptest::prelude::*;

const PRODUCER: i64 = 9;

fn built(mut builder: BatchBuilder, count: i32, offset: i64) -> BatchHeader {
    for _ in 0..count {
        builder.append(1000, None, Some(b"x"), &[]);
    }
    BatchHeader::parse(&builder.build(offset)).unwrap()
}

fn batch(producer_epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    let builder = BatchBuilder::new().producer(PRODUCER, producer_epoch, sequence);
    built(builder, count, offset)
}

fn transactional(producer_epoch: i16, sequence: i32, offset: i64) -> BatchHeader {
    let builder = BatchBuilder::new().producer(PRODUCER, producer_epoch, sequence);
    built(builder.transactional(), 1, offset)
}

fn marker(producer_epoch: i16, coordinator_epoch: i32, transaction_version: i16) -> EndMarker {
    EndMarker {
        producer_id: PRODUCER,
        producer_epoch,
        coordinator_epoch,
        outcome: TransactionOutcome::Abort,
        transaction_version,
    }
}

fn logged(marker: EndMarker, offset: i64) -> LoggedBatch {
    let bytes = marker.encode(1000, TimestampType::CreateTime);
    let mut logged = LoggedBatch::of(&RecordBatch::parse(&bytes).unwrap());
    logged.header.base_offset = offset;
    logged
}

impl ProducerState {
    fn check_client(&self, header: &BatchHeader) -> Result<Option<BatchMetadata>, AppendError> {
        self.check(header, Origin::Client)
    }

    fn note_data(&mut self, header: &BatchHeader, high_watermark: i64) -> Transition {
        self.note(&LoggedBatch::of_data(*header), high_watermark)
    }
}

fn state_after(batches: &[BatchHeader]) -> ProducerState {
    let mut state = ProducerState::default();
    for header in batches {
        assert_eq!(state.check_client(header).unwrap(), None);
        state.note_data(header, header.base_offset);
    }
    state
}

#[test]
fn the_next_sequence_is_accepted_and_a_gap_is_not() {
    let state = state_after(&[batch(0, 0, 3, 0)]);
    assert_eq!(state.check_client(&batch(0, 3, 1, 3)).unwrap(), None);
    assert!(matches!(
        state.check_client(&batch(0, 4, 1, 3)),
        Err(AppendError::OutOfOrderSequence {
            found: 4,
            last: 2,
            ..
        })
    ));
}

#[test]
fn a_duplicate_of_any_of_the_last_five_is_found() {
    let batches: Vec<_> = (0..7)
        .map(|n| batch(0, n * 2, 2, i64::from(n) * 2))
        .collect();
    let state = state_after(&batches);
    for n in 2..7 {
        let found = state
            .check_client(&batch(0, n * 2, 2, 99))
            .unwrap()
            .unwrap();
        assert_eq!(found.base_offset, i64::from(n) * 2);
    }
    assert!(state.check_client(&batch(0, 0, 2, 99)).is_err());
}

#[test]
fn sequences_wrap_at_int_max() {
    let state = state_after(&[batch(0, i32::MAX - 1, 2, 0)]);
    assert_eq!(state.check_client(&batch(0, 0, 1, 2)).unwrap(), None);
    let state = state_after(&[batch(0, i32::MAX, 3, 0)]);
    assert_eq!(state.check_client(&batch(0, 2, 1, 3)).unwrap(), None);
}

#[test]
fn a_new_epoch_starts_at_sequence_0_and_a_stale_one_is_invalid_producer_epoch() {
    let state = state_after(&[batch(1, 0, 1, 0)]);
    assert_eq!(state.check_client(&batch(2, 0, 1, 1)).unwrap(), None);
    assert!(matches!(
        state.check_client(&batch(2, 1, 1, 1)),
        Err(AppendError::OutOfOrderSequence { last: -1, .. })
    ));
    assert!(matches!(
        state.check_client(&batch(0, 1, 1, 1)),
        Err(AppendError::InvalidProducerEpoch {
            found: 0,
            current: 1,
            ..
        })
    ));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    assert_eq!(
        ProducerState::default()
            .check_client(&batch(3, 17, 1, 0))
            .unwrap(),
        None
    );
}

#[test]
fn silent_producers_expire() {
    let mut state = state_after(&[batch(0, 0, 1, 0)]);
    state.expire(1500, 1000);
    assert!(!state.is_empty());
    state.expire(2000, 1000);
    assert!(state.is_empty());
}

#[test]
fn a_snapshot_below_what_is_not_durable_still_has_five_batches() {
    let mut state = ProducerState::default();
    for n in 0..12 {
        state.note_data(&batch(0, n, 1, i64::from(n)), 6);
    }
    let at_six = ProducerState::decode(&state.encode(6)).unwrap();
    for n in 1..6 {
        assert!(
            at_six.check_client(&batch(0, n, 1, 99)).unwrap().is_some(),
            "{n}"
        );
    }
    assert_eq!(at_six.check_client(&batch(0, 6, 1, 6)).unwrap(), None);
}

#[test]
fn a_transaction_is_open_from_its_first_batch_to_its_marker() {
    let mut state = state_after(&[batch(0, 0, 1, 0)]);
    assert_eq!(
        state.note_data(&transactional(0, 1, 1), 9),
        Transition::Began
    );
    assert_eq!(
        state.note_data(&transactional(0, 2, 2), 9),
        Transition::None
    );
    assert_eq!(state.open_transaction(PRODUCER), Some(1));
    let ended = state.note(&logged(marker(0, 7, 0), 3), 9);
    let expected = Transition::Ended {
        first_offset: 1,
        outcome: TransactionOutcome::Abort,
    };
    assert_eq!(ended, expected);
    assert_eq!(state.open_transaction(PRODUCER), None);
    let active = state.active();
    assert_eq!(
        (active[0].coordinator_epoch, active[0].last_sequence),
        (7, 2)
    );
    assert_eq!(
        state.note(&logged(marker(0, 7, 0), 4), 9),
        Transition::None,
        "nothing was open"
    );
    // Without a bump of the epoch the sequences go on behind the marker.
    assert_eq!(state.check_client(&transactional(0, 3, 5)).unwrap(), None);
}

#[test]
fn a_batch_outside_the_open_transaction_is_invalid_txn_state() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(0, 0, 0), 9);
    assert!(matches!(
        state.check_client(&batch(0, 1, 1, 1)),
        Err(AppendError::InvalidTxnState {
            producer_id: PRODUCER
        })
    ));
    assert_eq!(state.check_client(&transactional(0, 1, 1)).unwrap(), None);
    // The other way about a transaction begins.
    let state = state_after(&[batch(0, 0, 1, 0)]);
    assert_eq!(state.check_client(&transactional(0, 1, 1)).unwrap(), None);
}

#[test]
fn transactions_v2_end_with_an_epoch_above_the_current_one_and_sequences_begin_again() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(4, 0, 0), 9);
    assert!(matches!(
        state.check_marker(&marker(4, 0, 2)),
        Err(AppendError::InvalidProducerEpoch {
            found: 4,
            current: 4,
            ..
        })
    ));
    state.check_marker(&marker(5, 0, 2)).unwrap();
    state.note(&logged(marker(5, 0, 2), 1), 9);
    state
        .check_marker(&marker(5, 0, 2))
        .expect("the coordinator may repeat itself");
    assert!(state.check_marker(&marker(4, 0, 2)).is_err());
    assert!(matches!(
        state.check_client(&transactional(4, 1, 2)),
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    assert!(matches!(
        state.check_client(&transactional(5, 1, 2)),
        Err(AppendError::OutOfOrderSequence { last: -1, .. })
    ));
    assert_eq!(state.check_client(&transactional(5, 0, 2)).unwrap(), None);
}

#[test]
fn the_last_epoch_there_is_may_end_its_own_transaction() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(i16::MAX, 0, 0), 9);
    state.check_marker(&marker(i16::MAX, 0, 2)).unwrap();
}

#[test]
fn transactions_v1_end_with_the_same_epoch_or_one_that_fences() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(4, 0, 0), 9);
    state.check_marker(&marker(4, 0, 1)).unwrap();
    state.check_marker(&marker(5, 0, 1)).unwrap();
    assert!(state.check_marker(&marker(3, 0, 1)).is_err());
}

#[test]
fn an_older_coordinator_is_fenced() {
    let mut state = ProducerState::default();
    state.note(&logged(marker(4, 7, 1), 0), 9);
    state.check_marker(&marker(4, 7, 1)).unwrap();
    assert!(matches!(
        state.check_marker(&marker(4, 6, 1)),
        Err(AppendError::TransactionCoordinatorFenced {
            found: 6,
            current: 7,
            ..
        })
    ));
}

#[test]
fn what_a_coordinator_writes_for_a_producer_has_an_epoch_but_no_sequence() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(4, NO_SEQUENCE, 0), 9);
    let again = transactional(4, NO_SEQUENCE, 1);
    assert_eq!(state.check(&again, Origin::Coordinator).unwrap(), None);
    let stale = transactional(3, NO_SEQUENCE, 1);
    assert!(state.check(&stale, Origin::Coordinator).is_err());
    for offset in 1..100 {
        state.note_data(&transactional(4, NO_SEQUENCE, offset), offset);
    }
    assert!(
        state.producers[&PRODUCER].len() <= 2,
        "the last one is enough"
    );
}

#[test]
fn a_producer_with_an_open_transaction_does_not_expire() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(0, 0, 0), 9);
    state.expire(i64::MAX, 1000);
    assert_eq!(state.open_transaction(PRODUCER), Some(0));
    state.note(&logged(marker(0, 0, 0), 1), 9);
    state.expire(i64::MAX, 1000);
    assert!(state.is_empty());
}

#[test]
fn five_batches_are_kept_whatever_markers_lie_between_them() {
    let mut state = ProducerState::default();
    for n in 0..10 {
        state.note_data(&transactional(0, n, i64::from(n) * 2), i64::MAX);
        state.note(&logged(marker(0, 0, 0), i64::from(n) * 2 + 1), i64::MAX);
    }
    for n in 5..10 {
        let found = state.check_client(&transactional(0, n, 99)).unwrap();
        assert_eq!(found.unwrap().base_offset, i64::from(n) * 2);
    }
    assert!(state.check_client(&transactional(0, 4, 99)).is_err());
    assert_eq!(state.producers[&PRODUCER].len(), 6);
}

#[test]
fn a_snapshot_has_the_transactions_that_were_open_at_its_offset() {
    let mut state = ProducerState::default();
    state.note_data(&transactional(0, 0, 0), 0);
    state.note(&logged(marker(1, 3, 2), 1), 0);
    state.note_data(&transactional(1, 0, 2), 0);
    let at = |offset| ProducerState::decode(&state.encode(offset)).unwrap();
    assert_eq!(at(0).open_transaction(PRODUCER), None);
    assert_eq!(at(1).open_transaction(PRODUCER), Some(0));
    assert_eq!(at(2).open_transaction(PRODUCER), None);
    assert_eq!(at(2).active()[0].coordinator_epoch, 3);
    assert_eq!(at(2).active()[0].producer_epoch, 1);
    assert_eq!(at(3).open_transaction(PRODUCER), Some(2));
}

proptest! {
    #[test]
    fn snapshots_read_back(batches in proptest::collection::vec((0_i64..4, -1_i32..100, 0..3), 0..30)) {
        let mut state = ProducerState::default();
        for (offset, (producer_id, sequence, kind)) in (0..).zip(batches) {
            let mut noted = match kind {
                0 => LoggedBatch::of_data(batch(0, sequence, 1, offset)),
                1 => LoggedBatch::of_data(transactional(0, sequence, offset)),
                _ => logged(marker(0, sequence, 0), offset),
            };
            noted.header.producer_id = producer_id;
            state.note(&noted, i64::MAX);
        }
        let read = ProducerState::decode(&state.encode(i64::MAX)).unwrap();
        prop_assert_eq!(read.producers, state.producers);
    }

    #[test]
    fn damaged_snapshots_are_refused(at in 0_usize..64, bit in 0_u8..8) {
        let mut bytes = state_after(&[batch(0, 0, 1, 0)]).encode(10);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(ProducerState::decode(&bytes), None);
    }
}
