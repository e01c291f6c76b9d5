//! Kafka's documented examples, and what every assignment has to hold.

use proptest::prelude::*;

use super::*;

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Partitions as `(topic, range)`.
fn partitions(ranges: &[(u128, std::ops::Range<i32>)]) -> Partitions {
    let mut partitions = Partitions::new();
    for (number, range) in ranges {
        let topic = partitions.entry(topic(*number)).or_default();
        topic.extend(range.clone());
    }
    partitions.retain(|_, partitions| !partitions.is_empty());
    partitions
}

/// Topics by number with their counts, members with the topics they want.
fn group(topics: &[(u128, i32)], members: &[(&str, &[u128])]) -> GroupSpec {
    let members = members.iter().map(|(id, wanted)| {
        let spec = MemberSpec {
            instance_id: None,
            topics: wanted.iter().map(|number| topic(*number)).collect(),
            target: Partitions::new(),
        };
        ((*id).to_owned(), spec)
    });
    GroupSpec {
        members: members.collect(),
        topics: topics
            .iter()
            .map(|(number, count)| (topic(*number), *count))
            .collect(),
    }
}

fn size(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

fn with_targets(mut group: GroupSpec, assignment: &GroupAssignment) -> GroupSpec {
    for (member_id, target) in assignment {
        if let Some(member) = group.members.get_mut(member_id) {
            member.target = target.clone();
        }
    }
    group
}

#[test]
fn range_gives_the_same_partition_numbers_of_topics_with_as_many_partitions() {
    // Kafka's example: two members, two topics of three partitions.
    let group = group(&[(1, 3), (2, 3)], &[("m0", &[1, 2]), ("m1", &[1, 2])]);
    let assignment = ConsumerAssignor::Range.assign(&group);
    assert_eq!(assignment["m0"], partitions(&[(1, 0..2), (2, 0..2)]));
    assert_eq!(assignment["m1"], partitions(&[(1, 2..3), (2, 2..3)]));
}

#[test]
fn range_goes_by_instance_ids_where_there_are_any() {
    let mut group = group(&[(1, 3)], &[("m0", &[1]), ("m1", &[1]), ("m2", &[1])]);
    for (member_id, instance_id) in [("m2", "i1"), ("m1", "i2")] {
        let member = group.members.get_mut(member_id).expect("a member");
        member.instance_id = Some(instance_id.to_owned());
    }
    let assignment = ConsumerAssignor::Range.assign(&group);
    assert_eq!(assignment["m2"], partitions(&[(1, 0..1)]));
    assert_eq!(assignment["m1"], partitions(&[(1, 1..2)]));
    assert_eq!(assignment["m0"], partitions(&[(1, 2..3)]));
}

#[test]
fn range_cuts_each_topic_among_its_own_subscribers() {
    // Of Kafka's tests: A wants 1 and 2, B wants 3, C wants 2 and 3.
    let group = group(
        &[(1, 3), (2, 3), (3, 2)],
        &[("a", &[1, 2]), ("b", &[3]), ("c", &[2, 3])],
    );
    let assignment = ConsumerAssignor::Range.assign(&group);
    assert_eq!(assignment["a"], partitions(&[(1, 0..3), (2, 0..2)]));
    assert_eq!(assignment["b"], partitions(&[(3, 0..1)]));
    assert_eq!(assignment["c"], partitions(&[(2, 2..3), (3, 1..2)]));
}

#[test]
fn range_leaves_members_beyond_the_number_of_partitions_without_any() {
    let group = group(&[(1, 2)], &[("m0", &[1]), ("m1", &[1]), ("m2", &[1])]);
    let assignment = ConsumerAssignor::Range.assign(&group);
    assert_eq!(assignment["m2"], Partitions::new());
}

#[test]
fn uniform_keeps_what_everybody_has_when_a_member_comes() {
    let first = group(&[(1, 6)], &[("m1", &[1]), ("m2", &[1])]);
    let before = ConsumerAssignor::Uniform.assign(&first);
    // It comes first in the order of ids, and still takes no more than it must.
    let wider = group(&[(1, 6)], &[("m0", &[1]), ("m1", &[1]), ("m2", &[1])]);
    let after = ConsumerAssignor::Uniform.assign(&with_targets(wider, &before));
    assert_eq!(size(&after["m0"]), 2);
    for member_id in ["m1", "m2"] {
        let kept = &after[member_id][&topic(1)];
        assert!(kept.is_subset(&before[member_id][&topic(1)]));
        assert_eq!(kept.len(), 2);
    }
}

#[test]
fn uniform_moves_nothing_when_a_place_for_one_more_partition_is_taken() {
    let first = group(&[(1, 5)], &[("m1", &[1]), ("m2", &[1])]);
    let mut before = ConsumerAssignor::Uniform.assign(&first);
    // The second has three of five.
    let longer = before.remove("m1").expect("a member");
    let shorter = before.insert("m2".to_owned(), longer).expect("a member");
    before.insert("m1".to_owned(), shorter);
    let after = ConsumerAssignor::Uniform.assign(&with_targets(first, &before));
    assert_eq!(after, before);
}

#[test]
fn uniform_gives_what_a_member_leaves_to_those_that_stay() {
    let all = group(
        &[(1, 3), (2, 3)],
        &[("m1", &[1, 2]), ("m2", &[1, 2]), ("m3", &[1, 2])],
    );
    let before = ConsumerAssignor::Uniform.assign(&all);
    let left = group(&[(1, 3), (2, 3)], &[("m1", &[1, 2]), ("m3", &[1, 2])]);
    let after = ConsumerAssignor::Uniform.assign(&with_targets(left, &before));
    for member_id in ["m1", "m3"] {
        assert_eq!(size(&after[member_id]), 3);
        for (topic_id, partitions) in &before[member_id] {
            assert!(partitions.is_subset(&after[member_id][topic_id]));
        }
    }
}

#[test]
fn uniform_balances_members_that_want_different_topics() {
    // Only B can read topic 3, so A gets the rest of what both want.
    let group = group(
        &[(1, 3), (2, 3), (3, 3)],
        &[("a", &[1, 2]), ("b", &[1, 2, 3])],
    );
    let assignment = ConsumerAssignor::Uniform.assign(&group);
    assert_eq!((size(&assignment["a"]), size(&assignment["b"])), (5, 4));
    assert_eq!(assignment["b"][&topic(3)].len(), 3);
}

#[test]
fn uniform_takes_back_what_is_too_much_when_subscriptions_differ() {
    let alone = group(&[(1, 6), (2, 2)], &[("a", &[1, 2])]);
    let before = ConsumerAssignor::Uniform.assign(&alone);
    let two = group(&[(1, 6), (2, 2)], &[("a", &[1, 2]), ("b", &[1])]);
    let after = ConsumerAssignor::Uniform.assign(&with_targets(two, &before));
    assert_eq!((size(&after["a"]), size(&after["b"])), (4, 4));
    assert_eq!(after["a"][&topic(2)].len(), 2, "only a can have them");
}

#[test]
fn a_group_without_members_or_topics_has_nothing_to_assign() {
    for assignor in [ConsumerAssignor::Uniform, ConsumerAssignor::Range] {
        assert!(assignor.assign(&GroupSpec::default()).is_empty());
        let assignment = assignor.assign(&group(&[], &[("m", &[])]));
        assert!(assignment.get("m").is_none_or(Partitions::is_empty));
    }
}

#[test]
fn two_members_that_were_to_have_the_same_partition_do_not_both_keep_it() {
    let both = partitions(&[(1, 0..2)]);
    for members in [
        &[("a", &[1][..]), ("b", &[1][..])],
        &[("a", &[1][..]), ("b", &[1, 2][..])],
    ] {
        let mut group = group(&[(1, 4), (2, 1)], members);
        if members[1].1.len() == 1 {
            group.topics.remove(&topic(2));
        }
        for member in group.members.values_mut() {
            member.target = both.clone();
        }
        check(&group, &ConsumerAssignor::Uniform.assign(&group));
    }
}

/// Every partition that somebody wants is assigned once, to somebody who wants it.
fn check(group: &GroupSpec, assignment: &GroupAssignment) {
    let mut seen = BTreeSet::new();
    for (member_id, topics) in assignment {
        for (topic_id, partitions) in topics {
            assert!(group.members[member_id].topics.contains(topic_id));
            for partition in partitions {
                assert!((0..group.topics[topic_id]).contains(partition));
                assert!(seen.insert((*topic_id, *partition)), "assigned twice");
            }
        }
    }
    let wanted = |topic_id: &Uuid| {
        let mut members = group.members.values();
        members.any(|member| member.topics.contains(topic_id))
    };
    let all = group.topics.iter().filter(|(topic_id, _)| wanted(topic_id));
    let expected: usize = all
        .map(|(_, count)| usize::try_from(*count).unwrap_or(0))
        .sum();
    assert_eq!(seen.len(), expected, "nothing is left over");
}

fn any_group() -> impl Strategy<Value = GroupSpec> {
    let counts = prop::collection::vec(0..12_i32, 4);
    let wants = prop::collection::vec(prop::collection::btree_set(0..4_u128, 1..4), 1..8);
    (counts, wants).prop_map(|(counts, wants)| {
        let mut spec = GroupSpec::default();
        for (index, wanted) in wants.into_iter().enumerate() {
            let topics: BTreeSet<Uuid> = wanted.iter().map(|number| topic(*number + 1)).collect();
            for number in &wanted {
                let count = counts[usize::try_from(*number).unwrap_or(0)];
                spec.topics.insert(topic(*number + 1), count);
            }
            let member = MemberSpec {
                instance_id: None,
                topics,
                target: Partitions::new(),
            };
            spec.members.insert(format!("m{index}"), member);
        }
        spec
    })
}

proptest! {
    #[test]
    fn assignments_are_complete_and_stay_so_when_members_go(
        group in any_group(),
        gone in 0..8_usize,
    ) {
        for assignor in [ConsumerAssignor::Uniform, ConsumerAssignor::Range] {
            let before = assignor.assign(&group);
            check(&group, &before);
            let mut left = with_targets(group.clone(), &before);
            left.members.remove(&format!("m{gone}"));
            let wanted: BTreeSet<Uuid> = left
                .members
                .values()
                .flat_map(|member| member.topics.iter().copied())
                .collect();
            left.topics.retain(|topic_id, _| wanted.contains(topic_id));
            check(&left, &assignor.assign(&left));
        }
    }

    #[test]
    fn uniform_is_a_fixed_point_and_balanced_where_all_want_the_same(group in any_group()) {
        let mut same = group;
        let topics: BTreeSet<Uuid> = same.topics.keys().copied().collect();
        for member in same.members.values_mut() {
            member.topics = topics.clone();
        }
        let assignment = ConsumerAssignor::Uniform.assign(&same);
        let sizes: Vec<usize> = assignment.values().map(size).collect();
        let spread = sizes.iter().max().unwrap_or(&0) - sizes.iter().min().unwrap_or(&0);
        prop_assert!(spread <= 1, "{:?}", sizes);
        let again = ConsumerAssignor::Uniform.assign(&with_targets(same, &assignment));
        prop_assert_eq!(again, assignment);
    }
}
