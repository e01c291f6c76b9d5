//! Consumer groups, by raw requests: who is told what and when.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::delete_groups::DeleteGroupsRequest;
use headwater_protocol::messages::describe_groups::DescribeGroupsRequest;
use headwater_protocol::messages::find_coordinator::FindCoordinatorRequest;
use headwater_protocol::messages::heartbeat::HeartbeatRequest;
use headwater_protocol::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use headwater_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use headwater_protocol::messages::list_groups::ListGroupsRequest;
use headwater_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};

use tokio::time::{Instant, sleep};

use crate::support::wire::Wire;
use crate::support::{DEADLINE, ephemeral_with};

const JOIN: i16 = 9;
const SYNC: i16 = 5;
const HEARTBEAT: i16 = 4;
const LEAVE: i16 = 5;
/// Version 0: no topics, no user data. Kafka's coordinator never answers a join it cannot read.
const SUBSCRIPTION: &[u8] = &[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn join(group: &str, member_id: &str, instance: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_owned(),
        group_instance_id: instance.map(str::to_owned),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(SUBSCRIPTION),
        }],
        ..JoinGroupRequest::default()
    }
}

/// Joins in the two steps of a new member.
async fn join_new(wire: &mut Wire, group: &str) -> JoinGroupResponse {
    let first = wire.call(JOIN, &join(group, "", None)).await;
    assert_eq!(first.error_code, code(ErrorCode::MemberIdRequired));
    assert!(!first.member_id.is_empty());
    wire.call(JOIN, &join(group, &first.member_id, None)).await
}

fn sync(joined: &JoinGroupResponse, group: &str, instance: Option<&str>) -> SyncGroupRequest {
    let assignments = joined
        .members
        .iter()
        .map(|member| SyncGroupRequestAssignment {
            member_id: member.member_id.clone(),
            assignment: Bytes::from(format!("for {}", member.member_id)),
        })
        .collect();
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: instance.map(str::to_owned),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments,
    }
}

fn heartbeat(joined: &JoinGroupResponse, group: &str) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: None,
    }
}

fn leave(group: &str, member_id: &str, instance: Option<&str>) -> LeaveGroupRequest {
    LeaveGroupRequest {
        group_id: group.to_owned(),
        members: vec![MemberIdentity {
            member_id: member_id.to_owned(),
            group_instance_id: instance.map(str::to_owned),
            reason: None,
        }],
        ..LeaveGroupRequest::default()
    }
}

async fn describe(wire: &mut Wire, group: &str) -> (i16, String, usize) {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        include_authorized_operations: true,
    };
    let described = wire.call(6, &request).await.groups.remove(0);
    (
        described.error_code,
        described.group_state,
        described.members.len(),
    )
}

