//! Frames that real clients and Apache Kafka 4.3.1 sent each other: read to the last byte, and
//! written again as they were.
//!
//! One file per client in `captured/`, one frame per line. The clients were pointed at a proxy that
//! wrote down what passed.

use bytes::{Bytes, BytesMut};
use headwater_protocol::frame::{
    RequestHeader, decode_request, decode_response, encode_request, encode_response,
};
use headwater_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use headwater_protocol::messages::create_topics::CreateTopicsRequest;
use headwater_protocol::messages::describe_configs::DescribeConfigsResponse;
use headwater_protocol::messages::fetch::FetchResponse;
use headwater_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use headwater_protocol::messages::metadata::MetadataResponse;
use headwater_protocol::messages::offset_commit::OffsetCommitRequest;
use headwater_protocol::messages::produce::ProduceRequest;
use headwater_protocol::messages::sync_group::SyncGroupResponse;
use headwater_protocol::{Decoder, Encoder, Message, Request, messages};

use crate::apis::every_api;

const LIBRDKAFKA: &str = include_str!("captured/librdkafka.txt");
const KAFKA_PYTHON: &str = include_str!("captured/kafka-python.txt");
const AIOKAFKA: &str = include_str!("captured/aiokafka.txt");
const JAVA: &str = include_str!("captured/java.txt");
const CODEC: &str = include_str!("captured/codec.txt");

#[derive(Debug, PartialEq)]
enum Direction {
    Request,
    Response,
}

struct Captured {
    api: &'static str,
    version: i16,
    direction: Direction,
    frame: Bytes,
}

fn frames(file: &'static str) -> impl Iterator<Item = Captured> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let [api, version, direction, hex] = words[..] else {
                panic!("{line}");
            };
            Captured {
                api,
                version: version.parse().unwrap(),
                direction: match direction {
                    "request" => Direction::Request,
                    "response" => Direction::Response,
                    other => panic!("{other}"),
                },
                frame: (0..hex.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                    .collect(),
            }
        })
}

fn without_length(chunks: &[Bytes]) -> Bytes {
    let whole: BytesMut = chunks.iter().flatten().copied().collect();
    whole.freeze().slice(4..)
}

fn read_request<R: Request>(captured: &Captured) -> (RequestHeader, R) {
    let mut input = Decoder::new(captured.frame.clone());
    let header = RequestHeader::decode(&mut input).unwrap();
    assert_eq!(header.api_key, i16::from(R::KEY));
    assert_eq!(header.api_version, captured.version);
    let request = decode_request(input, captured.version).unwrap();
    (header, request)
}

fn read_response<R: Request>(captured: &Captured) -> (i32, R::Response) {
    decode_response::<R>(Decoder::new(captured.frame.clone()), captured.version).unwrap()
}

fn reads_and_writes<R: Request>(captured: &Captured) {
    let written = match captured.direction {
        Direction::Request => {
            let (header, request) = read_request::<R>(captured);
            let client_id = header.client_id.as_deref();
            encode_request(captured.version, header.correlation_id, client_id, &request)
        }
        Direction::Response => {
            let (correlation_id, response) = read_response::<R>(captured);
            encode_response(R::KEY, captured.version, correlation_id, &response)
        }
    };
    let written = without_length(&written.unwrap());
    assert_eq!(
        written, captured.frame,
        "{} {} {:?}",
        captured.api, captured.version, captured.direction
    );
}

macro_rules! by_name {
    ($($module:ident $request:ident $response:ident;)*) => {
        fn check(captured: &Captured) {
            $(if captured.api == messages::$module::$request::KEY.name() {
                return reads_and_writes::<messages::$module::$request>(captured);
            })*
            panic!("no messages of {}", captured.api);
        }
    };
}

every_api!(by_name);

fn check_all(file: &'static str, expected: usize) {
    let mut count = 0;
    for captured in frames(file) {
        check(&captured);
        count += 1;
    }
    assert_eq!(count, expected);
}

#[test]
fn librdkafka() {
    check_all(LIBRDKAFKA, 49);
}

#[test]
fn kafka_python() {
    check_all(KAFKA_PYTHON, 43);
}

