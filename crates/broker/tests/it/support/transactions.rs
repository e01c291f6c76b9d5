//! A transactional producer, request by request, as transactions v2 have it (KIP-890).

use std::time::Duration;

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::end_txn::EndTxnRequest;
use headwater_protocol::messages::find_coordinator::FindCoordinatorRequest;
use headwater_protocol::messages::init_producer_id::InitProducerIdRequest;
use headwater_protocol::messages::produce::PartitionProduceResponse;
use headwater_records::BatchBuilder;

use super::batches::now_ms;
use super::wire::{PRODUCE, Wire, produce_request};

/// Codes of a coordinator that is not ready yet: the request is to be sent again.
const TRY_AGAIN: [ErrorCode; 4] = [
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::ConcurrentTransactions,
];
/// The first version of `EndTxn` that ends a transaction with an epoch of its own.
const END_TXN: i16 = 5;

pub(crate) struct Transactional {
    wire: Wire,
    id: String,
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// The next one; one partition only.
    sequence: i32,
}

impl Transactional {
    /// Connects and fences its predecessors.
    pub(crate) async fn begin(broker: &Broker, transactional_id: &str) -> Transactional {
        let mut wire = Wire::to(broker).await;
        let find = FindCoordinatorRequest {
            key: transactional_id.to_owned(),
            key_type: 1,
            ..FindCoordinatorRequest::default()
        };
        let init = InitProducerIdRequest {
            transactional_id: Some(transactional_id.to_owned()),
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        loop {
            wire.call(2, &find).await;
            let response = wire.call(5, &init).await;
            if is_ready(response.error_code).await {
                return Transactional {
                    wire,
                    id: transactional_id.to_owned(),
                    producer_id: response.producer_id,
                    epoch: response.producer_epoch,
                    sequence: 0,
                };
            }
        }
    }

    /// One record as part of the transaction, which begins by itself.
    pub(crate) async fn produce(&mut self, topic: &str, value: &str) -> i64 {
        let batch = self.batch(value);
        let response = self.send(topic, batch).await;
        assert_eq!(response.error_code, 0, "{:?}", response.error_message);
        self.sequence += 1;
        response.base_offset
    }

    pub(crate) fn batch(&self, value: &str) -> Bytes {
        self.batch_at(self.sequence, value)
    }

    pub(crate) fn batch_at(&self, sequence: i32, value: &str) -> Bytes {
        let builder = BatchBuilder::new().producer(self.producer_id, self.epoch, sequence);
        let mut builder = builder.transactional();
        builder.append(now_ms(), None, Some(value.as_bytes()), &[]);
        builder.build(0)
    }

    pub(crate) async fn send(&mut self, topic: &str, batch: Bytes) -> PartitionProduceResponse {
        let mut request = produce_request(topic, 0, batch);
        request.transactional_id = Some(self.id.clone());
        loop {
            let mut response = self.wire.call(PRODUCE, &request).await;
            let partition = response.responses.remove(0).partition_responses.remove(0);
            if partition.error_code == i16::from(ErrorCode::ConcurrentTransactions) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            return partition;
        }
    }

    pub(crate) async fn commit(&mut self) {
        self.end(true).await;
    }

    pub(crate) async fn abort(&mut self) {
        self.end(false).await;
    }

    async fn end(&mut self, committed: bool) {
        let request = EndTxnRequest {
            transactional_id: self.id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        loop {
            let response = self.wire.call(END_TXN, &request).await;
            if is_ready(response.error_code).await {
                self.producer_id = response.producer_id;
                self.epoch = response.producer_epoch;
                self.sequence = 0;
                return;
            }
        }
    }
}

/// Whether the coordinator has done it; if it asks to be asked again, after a moment.
async fn is_ready(error_code: i16) -> bool {
    let again = TRY_AGAIN.iter().any(|code| i16::from(*code) == error_code);
    assert!(again || error_code == 0, "error {error_code}");
    if again {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    !again
}
