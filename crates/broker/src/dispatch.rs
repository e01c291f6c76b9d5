//! From a frame to a handler: one table, one line per API.
//!
//! Parsing, the version check, the tracing span, the error reply after a panic
//! and encoding live only here. What is in the table is served and advertised;
//! what is not closes the connection, as in Kafka.

use std::any::Any;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_protocol::frame::{self, RequestHeader};
use headwater_protocol::messages;
use headwater_protocol::{ApiKey, DecodeError, Decoder, EncodeError, ErrorCode, Message, Request};
use tracing::{Instrument, Span, debug, debug_span, error};

use crate::context::{ConnectionInfo, Context};
use crate::handlers;
use crate::quotas::{Meter, Settled, Throttled};
use crate::reply::Reply;
use crate::security::authenticate;
use crate::security::guard::{self, Guarded};

/// One row: what is served, what is advertised, who answers.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    /// Versions a request may come in.
    pub(crate) served: RangeInclusive<i16>,
    /// Lowest version in the `ApiVersions` reply; differs from `served` only for Produce (KAFKA-18659).
    pub(crate) advertised_min: i16,
    begin: fn(&Context, &ConnectionInfo, &RequestHeader, Bytes) -> Result<Answer, Refusal>,
}

macro_rules! api {
    ($handler:ident, $request:ident) => {
        api!(
            $handler,
            $request,
            advertised_from * <messages::$handler::$request as Request>::VERSIONS.start()
        )
    };
    ($handler:ident, $request:ident, advertised_from $min:expr) => {
        Api {
            key: <messages::$handler::$request as Request>::KEY,
            served: <messages::$handler::$request as Request>::VERSIONS,
            advertised_min: $min,
            begin: |context, connection, header, body| {
                run(context, connection, header, body, handlers::$handler::begin)
            },
        }
    };
}

/// Every API this node speaks, at the versions a running Apache Kafka 4.3.1 advertises.
pub(crate) const APIS: &[Api] = &[
    api!(produce, ProduceRequest, advertised_from 0),
    api!(fetch, FetchRequest),
    api!(list_offsets, ListOffsetsRequest),
    api!(api_versions, ApiVersionsRequest),
    api!(init_producer_id, InitProducerIdRequest),
    api!(add_partitions_to_txn, AddPartitionsToTxnRequest),
    api!(add_offsets_to_txn, AddOffsetsToTxnRequest),
    api!(end_txn, EndTxnRequest),
    api!(write_txn_markers, WriteTxnMarkersRequest),
    api!(offset_for_leader_epoch, OffsetForLeaderEpochRequest),
    api!(metadata, MetadataRequest),
    api!(offset_commit, OffsetCommitRequest),
    api!(offset_fetch, OffsetFetchRequest),
    api!(find_coordinator, FindCoordinatorRequest),
    api!(join_group, JoinGroupRequest),
    api!(heartbeat, HeartbeatRequest),
    api!(leave_group, LeaveGroupRequest),
    api!(sync_group, SyncGroupRequest),
    api!(describe_groups, DescribeGroupsRequest),
    api!(list_groups, ListGroupsRequest),
    api!(consumer_group_heartbeat, ConsumerGroupHeartbeatRequest),
    api!(consumer_group_describe, ConsumerGroupDescribeRequest),
    api!(create_topics, CreateTopicsRequest),
    api!(delete_topics, DeleteTopicsRequest),
    api!(delete_records, DeleteRecordsRequest),
    api!(describe_configs, DescribeConfigsRequest),
    api!(alter_configs, AlterConfigsRequest),
    api!(describe_log_dirs, DescribeLogDirsRequest),
    api!(create_partitions, CreatePartitionsRequest),
    api!(delete_groups, DeleteGroupsRequest),
    api!(offset_delete, OffsetDeleteRequest),
    api!(txn_offset_commit, TxnOffsetCommitRequest),
    api!(elect_leaders, ElectLeadersRequest),
    api!(incremental_alter_configs, IncrementalAlterConfigsRequest),
    api!(
        list_partition_reassignments,
        ListPartitionReassignmentsRequest
    ),
    api!(describe_quorum, DescribeQuorumRequest),
    api!(update_features, UpdateFeaturesRequest),
    api!(describe_client_quotas, DescribeClientQuotasRequest),
    api!(alter_client_quotas, AlterClientQuotasRequest),
    api!(describe_cluster, DescribeClusterRequest),
    api!(list_config_resources, ListConfigResourcesRequest),
    api!(describe_transactions, DescribeTransactionsRequest),
    api!(list_transactions, ListTransactionsRequest),
    api!(describe_producers, DescribeProducersRequest),
    api!(describe_topic_partitions, DescribeTopicPartitionsRequest),
    api!(sasl_handshake, SaslHandshakeRequest),
    api!(sasl_authenticate, SaslAuthenticateRequest),
    api!(describe_acls, DescribeAclsRequest),
    api!(create_acls, CreateAclsRequest),
    api!(delete_acls, DeleteAclsRequest),
    api!(
        describe_user_scram_credentials,
        DescribeUserScramCredentialsRequest
    ),
    api!(
        alter_user_scram_credentials,
        AlterUserScramCredentialsRequest
    ),
];

