//! A client that sends exactly the requests it is told to.

use std::net::SocketAddr;

use bytes::Bytes;
use headwater_broker::Broker;
use headwater_protocol::frame::{decode_response, encode_request};
use headwater_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use headwater_protocol::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use headwater_protocol::messages::fetch::{
    FetchPartition, FetchRequest, FetchTopic, PartitionData,
};
use headwater_protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use headwater_protocol::{Decoder, Request, Uuid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::DEADLINE;

/// The version by name that raw tests speak, the last before topic ids.
pub(crate) const PRODUCE: i16 = 12;
pub(crate) const FETCH: i16 = 12;

pub(crate) struct Wire {
    stream: TcpStream,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Wire {
        Wire {
            stream: TcpStream::connect(address).await.expect("connects"),
        }
    }

    pub(crate) async fn to(broker: &Broker) -> Wire {
        Wire::connect(broker.local_addr()).await
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sends");
    }

    /// Four bytes of length, then `frame`.
    pub(crate) async fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = u32::try_from(frame.len())
            .expect("fits")
            .to_be_bytes()
            .to_vec();
        bytes.extend_from_slice(frame);
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send<R: Request>(
        &mut self,
        version: i16,
        correlation_id: i32,
        request: &R,
    ) {
        self.send_bytes(&encoded(version, correlation_id, request))
            .await;
    }

    /// Sends to a broker that may have closed the connection already.
    pub(crate) async fn try_send<R: Request>(
        &mut self,
        version: i16,
        correlation_id: i32,
        request: &R,
    ) {
        let bytes = encoded(version, correlation_id, request);
        let _ = self.stream.write_all(&bytes).await;
    }

    /// The next reply without its length, or `None` if the broker closed the connection instead.
    pub(crate) async fn receive_frame(&mut self) -> Option<Bytes> {
        let received = timeout(DEADLINE, async {
            let length = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; length as usize];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        });
        received.await.expect("a reply or the end in time")
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.receive_frame().await.expect("a reply");
        decode_response::<R>(Decoder::new(frame), version).expect("a well-formed reply")
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, 77, request).await;
        let (correlation_id, response) = self.receive::<R>(version).await;
        assert_eq!(correlation_id, 77);
        response
    }

    /// Sends no more and goes on receiving.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("shuts down");
    }

    /// Whether the broker ended the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(DEADLINE, self.stream.read(&mut byte))
            .await
            .expect("an end in time");
        !matches!(read, Ok(1..))
    }

    /// Makes a topic and returns its id.
    pub(crate) async fn create_topic(&mut self, name: &str, partitions: i32) -> Uuid {
        self.create_topic_with(name, partitions, &[]).await
    }

    pub(crate) async fn create_topic_with(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Uuid {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        };
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..CreateTopicsRequest::default()
        };
        let response = self.call(7, &request).await;
        assert_eq!(
            response.topics[0].error_code, 0,
            "{:?}",
            response.topics[0].error_message
        );
        response.topics[0].topic_id
    }

    pub(crate) async fn delete_topic(&mut self, name: &str) {
        let topic = DeleteTopicState {
            name: Some(name.to_owned()),
            ..DeleteTopicState::default()
        };
        let request = DeleteTopicsRequest {
            topics: vec![topic],
            ..DeleteTopicsRequest::default()
        };
        let response = self.call(6, &request).await;
        assert_eq!(response.responses[0].error_code, 0);
    }

    /// Produces to one partition with `acks=all`.
    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batches: Bytes,
    ) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, batches);
        let mut response = self.call(PRODUCE, &request).await;
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// Fetches from one partition without waiting.
    pub(crate) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> PartitionData {
        let mut response = self
            .call(FETCH, &fetch_request(topic, &[(partition, offset)]))
            .await;
        assert_eq!(response.error_code, 0);
        response.responses.remove(0).partitions.remove(0)
    }
}

pub(crate) fn encoded<R: Request>(version: i16, correlation_id: i32, request: &R) -> Vec<u8> {
    encode_request(version, correlation_id, Some("raw"), request)
        .expect("encodes")
        .concat()
}

pub(crate) fn produce_request(topic: &str, partition: i32, batches: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(batches),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    }
}

/// A fetch that does not wait, of partitions and offsets of one topic.
pub(crate) fn fetch_request(topic: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 50 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            partitions: partitions.iter().map(partition).collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    }
}