async fn wait_for_state(wire: &mut Wire, group: &str, state: &str) {
    let deadline = Instant::now() + DEADLINE;
    while describe(wire, group).await.1 != state {
        assert!(Instant::now() < deadline, "the group is not {state}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_member_alone_leads_and_gets_its_own_assignment() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let joined = join_new(&mut wire, "billing").await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!(
        (&joined.leader, joined.members.len()),
        (&joined.member_id, 1)
    );
    let synced = wire.call(SYNC, &sync(&joined, "billing", None)).await;
    assert_eq!(
        (synced.error_code, synced.protocol_name.as_deref()),
        (0, Some("range"))
    );
    assert_eq!(synced.assignment, format!("for {}", joined.member_id));
    let beat = wire.call(HEARTBEAT, &heartbeat(&joined, "billing")).await;
    assert_eq!(beat.error_code, 0);
    assert_eq!(
        describe(&mut wire, "billing").await,
        (0, "Stable".into(), 1)
    );
}

#[tokio::test]
async fn a_second_member_makes_the_first_join_again_and_both_get_their_assignments() {
    let broker = Broker::ephemeral().await.unwrap();
    let (mut one, mut two) = (Wire::to(&broker).await, Wire::to(&broker).await);
    let first = join_new(&mut one, "billing").await;
    one.call(SYNC, &sync(&first, "billing", None)).await;

    let named = two.call(JOIN, &join("billing", "", None)).await;
    two.send(JOIN, 9, &join("billing", &named.member_id, None))
        .await;
    // The first member learns of it by its heartbeat, and the second waits for it.
    let beat = heartbeat(&first, "billing");
    let mut told = 0;
    let deadline = Instant::now() + DEADLINE;
    while told == 0 {
        assert!(Instant::now() < deadline, "never told to join again");
        told = one.call(HEARTBEAT, &beat).await.error_code;
    }
    assert_eq!(told, code(ErrorCode::RebalanceInProgress));
    let again = one
        .call(JOIN, &join("billing", &first.member_id, None))
        .await;
    let (_, second) = two.receive::<JoinGroupRequest>(JOIN).await;
    assert_eq!((again.generation_id, second.generation_id), (2, 2));
    assert_eq!(
        (again.leader.as_str(), second.leader.as_str()),
        (first.member_id.as_str(), first.member_id.as_str())
    );
    let members: BTreeSet<_> = again
        .members
        .iter()
        .map(|member| member.member_id.clone())
        .collect();
    assert_eq!(
        members,
        BTreeSet::from([first.member_id.clone(), second.member_id.clone()])
    );
    assert!(
        second.members.is_empty(),
        "only the leader is told the members"
    );

    // The follower's sync waits for the leader's.
    two.send(SYNC, 10, &sync(&second, "billing", None)).await;
    let led = one.call(SYNC, &sync(&again, "billing", None)).await;
    let (_, followed) = two.receive::<SyncGroupRequest>(SYNC).await;
    assert_eq!(led.assignment, format!("for {}", first.member_id));
    assert_eq!(followed.assignment, format!("for {}", second.member_id));

    let left = two
        .call(LEAVE, &leave("billing", &second.member_id, None))
        .await;
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    let beat = one.call(HEARTBEAT, &heartbeat(&again, "billing")).await;
    assert_eq!(beat.error_code, code(ErrorCode::RebalanceInProgress));
}

#[tokio::test]
async fn a_static_member_returns_without_a_rebalance_and_fences_its_former_self() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let request = join("billing", "", Some("desk-1"));
    let first = wire.call(JOIN, &request).await;
    assert_eq!(
        first.error_code, 0,
        "a static member is not sent back for an id"
    );
    wire.call(SYNC, &sync(&first, "billing", Some("desk-1")))
        .await;
    let second = wire.call(JOIN, &request).await;
    assert_eq!(
        (second.error_code, second.generation_id),
        (0, first.generation_id)
    );
    assert_ne!(second.member_id, first.member_id);
    let synced = wire
        .call(SYNC, &sync(&second, "billing", Some("desk-1")))
        .await;
    assert_eq!(synced.error_code, 0);
    let mut former = heartbeat(&first, "billing");
    former.group_instance_id = Some("desk-1".into());
    let beat = wire.call(HEARTBEAT, &former).await;
    assert_eq!(beat.error_code, code(ErrorCode::FencedInstanceId));
    // Leaves by its instance id alone.
    let left = wire
        .call(LEAVE, &leave("billing", "", Some("desk-1")))
        .await;
    assert_eq!(left.members[0].error_code, 0);
    assert_eq!(describe(&mut wire, "billing").await.1, "Empty");
}

#[tokio::test]
async fn members_of_the_past_and_of_nowhere_are_told_so() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let joined = join_new(&mut wire, "billing").await;
    wire.call(SYNC, &sync(&joined, "billing", None)).await;
    let mut stranger = heartbeat(&joined, "billing");
    stranger.member_id = "nobody".into();
    assert_eq!(
        wire.call(HEARTBEAT, &stranger).await.error_code,
        code(ErrorCode::UnknownMemberId)
    );
    let mut late = heartbeat(&joined, "billing");
    late.generation_id -= 1;
    assert_eq!(
        wire.call(HEARTBEAT, &late).await.error_code,
        code(ErrorCode::IllegalGeneration)
    );
    let mut hasty = join("billing", "", None);
    hasty.session_timeout_ms = 1;
    assert_eq!(
        wire.call(JOIN, &hasty).await.error_code,
        code(ErrorCode::InvalidSessionTimeout)
    );
    assert_eq!(
        wire.call(JOIN, &join("", "", None)).await.error_code,
        code(ErrorCode::InvalidGroupId)
    );
    let mut foreign = join("billing", "", None);
    foreign.protocol_type = "connect".into();
    assert_eq!(
        wire.call(JOIN, &foreign).await.error_code,
        code(ErrorCode::InconsistentGroupProtocol)
    );
}

#[tokio::test]
async fn a_member_that_falls_silent_is_removed_after_its_session() {
    let broker = ephemeral_with("group.min.session.timeout.ms", "1").await;
    let mut wire = Wire::to(&broker).await;
    let mut request = join("billing", "", Some("desk-1"));
    request.session_timeout_ms = 100;
    let joined = wire.call(JOIN, &request).await;
    wire.call(SYNC, &sync(&joined, "billing", Some("desk-1")))
        .await;
    wait_for_state(&mut wire, "billing", "Empty").await;
}