/// What becomes of a request, in bytes.
pub(crate) enum Answer {
    /// The frame of the reply, in chunks.
    Ready(Vec<Bytes>),
    /// The same, later.
    Later(BoxFuture<'static, Result<Vec<Bytes>, Refusal>>),
    /// No reply at all.
    Silent,
}

/// Why a connection is closed instead of answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The header cannot be read.
    #[error("malformed request header: {0}")]
    Header(DecodeError),
    /// Not in the table.
    #[error("request for API key {key} at version {version}, which is not served")]
    Unserved { key: i16, version: i16 },
    /// The body cannot be read.
    #[error("malformed {key} request at version {version}: {error}")]
    Body {
        key: ApiKey,
        version: i16,
        error: DecodeError,
    },
    /// A bug of ours: the reply has no encoding.
    #[error("reply to {key} at version {version} cannot be encoded: {error}")]
    Encode {
        key: ApiKey,
        version: i16,
        error: EncodeError,
    },
    /// The client has not said who it is, or is about to.
    #[error("request for API key {key} before the client is authenticated")]
    Unauthenticated { key: i16 },
    /// The client could not say who it is.
    #[error("{0}")]
    Authentication(String),
    /// The handler asked for it.
    #[error("{0}")]
    Handler(String),
}

/// Whether `frame` is a produce request, which has to wait for room in the journal.
pub(crate) fn is_produce(frame: &Bytes) -> bool {
    frame.starts_with(&i16::from(ApiKey::Produce).to_be_bytes())
}

/// Begins the request in `frame`.
pub(crate) fn begin(
    context: &Context,
    connection: &mut ConnectionInfo,
    frame: Bytes,
) -> Result<Answer, Refusal> {
    if connection.session.expects_raw_token() {
        return take_raw_token(context, connection, &frame);
    }
    let mut input = Decoder::new(frame);
    let header = RequestHeader::decode(&mut input).map_err(Refusal::Header)?;
    let client_id = header.client_id.as_deref().unwrap_or_default();
    if *connection.client_id != *client_id {
        connection.client_id = client_id.into();
    }
    let (key, version) = (header.api_key, header.api_version);
    match APIS.iter().find(|api| i16::from(api.key) == key) {
        Some(api) if !connection.session.admits(api.key) => Err(Refusal::Unauthenticated { key }),
        Some(api) if api.served.contains(&version) => {
            (api.begin)(context, connection, &header, input.read_rest())
        }
        // The one request that a client sends before it knows any version.
        Some(api) if api.key == ApiKey::ApiVersions => {
            let response = handlers::api_versions::unsupported_version();
            encode(ApiKey::ApiVersions, 0, header.correlation_id, &response).map(Answer::Ready)
        }
        _ => Err(Refusal::Unserved { key, version }),
    }
}