#[test]
fn aiokafka() {
    check_all(AIOKAFKA, 38);
}

#[test]
fn java() {
    check_all(JAVA, 59);
}

fn body_reads_and_writes<M: Message>(captured: &Captured) {
    let mut input = Decoder::new(captured.frame.clone());
    let body = M::decode(&mut input, captured.version).unwrap();
    input.finish().unwrap();
    let mut out = Encoder::new();
    body.encode(&mut out, captured.version).unwrap();
    assert_eq!(out.into_bytes(), captured.frame);
}

#[test]
fn bodies_written_by_kafkas_own_classes() {
    use messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
    use messages::offset_commit::OffsetCommitResponse;
    use messages::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
    let mut count = 0;
    for captured in frames(CODEC) {
        match (captured.api, &captured.direction) {
            ("ListOffsets", Direction::Request) => {
                body_reads_and_writes::<ListOffsetsRequest>(&captured);
            }
            ("ListOffsets", Direction::Response) => {
                body_reads_and_writes::<ListOffsetsResponse>(&captured);
            }
            ("OffsetCommit", Direction::Request) => {
                body_reads_and_writes::<OffsetCommitRequest>(&captured);
            }
            ("OffsetCommit", Direction::Response) => {
                body_reads_and_writes::<OffsetCommitResponse>(&captured);
            }
            ("OffsetFetch", Direction::Request) => {
                body_reads_and_writes::<OffsetFetchRequest>(&captured);
            }
            ("OffsetFetch", Direction::Response) => {
                body_reads_and_writes::<OffsetFetchResponse>(&captured);
            }
            (api, direction) => panic!("{api} {direction:?}"),
        }
        count += 1;
    }
    assert_eq!(count, 24);
}

fn requests<R: Request>(file: &'static str) -> Vec<(RequestHeader, R)> {
    frames(file)
        .filter(|captured| captured.api == R::KEY.name())
        .filter(|captured| captured.direction == Direction::Request)
        .map(|captured| read_request::<R>(&captured))
        .collect()
}

fn responses<R: Request>(file: &'static str) -> Vec<R::Response> {
    frames(file)
        .filter(|captured| captured.api == R::KEY.name())
        .filter(|captured| captured.direction == Direction::Response)
        .map(|captured| read_response::<R>(&captured).1)
        .collect()
}

/// The number at the front of a consumer protocol blob, then the blob itself.
fn consumer_protocol<M: Message>(blob: &Bytes) -> M {
    let mut input = Decoder::new(blob.clone());
    let version = input.read_i16().unwrap();
    let message = M::decode(&mut input, version).unwrap();
    input.finish().unwrap();
    message
}

#[test]
fn clients_say_who_they_are() {
    for (file, name) in [
        (LIBRDKAFKA, "confluent-kafka-python"),
        (KAFKA_PYTHON, "kafka-python"),
        (JAVA, "apache-kafka-java"),
    ] {
        let (header, request) = requests::<ApiVersionsRequest>(file).remove(0);
        assert_eq!(request.client_software_name, name);
        assert!(header.client_id.is_some());
    }
    let (_, oldest) = requests::<ApiVersionsRequest>(AIOKAFKA).remove(0);
    assert_eq!(oldest, ApiVersionsRequest::default());
}

#[test]
fn kafka_advertises_produce_from_version_zero() {
    let response: ApiVersionsResponse = responses::<ApiVersionsRequest>(JAVA).remove(0);
    let produce = response
        .api_keys
        .iter()
        .find(|api| api.api_key == 0)
        .unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13));
    let features: Vec<_> = response
        .supported_features
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert!(features.contains(&"metadata.version"), "{features:?}");
    assert!(response.finalized_features_epoch > 0);
}

#[test]
fn produced_records_are_one_batch_of_the_current_format() {
    for file in [LIBRDKAFKA, KAFKA_PYTHON, AIOKAFKA, JAVA] {
        for (_, request) in requests::<ProduceRequest>(file) {
            assert_eq!((request.acks, &request.transactional_id), (-1, &None));
            let partition = &request.topic_data[0].partition_data[0];
            let records = partition.records.as_ref().unwrap();
            assert_eq!(records[16], 2, "the magic of a record batch");
        }
    }
}

