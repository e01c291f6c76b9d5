//! Offsets that a transaction commits.

use headwater_coordinator::{AppendFailure, GroupConfig, Outcome};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition,
};

use crate::harness::{
    Bench, GROUP, Join, Logged, TOPIC, code, commit, producer, transactional_commit,
};

const MEMBERLESS: &str = "memberless";

fn by_member(generation: i32, member_id: &str, offset: i64) -> TxnOffsetCommitRequest {
    TxnOffsetCommitRequest {
        generation_id: generation,
        member_id: member_id.to_owned(),
        ..transactional_commit(1, GROUP, TOPIC, offset)
    }
}

#[test]
fn an_offset_is_seen_when_its_transaction_has_committed_and_not_before() {
    let mut bench = Bench::new();
    bench.commit(&commit(MEMBERLESS, TOPIC, 1));
    assert_eq!(
        bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9)),
        [0]
    );
    assert_eq!(bench.fetch_unstable(MEMBERLESS, TOPIC).committed_offset, 1);
    bench.end_transaction(7, Outcome::Commit);
    let fetched = bench.fetch(MEMBERLESS, TOPIC);
    assert_eq!((fetched.committed_offset, fetched.error_code), (9, 0));
    assert_eq!(fetched.metadata.as_deref(), Some("in a transaction"));
}

#[test]
fn records_of_a_transaction_go_out_as_the_producers_batch() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9));
    let [Logged::Transactional(by, _)] = bench.log.as_slice() else {
        panic!("one record of a transaction, not {:?}", bench.log);
    };
    assert_eq!(*by, producer(7));
}

#[test]
fn an_offset_of_an_aborted_transaction_is_never_seen() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9));
    bench.end_transaction(7, Outcome::Abort);
    assert_eq!(bench.fetch(MEMBERLESS, TOPIC).committed_offset, -1);
    assert_eq!(bench.describe(MEMBERLESS).group_state, "Dead");
}

#[test]
fn require_stable_gives_unstable_offset_commit_until_every_transaction_has_ended() {
    let mut bench = Bench::new();
    bench.commit(&commit(MEMBERLESS, TOPIC, 1));
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9));
    bench.commit_in_transaction(&transactional_commit(8, MEMBERLESS, TOPIC, 10));
    bench.end_transaction(7, Outcome::Commit);
    let fetched = bench.fetch(MEMBERLESS, TOPIC);
    assert_eq!(fetched.error_code, code(ErrorCode::UnstableOffsetCommit));
    assert_eq!(
        (fetched.committed_offset, fetched.metadata.as_deref()),
        (-1, Some(""))
    );
    assert_eq!(bench.fetch(MEMBERLESS, "another").error_code, 0);
    bench.end_transaction(8, Outcome::Abort);
    assert_eq!(bench.fetch(MEMBERLESS, TOPIC).committed_offset, 9);
}

#[test]
fn the_commit_that_is_latest_in_the_log_stays_whenever_its_transaction_ends() {
    let mut bench = Bench::new();
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 5));
    bench.commit(&commit(MEMBERLESS, TOPIC, 6));
    bench.end_transaction(7, Outcome::Commit);
    assert_eq!(bench.fetch(MEMBERLESS, TOPIC).committed_offset, 6);
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 7));
    bench.commit_in_transaction(&transactional_commit(8, MEMBERLESS, TOPIC, 8));
    bench.end_transaction(8, Outcome::Commit);
    bench.end_transaction(7, Outcome::Commit);
    assert_eq!(bench.fetch(MEMBERLESS, TOPIC).committed_offset, 8);
}

#[test]
fn what_is_pending_is_pending_after_a_restart_and_what_was_decided_stays_so() {
    let mut bench = Bench::new();
    for (producer, topic, offset) in [(7, "t7", 9), (8, "t8", 10), (9, "t9", 11)] {
        bench.commit_in_transaction(&transactional_commit(producer, MEMBERLESS, topic, offset));
    }
    bench.end_transaction(8, Outcome::Commit);
    bench.end_transaction(9, Outcome::Abort);
    let before = bench.coordinator.durable_state();
    bench.restart();
    assert_eq!(bench.coordinator.durable_state(), before);
    let unstable = code(ErrorCode::UnstableOffsetCommit);
    assert_eq!(bench.fetch(MEMBERLESS, "t7").error_code, unstable);
    assert_eq!(bench.fetch(MEMBERLESS, "t8").committed_offset, 10);
    assert_eq!(bench.fetch(MEMBERLESS, "t9").committed_offset, -1);
    bench.end_transaction(7, Outcome::Commit);
    assert_eq!(bench.fetch(MEMBERLESS, "t7").committed_offset, 9);
}