/// A token of SASL on its own, as it comes after a handshake of version 0: length and bytes, also
/// of the answer.
fn take_raw_token(
    context: &Context,
    connection: &ConnectionInfo,
    token: &Bytes,
) -> Result<Answer, Refusal> {
    let answer = authenticate(context, &connection.session, token);
    let answer = answer.map_err(Refusal::Authentication)?;
    let length = (answer.len() as i32).to_be_bytes();
    Ok(Answer::Ready(vec![Bytes::copy_from_slice(&length), answer]))
}

fn run<R>(
    context: &Context,
    connection: &ConnectionInfo,
    header: &RequestHeader,
    body: Bytes,
    begin: fn(&Context, &ConnectionInfo, i16, R) -> Reply<R::Response>,
) -> Result<Answer, Refusal>
where
    R: Guarded + Send + 'static,
    R::Response: Throttled + Send + 'static,
{
    let (version, correlation_id) = (header.api_version, header.correlation_id);
    let span = debug_span!("request", api = %R::KEY, version, correlation_id, client_id = %connection.client_id);
    let _entered = span.enter();
    let request =
        frame::decode_request::<R>(Decoder::new(body.clone()), version).map_err(|error| {
            Refusal::Body {
                key: R::KEY,
                version,
                error,
            }
        })?;
    debug!("begun");
    let mut meter = context.quotas.meter(connection);
    if R::KEY == ApiKey::Produce
        && let Some(meter) = &mut meter
    {
        meter.produced(body.len());
    }
    let begun = Instant::now();
    // A bug in one handler costs one request, not the node: locks below recover from poison.
    let reply = catch_unwind(AssertUnwindSafe(|| {
        guard::begin(context, connection, version, request, begin)
    }))
    .unwrap_or_else(|panic| Reply::Now(after_panic::<R>(&body, version, &*panic)));
    if let Some(meter) = &mut meter {
        meter.spend(begun.elapsed());
    }
    let destination = Destination {
        version,
        correlation_id,
        meter,
    };
    match reply {
        Reply::Now(response) => destination.encode::<R>(response).map(Answer::Ready),
        Reply::Later(future) => Ok(Answer::Later(finish::<R>(
            future,
            body,
            destination,
            span.clone(),
        ))),
        Reply::Silent => {
            destination.settle();
            Ok(Answer::Silent)
        }
        Reply::Close(reason) => Err(Refusal::Handler(reason)),
    }
}

/// What the reply to a request is made for.
struct Destination {
    version: i16,
    correlation_id: i32,
    /// There if quotas are.
    meter: Option<Meter>,
}

impl Destination {
    /// The reply in bytes, telling the client to wait if it has to.
    fn encode<R>(self, mut response: R::Response) -> Result<Vec<Bytes>, Refusal>
    where
        R: Request,
        R::Response: Throttled,
    {
        let (version, correlation_id) = (self.version, self.correlation_id);
        let Some(mut meter) = self.meter else {
            return encode(R::KEY, version, correlation_id, &response);
        };
        let chunks = encode(R::KEY, version, correlation_id, &response)?;
        let fetched = (R::KEY == ApiKey::Fetch).then(|| chunks.iter().map(Bytes::len).sum());
        let throttle_time_ms = match meter.settle(fetched) {
            Settled::Free => return Ok(chunks),
            Settled::Throttled { throttle_time_ms } => throttle_time_ms,
            Settled::HeldBack { throttle_time_ms } => {
                response.hold_back();
                throttle_time_ms
            }
        };
        response.throttle(throttle_time_ms);
        encode(R::KEY, version, correlation_id, &response)
    }

    /// There is no reply.
    fn settle(self) {
        if let Some(mut meter) = self.meter {
            meter.settle(None);
        }
    }
}

fn finish<R>(
    future: BoxFuture<'static, R::Response>,
    body: Bytes,
    mut destination: Destination,
    span: Span,
) -> BoxFuture<'static, Result<Vec<Bytes>, Refusal>>
where
    R: Request + 'static,
    R::Response: Throttled + Send + 'static,
{
    let finished = async move {
        let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
        // Only the time at work counts as the client's, not the wait in between.
        let response = poll_fn(|context| {
            let begun = Instant::now();
            let polled = future.as_mut().poll(context);
            if let Some(meter) = &mut destination.meter {
                meter.spend(begun.elapsed());
            }
            polled
        });
        let response = response
            .await
            .unwrap_or_else(|panic| after_panic::<R>(&body, destination.version, &*panic));
        debug!("answered");
        destination.encode::<R>(response)
    };
    Box::pin(finished.instrument(span))
}

