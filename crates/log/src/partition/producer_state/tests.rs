use super::*;
use headwater_records::BatchBuilder;
use proptest::prelude::*;

fn batch(producer_epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new().producer(9, producer_epoch, sequence);
    for _ in 0..count {
        builder.append(1000, None, Some(b"x"), &[]);
    }
    BatchHeader::parse(&builder.build(offset)).unwrap()
}

fn state_after(batches: &[BatchHeader]) -> ProducerState {
    let mut state = ProducerState::default();
    for header in batches {
        assert_eq!(state.check(header).unwrap(), None);
        state.note(header, header.base_offset);
    }
    state
}

#[test]
fn the_next_sequence_is_accepted_and_a_gap_is_not() {
    let state = state_after(&[batch(0, 0, 3, 0)]);
    assert_eq!(state.check(&batch(0, 3, 1, 3)).unwrap(), None);
    assert!(matches!(
        state.check(&batch(0, 4, 1, 3)),
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
        let found = state.check(&batch(0, n * 2, 2, 99)).unwrap().unwrap();
        assert_eq!(found.base_offset, i64::from(n) * 2);
    }
    assert!(state.check(&batch(0, 0, 2, 99)).is_err());
}

#[test]
fn sequences_wrap_after_int_max() {
    let state = state_after(&[batch(0, i32::MAX - 1, 2, 0)]);
    assert_eq!(state.check(&batch(0, 0, 1, 2)).unwrap(), None);
    let state = state_after(&[batch(0, i32::MAX, 3, 0)]);
    assert_eq!(state.check(&batch(0, 2, 1, 3)).unwrap(), None);
}

#[test]
fn a_new_epoch_begins_at_zero_and_an_old_one_is_refused() {
    let state = state_after(&[batch(1, 0, 1, 0)]);
    assert_eq!(state.check(&batch(2, 0, 1, 1)).unwrap(), None);
    assert!(matches!(
        state.check(&batch(2, 1, 1, 1)),
        Err(AppendError::OutOfOrderSequence { last: -1, .. })
    ));
    assert!(matches!(
        state.check(&batch(0, 1, 1, 1)),
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
        ProducerState::default().check(&batch(3, 17, 1, 0)).unwrap(),
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
        state.note(&batch(0, n, 1, i64::from(n)), 6);
    }
    let at_six = ProducerState::decode(&state.encode(6)).unwrap();
    for n in 1..6 {
        assert!(at_six.check(&batch(0, n, 1, 99)).unwrap().is_some(), "{n}");
    }
    assert_eq!(at_six.check(&batch(0, 6, 1, 6)).unwrap(), None);
}

proptest! {
    #[test]
    fn snapshots_read_back(batches in proptest::collection::vec((0_i64..4, 0_i32..100), 0..30)) {
        let mut state = ProducerState::default();
        for (offset, (producer_id, sequence)) in (0..).zip(batches) {
            let mut header = batch(0, sequence, 1, offset);
            header.producer_id = producer_id;
            state.note(&header, i64::MAX);
        }
        let read = ProducerState::decode(&state.encode(i64::MAX)).unwrap();
        prop_assert_eq!(read.producers, state.producers);
    }

    #[test]
    fn damaged_snapshots_are_refused(at in 0_usize..52, bit in 0_u8..8) {
        let mut bytes = state_after(&[batch(0, 0, 1, 0)]).encode(10);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(ProducerState::decode(&bytes), None);
    }
}
