//! Incremental fetch sessions (KIP-227), as seen on the wire.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::fetch::{FetchRequest, FetchResponse};

use crate::support::batches::{batch, records};
use crate::support::wire::{FETCH, Wire, fetch_request};

fn in_session(session_id: i32, session_epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let mut request = fetch_request("orders", partitions);
    if partitions.is_empty() {
        request.topics.clear();
    }
    FetchRequest {
        session_id,
        session_epoch,
        ..request
    }
}

fn named(response: &FetchResponse) -> Vec<i32> {
    response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|one| one.partition_index)
        .collect()
}

#[tokio::test]
async fn a_session_omits_unchanged_partitions_and_wakes_for_changed_ones() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 3).await;
    let first = wire
        .call(FETCH, &in_session(0, 0, &[(0, 0), (1, 0), (2, 0)]))
        .await;
    assert_eq!(named(&first), [0, 1, 2]);
    let id = first.session_id;
    assert_ne!(id, 0);
    let second = wire.call(FETCH, &in_session(id, 1, &[])).await;
    assert_eq!(
        (second.error_code, second.session_id, named(&second)),
        (0, id, vec![])
    );

    let mut producer = Wire::to(&broker).await;
    let mut parked = in_session(id, 2, &[]);
    parked.max_wait_ms = 600_000;
    wire.send(FETCH, 5, &parked).await;
    producer.produce("orders", 1, batch(&["news"])).await;
    let (_, third) = wire.receive::<FetchRequest>(FETCH).await;
    assert_eq!(named(&third), [1]);
    let fetched = third.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(records(&fetched), [(0, "news".to_owned())]);

    // Its offset moves on, and there is nothing new.
    let fourth = wire.call(FETCH, &in_session(id, 3, &[(1, 1)])).await;
    assert_eq!((fourth.error_code, named(&fourth)), (0, vec![]));
}

#[tokio::test]
async fn a_wrong_session_or_epoch_is_refused_as_a_whole() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let id = wire
        .call(FETCH, &in_session(0, 0, &[(0, 0)]))
        .await
        .session_id;
    let response = wire.call(FETCH, &in_session(id ^ 1, 1, &[])).await;
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::FetchSessionIdNotFound)
    );
    let response = wire.call(FETCH, &in_session(id, 9, &[])).await;
    assert_eq!(
        response.error_code,
        i16::from(ErrorCode::InvalidFetchSessionEpoch)
    );
}
