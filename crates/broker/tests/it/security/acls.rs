//! Access control entries: the admin API, and what they keep whom from.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::create_acls::{AclCreation, CreateAclsRequest};
use headwater_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use headwater_protocol::messages::delete_acls::{DeleteAclsFilter, DeleteAclsRequest};
use headwater_protocol::messages::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

use super::{NONE, authenticating, authorizing, authorizing_in, connected_as};
use crate::support::wire::Wire;

const ALICE: &str = "User:alice";
pub(super) const TOPIC: i8 = 2;
pub(super) const GROUP: i8 = 3;
pub(super) const TRANSACTIONAL_ID: i8 = 5;
pub(super) const LITERAL: i8 = 3;
pub(super) const PREFIXED: i8 = 4;
pub(super) const READ: i8 = 3;
pub(super) const WRITE: i8 = 4;
const CREATE: i8 = 5;
pub(super) const DESCRIBE: i8 = 8;
const DENY: i8 = 2;
pub(super) const ALLOW: i8 = 3;

pub(super) fn entry(
    resource_type: i8,
    pattern: i8,
    name: &str,
    operation: i8,
    permission: i8,
) -> AclCreation {
    AclCreation {
        resource_type,
        resource_name: name.to_owned(),
        resource_pattern_type: pattern,
        principal: ALICE.to_owned(),
        host: "*".to_owned(),
        operation,
        permission_type: permission,
    }
}

pub(super) async fn create(wire: &mut Wire, creations: Vec<AclCreation>) -> Vec<i16> {
    let response = wire.call(3, &CreateAclsRequest { creations }).await;
    let results = response.results.into_iter();
    results.map(|result| result.error_code).collect()
}

/// All there are, as a filter of "any" finds them.
async fn described(wire: &mut Wire) -> DescribeAclsResponse {
    let any = DescribeAclsRequest {
        resource_type_filter: 1,
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..DescribeAclsRequest::default()
    };
    wire.call(3, &any).await
}

fn filter(resource_type: i8, name: Option<&str>) -> DeleteAclsFilter {
    DeleteAclsFilter {
        resource_type_filter: resource_type,
        resource_name_filter: name.map(str::to_owned),
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..DeleteAclsFilter::default()
    }
}

async fn delete(wire: &mut Wire, filters: Vec<DeleteAclsFilter>) -> Vec<(i16, usize)> {
    let response = wire.call(3, &DeleteAclsRequest { filters }).await;
    let results = response.filter_results.into_iter();
    results
        .map(|result| (result.error_code, result.matching_acls.len()))
        .collect()
}

#[tokio::test]
async fn without_an_authorizer_acls_are_answered_security_disabled() {
    let broker = authenticating().await;
    let mut wire = connected_as(&broker, "admin").await;
    let disabled = i16::from(ErrorCode::SecurityDisabled);
    let response = described(&mut wire).await;
    assert_eq!(response.error_code, disabled);
    assert_eq!(
        response.error_message.as_deref(),
        Some("No Authorizer is configured on the broker")
    );
    let created = create(&mut wire, vec![entry(TOPIC, LITERAL, "t", READ, ALLOW)]).await;
    assert_eq!(created, [disabled]);
    let deleted = delete(&mut wire, vec![filter(1, None), filter(TOPIC, None)]).await;
    assert_eq!(deleted, [(disabled, 0), (disabled, 0)]);
}