/// `UNKNOWN_SERVER_ERROR` for everything that was asked for, as Kafka answers an unexpected exception.
fn after_panic<R: Request>(body: &Bytes, version: i16, panic: &(dyn Any + Send)) -> R::Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    error!(api = %R::KEY, version, "a handler panicked, which is a bug: {text}");
    match frame::decode_request::<R>(Decoder::new(body.clone()), version) {
        Ok(request) => request.error_response(ErrorCode::UnknownServerError, version),
        Err(_) => R::Response::default(),
    }
}

fn encode(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &impl Message,
) -> Result<Vec<Bytes>, Refusal> {
    frame::encode_response(key, version, correlation_id, response).map_err(|error| {
        Refusal::Encode {
            key,
            version,
            error,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;

    use headwater_protocol::messages::list_offsets::{
        ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
    };

    use super::*;
    use crate::broker::context_in_memory;
    use crate::quotas::Mute;
    use crate::security::{SecurityProtocol, Session};

    type Begin =
        fn(&Context, &ConnectionInfo, i16, ListOffsetsRequest) -> Reply<ListOffsetsResponse>;

    /// The error code of the one partition asked for.
    async fn answered_by(begin: Begin) -> i16 {
        let (context, _kept) = context_in_memory().await;
        let connection = ConnectionInfo {
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            local: SocketAddr::from((Ipv4Addr::LOCALHOST, 2)),
            client_id: "".into(),
            mute: Mute::default(),
            session: Arc::new(Session::new(SecurityProtocol::Plaintext)),
        };
        let request = ListOffsetsRequest {
            topics: vec![ListOffsetsTopic {
                name: "orders".to_owned(),
                partitions: vec![ListOffsetsPartition::default()],
            }],
            ..ListOffsetsRequest::default()
        };
        let frame = frame::encode_request(7, 5, None, &request)
            .unwrap()
            .concat();
        let mut input = Decoder::new(Bytes::from(frame).slice(4..));
        let header = RequestHeader::decode(&mut input).unwrap();
        let answer = run(&context, &connection, &header, input.read_rest(), begin).unwrap();
        let reply = match answer {
            Answer::Ready(reply) => reply,
            Answer::Later(reply) => reply.await.unwrap(),
            Answer::Silent => panic!("silent"),
        };
        let reply = Decoder::new(Bytes::from(reply.concat()).slice(4..));
        let (correlation_id, response) =
            frame::decode_response::<ListOffsetsRequest>(reply, 7).unwrap();
        assert_eq!(correlation_id, 5);
        response.topics[0].partitions[0].error_code
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_costs_its_request_and_no_more() {
        let at_once: Begin = |_, _, _, _| panic!("a bug at once");
        let later: Begin = |_, _, _, _| Reply::later(async { panic!("a bug later") });
        for begin in [at_once, later] {
            let code = answered_by(begin).await;
            assert_eq!(code, i16::from(ErrorCode::UnknownServerError));
        }
        let code = answered_by(handlers::list_offsets::begin).await;
        assert_eq!(code, i16::from(ErrorCode::UnknownTopicOrPartition));
    }

    #[test]
    fn a_key_has_one_row_and_rows_are_served_from_what_is_advertised() {
        for (index, api) in APIS.iter().enumerate() {
            assert!(
                APIS[..index].iter().all(|earlier| earlier.key != api.key),
                "{} twice",
                api.key
            );
            assert!(api.advertised_min <= *api.served.start());
            assert!(api.advertised_min == *api.served.start() || api.key == ApiKey::Produce);
        }
    }

    #[test]
    fn produce_frames_are_told_apart_by_their_first_bytes() {
        assert!(is_produce(&Bytes::from_static(&[0, 0, 0, 9])));
        assert!(!is_produce(&Bytes::from_static(&[0, 1, 0, 9])));
        assert!(!is_produce(&Bytes::new()));
    }
}