#[test]
fn a_producer_that_names_its_member_is_fenced_with_it() {
    let mut bench = Bench::new();
    let members = bench.stable_group_with(&[Join::static_member("rack-1")]);
    let unknown = code(ErrorCode::UnknownMemberId);
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(
        bench.commit_in_transaction(&by_member(1, &members[0], 5)),
        [0]
    );
    assert_eq!(
        bench.commit_in_transaction(&by_member(1, "nobody", 5)),
        [unknown]
    );
    assert_eq!(
        bench.commit_in_transaction(&by_member(0, &members[0], 5)),
        [illegal]
    );
    assert_eq!(
        bench.commit_in_transaction(&by_member(2, &members[0], 5)),
        [illegal]
    );
    let taken_over = TxnOffsetCommitRequest {
        group_instance_id: Some("rack-1".to_owned()),
        ..by_member(1, "nobody", 5)
    };
    let fenced = code(ErrorCode::FencedInstanceId);
    assert_eq!(bench.commit_in_transaction(&taken_over), [fenced]);
}

#[test]
fn a_producer_that_names_no_member_may_commit_for_a_group_in_any_state() {
    let mut bench = Bench::new();
    let anonymous = transactional_commit(1, GROUP, TOPIC, 5);
    let members = bench.stable_group(1);
    assert_eq!(bench.commit_in_transaction(&anonymous), [0]);
    bench.join_with_new_id(&Join::default());
    assert_eq!(bench.state(), "PreparingRebalance");
    assert_eq!(bench.commit_in_transaction(&anonymous), [0]);
    bench.join(&Join::of(&members[0]));
    assert_eq!(bench.state(), "CompletingRebalance");
    assert_eq!(bench.commit_in_transaction(&anonymous), [0]);
    // A member of the new generation may too, although it has not synced.
    assert_eq!(
        bench.commit_in_transaction(&by_member(2, &members[0], 6)),
        [0]
    );
}

#[test]
fn a_transaction_needs_a_group_id_and_a_group_if_it_names_a_generation() {
    let mut bench = Bench::new();
    let invalid = code(ErrorCode::InvalidGroupId);
    assert_eq!(
        bench.commit_in_transaction(&transactional_commit(1, "", TOPIC, 5)),
        [invalid]
    );
    let illegal = code(ErrorCode::IllegalGeneration);
    assert_eq!(
        bench.commit_in_transaction(&by_member(3, "nobody", 5)),
        [illegal]
    );
    assert!(bench.log.is_empty());
}

#[test]
fn metadata_over_the_limit_fails_its_partition_of_a_transaction() {
    let mut bench = Bench::new();
    let mut request = transactional_commit(7, MEMBERLESS, TOPIC, 9);
    request.topics[0]
        .partitions
        .push(TxnOffsetCommitRequestPartition {
            partition_index: 1,
            committed_metadata: Some("x".repeat(4_097)),
            ..TxnOffsetCommitRequestPartition::default()
        });
    let too_large = code(ErrorCode::OffsetMetadataTooLarge);
    assert_eq!(bench.commit_in_transaction(&request), [0, too_large]);
    bench.end_transaction(7, Outcome::Commit);
    assert_eq!(bench.coordinator.durable_state().offsets.len(), 1);
}

#[test]
fn a_producer_that_the_log_refuses_is_told_why_and_nothing_is_pending() {
    let mut bench = Bench::new();
    let fenced = ErrorCode::InvalidProducerEpoch;
    bench.failure = Some(AppendFailure::Producer(fenced));
    let request = transactional_commit(7, MEMBERLESS, TOPIC, 9);
    assert_eq!(bench.commit_in_transaction(&request), [code(fenced)]);
    assert!(bench.coordinator.durable_state().pending_offsets.is_empty());
}

#[test]
fn what_a_transaction_is_about_to_commit_goes_with_its_group_topic_or_partition() {
    for deletion in 0..3 {
        let mut bench = Bench::new();
        bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9));
        match deletion {
            0 => assert_eq!(bench.delete(&[MEMBERLESS]), [0]),
            1 => bench.delete_topic(TOPIC, headwater_protocol::Uuid::ZERO),
            _ => assert_eq!(bench.delete_offsets(MEMBERLESS, TOPIC, &[0]), (0, vec![0])),
        }
        bench.end_transaction(7, Outcome::Commit);
        assert_eq!(bench.fetch(MEMBERLESS, TOPIC).committed_offset, -1);
        assert_eq!(bench.describe(MEMBERLESS).group_state, "Dead");
    }
}

#[test]
fn an_offset_that_a_transaction_is_about_to_replace_does_not_expire_nor_does_its_group() {
    let mut bench = Bench::with(GroupConfig {
        offsets_retention_ms: 60_000,
        offsets_retention_check_interval_ms: 10_000,
        ..GroupConfig::default()
    });
    bench.commit(&commit(MEMBERLESS, TOPIC, 1));
    bench.commit(&commit(MEMBERLESS, "another", 1));
    bench.commit_in_transaction(&transactional_commit(7, MEMBERLESS, TOPIC, 9));
    bench.advance(80_000);
    assert_eq!(
        bench.fetch_unstable(MEMBERLESS, "another").committed_offset,
        -1
    );
    assert_eq!(bench.fetch_unstable(MEMBERLESS, TOPIC).committed_offset, 1);
    bench.end_transaction(7, Outcome::Abort);
    bench.advance(20_000);
    assert_eq!(bench.describe(MEMBERLESS).group_state, "Dead");
}
