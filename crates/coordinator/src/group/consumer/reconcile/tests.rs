//! Single steps, each from a state that is written out.

use super::*;

const TOPIC: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn assigned(epoch: i32, partitions: &[i32]) -> Assigned {
    let all = partitions
        .iter()
        .map(|partition| (TOPIC, *partition, epoch));
    all.collect()
}

fn target(partitions: &[i32]) -> Partitions {
    Partitions::from([(TOPIC, partitions.iter().copied().collect())])
}

fn owning(partitions: &[i32]) -> Vec<TopicPartitions> {
    vec![TopicPartitions {
        topic_id: TOPIC,
        partitions: partitions.to_vec(),
    }]
}

fn member(state: MemberState, epoch: i32, has: &[i32], to_revoke: &[i32]) -> CurrentAssignment {
    CurrentAssignment {
        epoch,
        previous_epoch: epoch - 1,
        state,
        assigned: assigned(epoch, has),
        pending_revocation: assigned(epoch, to_revoke),
    }
}

/// One step towards these partitions at epoch 11, where others own `taken`.
fn step(
    current: &CurrentAssignment,
    wanted: &[i32],
    reported: Option<&[i32]>,
    taken: &[i32],
) -> CurrentAssignment {
    let (target, reported) = (target(wanted), reported.map(owning));
    let own = current.clone();
    let step = Step {
        current,
        target_epoch: 11,
        target: &target,
        subscribed: &BTreeSet::from([TOPIC]),
        subscription: Subscription::Unchanged,
        reported: reported.as_deref(),
        is_owned: &|topic_id, partition| {
            taken.contains(&partition)
                || own.assigned.contains(topic_id, partition)
                || own.pending_revocation.contains(topic_id, partition)
        },
    };
    step.take().expect("a step")
}

#[test]
fn a_stable_member_gets_what_is_free_and_moves_on() {
    let after = step(
        &member(MemberState::Stable, 10, &[1], &[]),
        &[1, 2],
        None,
        &[],
    );
    assert_eq!((after.epoch, after.previous_epoch), (11, 10));
    assert_eq!(after.state, MemberState::Stable);
    assert_eq!(after.assigned.epoch(TOPIC, 1), Some(10), "since epoch 10");
    assert_eq!(after.assigned.epoch(TOPIC, 2), Some(11));
}

#[test]
fn a_stable_member_gives_up_before_it_gets_anything() {
    let after = step(
        &member(MemberState::Stable, 10, &[1, 2], &[]),
        &[2, 3],
        None,
        &[],
    );
    assert_eq!(
        (after.epoch, after.state),
        (10, MemberState::UnrevokedPartitions)
    );
    assert_eq!(after.assigned, assigned(10, &[2]));
    assert_eq!(after.pending_revocation, assigned(10, &[1]));
}

#[test]
fn a_member_that_has_already_given_up_moves_on_at_once() {
    let before = member(MemberState::Stable, 10, &[1, 2], &[]);
    let after = step(&before, &[2, 3], Some(&[2]), &[]);
    assert_eq!((after.epoch, after.state), (11, MemberState::Stable));
    assert_eq!(after.assigned.partitions(), target(&[2, 3]));
}

#[test]
fn a_member_waits_for_what_others_have() {
    let before = member(MemberState::Stable, 10, &[1], &[]);
    let after = step(&before, &[1, 2, 3], None, &[3]);
    assert_eq!(
        (after.epoch, after.state),
        (11, MemberState::UnreleasedPartitions)
    );
    assert_eq!(after.assigned.partitions(), target(&[1, 2]));
    let still = step(&after, &[1, 2, 3], None, &[3]);
    assert_eq!(still.assigned, after.assigned);
    let done = step(&still, &[1, 2, 3], None, &[]);
    assert_eq!(done.state, MemberState::Stable);
    assert_eq!(done.assigned.partitions(), target(&[1, 2, 3]));
}

#[test]
fn a_member_that_does_not_say_what_it_owns_has_given_up_nothing() {
    let before = member(MemberState::UnrevokedPartitions, 10, &[2], &[1]);
    assert_eq!(step(&before, &[2, 3], None, &[]), before);
    assert_eq!(step(&before, &[2, 3], Some(&[1, 2]), &[]), before);
    let after = step(&before, &[2, 3], Some(&[2]), &[]);
    assert_eq!((after.epoch, after.state), (11, MemberState::Stable));
}

#[test]
fn what_was_given_up_may_come_back_to_whoever_gave_it_up() {
    let before = member(MemberState::UnrevokedPartitions, 10, &[2], &[1]);
    let after = step(&before, &[1, 2], Some(&[2]), &[]);
    assert_eq!(after.assigned.partitions(), target(&[1, 2]));
    assert_eq!(after.assigned.epoch(TOPIC, 1), Some(11));
}

#[test]
fn a_newer_target_may_ask_for_more_to_be_given_up() {
    let before = member(MemberState::UnrevokedPartitions, 10, &[2, 3], &[1]);
    let after = step(&before, &[2], Some(&[2, 3]), &[]);
    assert_eq!(
        (after.epoch, after.state),
        (10, MemberState::UnrevokedPartitions)
    );
    assert_eq!(after.pending_revocation, assigned(10, &[3]));
}

#[test]
fn topics_that_are_not_wanted_any_more_go_whatever_the_target_says() {
    let current = member(MemberState::Stable, 11, &[1], &[]);
    let mut step = Step {
        current: &current,
        target_epoch: 11,
        target: &target(&[1]),
        subscribed: &BTreeSet::from([OTHER]),
        subscription: Subscription::Changed,
        reported: None,
        is_owned: &|_, _| false,
    };
    let after = step.take().expect("a step");
    assert_eq!(after.state, MemberState::UnrevokedPartitions);
    assert!(after.assigned.is_empty());
    step.reported = Some(&[]);
    let after = step.take().expect("a step");
    assert_eq!(
        (after.state, after.assigned.is_empty()),
        (MemberState::Stable, true)
    );
    step.subscription = Subscription::Unchanged;
    assert_eq!(step.take(), Ok(current.clone()));
}

#[test]
fn a_member_in_a_state_of_a_later_version_starts_anew() {
    let current = member(MemberState::Unknown, 10, &[1], &[]);
    let mut step = Step {
        current: &current,
        target_epoch: 11,
        target: &target(&[1]),
        subscribed: &BTreeSet::from([TOPIC]),
        subscription: Subscription::Unchanged,
        reported: None,
        is_owned: &|_, _| false,
    };
    assert_eq!(step.take(), Err(MustRejoin));
    step.reported = Some(&[]);
    assert!(step.take().is_ok());
}
