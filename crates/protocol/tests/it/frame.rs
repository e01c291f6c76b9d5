//! Frames: lengths, header versions, and requests nobody knows.

use bytes::{Bytes, BytesMut};
use headwater_protocol::frame::{
    RequestHeader, decode_request, decode_response, encode_request, encode_response,
};
use headwater_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use headwater_protocol::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use headwater_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use headwater_protocol::{ApiKey, DecodeProblem, Decoder, EncodeError, Request};

/// The frame's content, its length checked.
fn content(chunks: &[Bytes]) -> Bytes {
    let mut whole: BytesMut = chunks.iter().flatten().copied().collect();
    let length = whole.split_to(4);
    assert_eq!(length.as_ref(), (whole.len() as i32).to_be_bytes());
    whole.freeze()
}

#[test]
fn a_request_and_its_header_read_back_at_every_version() {
    let request = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 3,
        member_id: "m".to_owned(),
        ..HeartbeatRequest::default()
    };
    for version in HeartbeatRequest::VERSIONS {
        for client_id in [None, Some(""), Some("client")] {
            let frame = encode_request(version, 42, client_id, &request).unwrap();
            let mut input = Decoder::new(content(&frame));
            let header = RequestHeader::decode(&mut input).unwrap();
            assert_eq!(
                header,
                RequestHeader {
                    api_key: 12,
                    api_version: version,
                    correlation_id: 42,
                    client_id: client_id.map(str::to_owned),
                }
            );
            assert_eq!(decode_request(input, version), Ok(request.clone()));
        }
    }
}

#[test]
fn the_client_id_keeps_its_classic_form_in_flexible_requests() {
    let frame = encode_request(4, 1, Some("c"), &HeartbeatRequest::default()).unwrap();
    let bytes = content(&frame);
    assert_eq!(bytes[..12], [0, 12, 0, 4, 0, 0, 0, 1, 0, 1, b'c', 0]);
}

#[test]
fn tagged_fields_of_the_header_are_skipped() {
    let header = [0, 12, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 1, 9, 2, 1, 2];
    let body = [1, 0, 0, 0, 0, 1, 0, 0];
    let mut input = Decoder::new(Bytes::from([&header[..], &body].concat()));
    let header = RequestHeader::decode(&mut input).unwrap();
    assert_eq!((header.correlation_id, header.client_id), (1, None));
    assert_eq!(decode_request(input, 4), Ok(HeartbeatRequest::default()));
}

#[test]
fn a_response_reads_back_at_every_version() {
    let response = HeartbeatResponse {
        error_code: 27,
        ..HeartbeatResponse::default()
    };
    for version in HeartbeatRequest::VERSIONS {
        let frame = encode_response(ApiKey::Heartbeat, version, 7, &response).unwrap();
        let read = decode_response::<HeartbeatRequest>(Decoder::new(content(&frame)), version);
        assert_eq!(read, Ok((7, response.clone())));
    }
}

#[test]
fn the_header_of_an_api_versions_response_never_has_tagged_fields() {
    for version in ApiVersionsRequest::VERSIONS {
        let response = ApiVersionsResponse::default();
        let frame = encode_response(ApiKey::ApiVersions, version, 9, &response).unwrap();
        let bytes = content(&frame);
        // The correlation id, and then at once the error code.
        assert_eq!(bytes[..6], [0, 0, 0, 9, 0, 0]);
        let expected_length = [10, 14, 14, 12, 12][version as usize];
        assert_eq!(bytes.len(), expected_length, "version {version}");
    }
}

#[test]
fn a_flexible_response_header_has_tagged_fields() {
    let frame = encode_response(ApiKey::Heartbeat, 4, 1, &HeartbeatResponse::default()).unwrap();
    assert_eq!(
        content(&frame).as_ref(),
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    );
}

#[test]
fn records_are_written_without_copying_them() {
    let records = Bytes::from(vec![5; 100_000]);
    let response = FetchResponse {
        responses: vec![FetchableTopicResponse {
            partitions: vec![PartitionData {
                records: Some(records.clone()),
                ..PartitionData::default()
            }],
            ..FetchableTopicResponse::default()
        }],
        ..FetchResponse::default()
    };
    for version in FetchRequest::VERSIONS {
        let frame = encode_response(ApiKey::Fetch, version, 1, &response).unwrap();
        assert!(frame.iter().any(|chunk| chunk.as_ptr() == records.as_ptr()));
        let read = decode_response::<FetchRequest>(Decoder::new(content(&frame)), version);
        assert_eq!(read, Ok((1, response.clone())));
    }
}

#[test]
fn an_unknown_api_still_has_a_header() {
    let mut input = Decoder::new(Bytes::from_static(&[
        1, 0, 0, 0, 0, 0, 0, 5, 0, 1, b'x', 7, 7,
    ]));
    let header = RequestHeader::decode(&mut input).unwrap();
    assert_eq!((header.api_key, header.correlation_id), (256, 5));
    assert_eq!(input.remaining(), 2);
}

#[test]
fn an_unknown_version_of_a_flexible_api_has_a_flexible_header() {
    let frame = encode_request(4, 1, Some("c"), &ApiVersionsRequest::default()).unwrap();
    let mut bytes = content(&frame).to_vec();
    bytes[3] = 99;
    let mut input = Decoder::new(bytes.into());
    let header = RequestHeader::decode(&mut input).unwrap();
    assert_eq!(
        (header.api_version, header.client_id.as_deref()),
        (99, Some("c"))
    );
    let refused = decode_request::<ApiVersionsRequest>(input, 99).unwrap_err();
    assert_eq!(refused.problem, DecodeProblem::UnsupportedVersion(99));
}

#[test]
fn bytes_after_the_request_are_left_alone() {
    let frame = encode_request(0, 1, None, &HeartbeatRequest::default()).unwrap();
    let mut bytes = content(&frame).to_vec();
    bytes.push(0);
    let mut input = Decoder::new(bytes.into());
    RequestHeader::decode(&mut input).unwrap();
    assert_eq!(
        decode_request::<HeartbeatRequest>(input, 0),
        Ok(HeartbeatRequest::default())
    );
}

#[test]
fn a_header_cut_short_is_refused() {
    let frame = encode_request(4, 1, Some("client"), &HeartbeatRequest::default()).unwrap();
    let bytes = content(&frame);
    for end in 0..17 {
        assert!(RequestHeader::decode(&mut Decoder::new(bytes.slice(..end))).is_err());
    }
}

#[test]
fn a_version_that_is_not_served_is_not_written() {
    let refused = encode_request(99, 1, None, &HeartbeatRequest::default());
    assert_eq!(refused, Err(EncodeError::UnsupportedVersion(99)));
}