#[tokio::test]
async fn groups_are_listed_by_state_and_deleted_when_empty() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let all = ListGroupsRequest::default();
    assert!(wire.call(5, &all).await.groups.is_empty());
    let billing = join_new(&mut wire, "billing").await;
    wire.call(SYNC, &sync(&billing, "billing", None)).await;
    let mail = join_new(&mut wire, "mail").await;
    wire.call(SYNC, &sync(&mail, "mail", None)).await;
    wire.call(LEAVE, &leave("mail", &mail.member_id, None))
        .await;
    let listed: BTreeSet<_> = wire
        .call(5, &all)
        .await
        .groups
        .into_iter()
        .map(|group| {
            (
                group.group_id,
                group.group_state,
                group.group_type,
                group.protocol_type,
            )
        })
        .collect();
    let row = |group: &str, state: &str| {
        (
            group.into(),
            state.into(),
            "classic".into(),
            "consumer".into(),
        )
    };
    assert_eq!(
        listed,
        BTreeSet::from([row("billing", "Stable"), row("mail", "Empty")])
    );
    let empty = ListGroupsRequest {
        states_filter: vec!["Empty".into()],
        ..ListGroupsRequest::default()
    };
    let listed = wire.call(5, &empty).await.groups;
    assert_eq!((listed.len(), listed[0].group_id.as_str()), (1, "mail"));
    let request = DeleteGroupsRequest {
        groups_names: vec!["billing".into(), "mail".into(), "never".into()],
    };
    let codes: Vec<_> = wire
        .call(2, &request)
        .await
        .results
        .into_iter()
        .map(|result| (result.group_id, result.error_code))
        .collect();
    assert_eq!(
        codes,
        [
            ("billing".to_owned(), code(ErrorCode::NonEmptyGroup)),
            ("mail".to_owned(), 0),
            ("never".to_owned(), code(ErrorCode::GroupIdNotFound)),
        ]
    );
    assert_eq!(
        describe(&mut wire, "mail").await.0,
        code(ErrorCode::GroupIdNotFound)
    );
}

#[tokio::test]
async fn groups_and_their_generation_survive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(crate::support::durable_in(root.path()))
        .await
        .unwrap();
    let mut wire = Wire::to(&broker).await;
    let joined = wire.call(JOIN, &join("billing", "", Some("desk-1"))).await;
    wire.call(SYNC, &sync(&joined, "billing", Some("desk-1")))
        .await;
    broker.abandon().await;
    let broker = Broker::start(crate::support::durable_in(root.path()))
        .await
        .unwrap();
    let mut wire = Wire::to(&broker).await;
    wait_for_state(&mut wire, "billing", "Stable").await;
    assert_eq!(
        describe(&mut wire, "billing").await,
        (0, "Stable".into(), 1)
    );
    let mut beat = heartbeat(&joined, "billing");
    beat.group_instance_id = Some("desk-1".into());
    assert_eq!(wire.call(HEARTBEAT, &beat).await.error_code, 0);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_the_node_answers_a_join_that_waits() {
    let broker = ephemeral_with("group.initial.rebalance.delay.ms", "600000").await;
    let mut wire = Wire::to(&broker).await;
    let named = wire.call(JOIN, &join("billing", "", None)).await;
    let mut patient = join("billing", &named.member_id, None);
    patient.rebalance_timeout_ms = 600_000;
    wire.send(JOIN, 1, &patient).await;
    // Behind the join in the order of requests: when the group shows it, it has begun.
    let mut other = Wire::to(&broker).await;
    wait_for_state(&mut other, "billing", "PreparingRebalance").await;
    broker.stop().await.unwrap();
    let answered = wire.receive_frame().await;
    assert!(
        answered.is_some(),
        "the join is answered before the connection ends"
    );
}

#[tokio::test]
async fn every_group_and_transaction_is_found_here_and_what_is_not_built_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let old = FindCoordinatorRequest {
        key: "billing".into(),
        ..FindCoordinatorRequest::default()
    };
    for version in 0..=3 {
        let found = wire.call(version, &old).await;
        assert_eq!((found.error_code, found.node_id), (0, 1));
        assert_eq!(found.port, i32::from(broker.local_addr().port()));
    }
    for (key_type, error) in [
        (0, ErrorCode::None),
        (1, ErrorCode::None),
        (2, ErrorCode::UnsupportedVersion),
        (9, ErrorCode::InvalidRequest),
    ] {
        let request = FindCoordinatorRequest {
            key_type,
            coordinator_keys: vec!["a".into(), "b".into()],
            ..FindCoordinatorRequest::default()
        };
        let found = wire.call(6, &request).await.coordinators;
        let keys: Vec<_> = found
            .iter()
            .map(|coordinator| coordinator.key.as_str())
            .collect();
        assert_eq!(keys, ["a", "b"]);
        assert!(
            found
                .iter()
                .all(|coordinator| coordinator.error_code == code(error))
        );
    }
}
