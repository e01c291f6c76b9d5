//! What tools ask of transactions, and how they end one that hangs.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_transactions::DescribeTransactionsRequest;
use headwater_protocol::messages::list_transactions::{
    ListTransactionsRequest, ListTransactionsResponse,
};
use headwater_protocol::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};

use crate::support::transactions::Transactional;
use crate::support::wire::Wire;

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn all() -> ListTransactionsRequest {
    ListTransactionsRequest {
        duration_filter: -1,
        ..ListTransactionsRequest::default()
    }
}

fn ids(response: &ListTransactionsResponse) -> Vec<&str> {
    let mut ids: Vec<&str> = response
        .transaction_states
        .iter()
        .map(|state| state.transactional_id.as_str())
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn transactions_of_all_coordinators_are_listed_and_filtered() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert!(ids(&wire.call(2, &all()).await).is_empty());
    wire.create_topic("orders", 1).await;
    let mut open = Transactional::begin(&broker, "orders-1").await;
    open.produce("orders", "x").await;
    let _idle = Transactional::begin(&broker, "orders-2").await;
    let _other = Transactional::begin(&broker, "payments").await;
    let listed = wire.call(2, &all()).await;
    assert_eq!(ids(&listed), ["orders-1", "orders-2", "payments"]);
    let by_pattern = ListTransactionsRequest {
        transactional_id_pattern: Some("orders-.*".to_owned()),
        ..all()
    };
    let listed = wire.call(2, &by_pattern).await;
    assert_eq!(ids(&listed), ["orders-1", "orders-2"]);
    let by_state = ListTransactionsRequest {
        state_filters: vec!["Ongoing".to_owned(), "Strange".to_owned()],
        ..all()
    };
    let listed = wire.call(1, &by_state).await;
    assert_eq!(ids(&listed), ["orders-1"]);
    assert_eq!(listed.unknown_state_filters, ["Strange"]);
    let by_producer = ListTransactionsRequest {
        producer_id_filters: vec![open.producer_id],
        ..all()
    };
    assert_eq!(ids(&wire.call(0, &by_producer).await), ["orders-1"]);
    let by_nonsense = ListTransactionsRequest {
        transactional_id_pattern: Some("(".to_owned()),
        ..all()
    };
    let refused = wire.call(2, &by_nonsense).await;
    assert_eq!(
        refused.error_code,
        code(ErrorCode::InvalidRegularExpression)
    );
}

#[tokio::test]
async fn transactions_are_described_each_by_its_coordinator() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut open = Transactional::begin(&broker, "orders-1").await;
    open.produce("orders", "x").await;
    let request = DescribeTransactionsRequest {
        transactional_ids: vec!["orders-1".to_owned(), "nobody".to_owned()],
    };
    let described = wire.call(0, &request).await.transaction_states;
    assert_eq!(described[0].transaction_state, "Ongoing");
    let who = (described[0].producer_id, described[0].producer_epoch);
    assert_eq!(who, (open.producer_id, open.epoch));
    assert_eq!(described[0].transaction_timeout_ms, 60_000);
    assert_eq!(described[0].topics[0].topic, "orders");
    assert_eq!(described[0].topics[0].partitions, [0]);
    let unknown = code(ErrorCode::TransactionalIdNotFound);
    assert_eq!(described[1].error_code, unknown);
}

fn abort(producer: &Transactional, topics: &[&str]) -> WriteTxnMarkersRequest {
    WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: producer.producer_id,
            producer_epoch: producer.epoch,
            transaction_result: false,
            topics: topics
                .iter()
                .map(|name| WritableTxnMarkerTopic {
                    name: (*name).to_owned(),
                    partition_indexes: vec![0],
                })
                .collect(),
            coordinator_epoch: 0,
            transaction_version: 0,
        }],
    }
}

#[tokio::test]
async fn a_tool_ends_a_transaction_that_hangs_in_a_partition() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut hanging = Transactional::begin(&broker, "orders-1").await;
    hanging.produce("orders", "x").await;
    assert_eq!(wire.fetch("orders", 0, 0).await.last_stable_offset, 0);
    for version in [1, 2] {
        let response = wire
            .call(version, &abort(&hanging, &["orders", "none"]))
            .await;
        let codes: Vec<i16> = response.markers[0]
            .topics
            .iter()
            .map(|topic| topic.partitions[0].error_code)
            .collect();
        assert_eq!(codes, [0, code(ErrorCode::UnknownTopicOrPartition)]);
    }
    let data = wire.fetch("orders", 0, 0).await;
    assert_eq!(data.last_stable_offset, data.high_watermark);
}

#[tokio::test]
async fn a_tools_marker_of_a_stale_epoch_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut producer = Transactional::begin(&broker, "orders-1").await;
    producer.produce("orders", "x").await;
    producer.commit().await;
    producer.produce("orders", "y").await;
    producer.epoch -= 1;
    let response = wire.call(1, &abort(&producer, &["orders"])).await;
    let refused = response.markers[0].topics[0].partitions[0].error_code;
    assert_eq!(refused, code(ErrorCode::InvalidProducerEpoch));
    assert_eq!(wire.fetch("orders", 0, 0).await.last_stable_offset, 2);
}