#[test]
fn fetched_records_carry_what_was_produced() {
    for (file, value) in [
        (LIBRDKAFKA, &b"item "[..]),
        (KAFKA_PYTHON, b"v0"),
        (AIOKAFKA, b"v0"),
        (JAVA, &[2, b'a', 2, b'1']),
    ] {
        let found = responses::<messages::fetch::FetchRequest>(file)
            .iter()
            .flat_map(|response: &FetchResponse| &response.responses)
            .flat_map(|topic| &topic.partitions)
            .filter_map(|partition| partition.records.as_ref())
            .any(|records| records.windows(value.len()).any(|window| window == value));
        assert!(found, "{}", String::from_utf8_lossy(value));
    }
}

#[test]
fn members_subscribe_and_are_assigned_partitions() {
    for (file, topic) in [
        (LIBRDKAFKA, "hw_capture_rd"),
        (KAFKA_PYTHON, "hw_capture_py"),
        (AIOKAFKA, "hw_capture_aio"),
        (JAVA, "hw_capture_java"),
    ] {
        let (_, join) = requests::<JoinGroupRequest>(file).remove(0);
        assert_eq!(join.protocol_type, "consumer");
        let subscription: ConsumerProtocolSubscription =
            consumer_protocol(&join.protocols[0].metadata);
        assert_eq!(subscription.topics, [topic]);

        let assigned = responses::<messages::sync_group::SyncGroupRequest>(file)
            .into_iter()
            .filter(|response: &SyncGroupResponse| !response.assignment.is_empty())
            .map(|response| consumer_protocol::<ConsumerProtocolAssignment>(&response.assignment))
            .find(|assignment| !assignment.assigned_partitions.is_empty())
            .unwrap();
        assert_eq!(assigned.assigned_partitions[0].topic, topic);
    }
}

#[test]
fn the_two_step_join_of_java_is_seen() {
    let codes: Vec<_> = responses::<JoinGroupRequest>(JAVA)
        .iter()
        .map(|response: &JoinGroupResponse| response.error_code)
        .collect();
    // MEMBER_ID_REQUIRED, and then the group.
    assert!(codes.contains(&79) && codes.contains(&0), "{codes:?}");
}

#[test]
fn offsets_are_committed_by_name() {
    for file in [LIBRDKAFKA, KAFKA_PYTHON, AIOKAFKA, JAVA] {
        let (_, commit) = requests::<OffsetCommitRequest>(file).remove(0);
        assert!(commit.group_id.starts_with("hw_capture_g"));
        assert!(commit.topics[0].name.starts_with("hw_capture_"));
        assert!(commit.topics[0].partitions[0].committed_offset >= 0);
    }
}

#[test]
fn topics_are_made_and_described() {
    let (_, create) = requests::<CreateTopicsRequest>(JAVA).remove(0);
    let topic = &create.topics[0];
    assert_eq!(
        (topic.name.as_str(), topic.num_partitions),
        ("hw_capture_java", 2)
    );
    assert_eq!(topic.configs[0].name, "retention.ms");

    let described = responses::<messages::metadata::MetadataRequest>(LIBRDKAFKA)
        .into_iter()
        .map(|response: MetadataResponse| response.brokers)
        .find(|brokers| !brokers.is_empty())
        .unwrap();
    assert_eq!(
        (described[0].node_id, described[0].host.as_str()),
        (1, "127.0.0.1")
    );
}

#[test]
fn configurations_have_their_source() {
    let results = responses::<messages::describe_configs::DescribeConfigsRequest>(LIBRDKAFKA)
        .into_iter()
        .chain(responses::<
            messages::describe_configs::DescribeConfigsRequest,
        >(KAFKA_PYTHON))
        .flat_map(|response: DescribeConfigsResponse| response.results)
        .flat_map(|result| result.configs);
    let sources: Vec<_> = results.map(|config| config.config_source).collect();
    assert!(
        sources.iter().all(|source| (1..=8).contains(source)),
        "{sources:?}"
    );
    assert!(!sources.is_empty());
}