#[tokio::test]
async fn entries_are_created_described_by_resource_and_deleted_by_filter() {
    let broker = authorizing().await;
    let mut admin = connected_as(&broker, "admin").await;
    let entries = vec![
        entry(TOPIC, LITERAL, "orders", READ, ALLOW),
        entry(TOPIC, LITERAL, "orders", WRITE, ALLOW),
        entry(TOPIC, PREFIXED, "or", READ, DENY),
        entry(GROUP, LITERAL, "*", READ, ALLOW),
        entry(TOPIC, LITERAL, "orders", READ, ALLOW),
    ];
    assert_eq!(create(&mut admin, entries.clone()).await, [NONE; 5]);
    assert_eq!(create(&mut admin, entries).await, [NONE; 5]);
    let resources = described(&mut admin).await.resources;
    let shown: Vec<_> = resources
        .iter()
        .map(|resource| {
            let name = resource.resource_name.as_str();
            (
                resource.resource_type,
                resource.pattern_type,
                name,
                resource.acls.len(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (TOPIC, LITERAL, "orders", 2),
            (TOPIC, PREFIXED, "or", 1),
            (GROUP, LITERAL, "*", 1)
        ]
    );
    let matching = DescribeAclsRequest {
        resource_type_filter: TOPIC,
        resource_name_filter: Some("orders".to_owned()),
        pattern_type_filter: 2,
        operation: READ,
        permission_type: 1,
        ..DescribeAclsRequest::default()
    };
    assert_eq!(admin.call(3, &matching).await.resources.len(), 2);

    let deleted = delete(
        &mut admin,
        vec![filter(TOPIC, Some("orders")), filter(GROUP, None)],
    );
    assert_eq!(deleted.await, [(NONE, 2), (NONE, 1)]);
    assert_eq!(described(&mut admin).await.resources.len(), 1);
}

#[tokio::test]
async fn entries_that_mean_nothing_are_refused_one_by_one() {
    let broker = authorizing().await;
    let mut admin = connected_as(&broker, "admin").await;
    let no_principal = AclCreation {
        principal: "alice".to_owned(),
        ..entry(TOPIC, LITERAL, "t", READ, ALLOW)
    };
    let created = create(
        &mut admin,
        vec![
            entry(1, LITERAL, "t", READ, ALLOW),
            entry(TOPIC, 1, "t", READ, ALLOW),
            entry(TOPIC, LITERAL, "", READ, ALLOW),
            entry(TOPIC, LITERAL, "t", 1, ALLOW),
            entry(TOPIC, LITERAL, "t", READ, 1),
            entry(4, LITERAL, "my-cluster", READ, ALLOW),
            no_principal,
            entry(TOPIC, LITERAL, "t", READ, ALLOW),
        ],
    );
    let invalid = i16::from(ErrorCode::InvalidRequest);
    let mut expected = [invalid; 8];
    expected[7] = NONE;
    assert_eq!(created.await, expected);
}

async fn creation_of(wire: &mut Wire, topic: &str) -> i16 {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    wire.call(7, &request).await.topics[0].error_code
}

#[tokio::test]
async fn who_is_not_an_administrator_may_not_touch_acls() {
    let broker = authorizing().await;
    let mut alice = connected_as(&broker, "alice").await;
    let refused = i16::from(ErrorCode::ClusterAuthorizationFailed);
    assert_eq!(described(&mut alice).await.error_code, refused);
    let created = create(&mut alice, vec![entry(TOPIC, LITERAL, "t", READ, ALLOW)]).await;
    assert_eq!(created, [refused]);
    let deleted = delete(&mut alice, vec![filter(1, None)]).await;
    assert_eq!(deleted, [(refused, 0)]);
}

#[tokio::test]
async fn deny_comes_before_allow_and_super_users_before_both() {
    let broker = authorizing().await;
    let mut admin = connected_as(&broker, "admin").await;
    let mut alice = connected_as(&broker, "alice").await;
    let refused = i16::from(ErrorCode::TopicAuthorizationFailed);
    assert_eq!(creation_of(&mut alice, "orders-1").await, refused);
    create(
        &mut admin,
        vec![entry(TOPIC, PREFIXED, "orders-", CREATE, ALLOW)],
    )
    .await;
    assert_eq!(creation_of(&mut alice, "orders-1").await, NONE);
    assert_eq!(creation_of(&mut alice, "payments").await, refused);
    create(
        &mut admin,
        vec![entry(TOPIC, LITERAL, "orders-2", CREATE, DENY)],
    )
    .await;
    assert_eq!(creation_of(&mut alice, "orders-2").await, refused);
    assert_eq!(creation_of(&mut alice, "orders-3").await, NONE);
    assert_eq!(creation_of(&mut admin, "orders-2").await, NONE);
}

#[tokio::test]
async fn acls_outlive_the_node() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(authorizing_in(root.path())).await.unwrap();
    let mut admin = connected_as(&broker, "admin").await;
    create(
        &mut admin,
        vec![
            entry(TOPIC, LITERAL, "a", CREATE, ALLOW),
            entry(TOPIC, LITERAL, "b", CREATE, ALLOW),
        ],
    )
    .await;
    delete(&mut admin, vec![filter(TOPIC, Some("b"))]).await;
    broker.abandon().await;

    let broker = Broker::start(authorizing_in(root.path())).await.unwrap();
    let mut alice = connected_as(&broker, "alice").await;
    assert_eq!(creation_of(&mut alice, "a").await, NONE);
    let refused = i16::from(ErrorCode::TopicAuthorizationFailed);
    assert_eq!(creation_of(&mut alice, "b").await, refused);
    broker.stop().await.unwrap();
}
