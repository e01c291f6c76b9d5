//! The envelope of a message: length, correlation id, and the headers' own versions.
//!
//! ```text
//! request  = length:i32  api_key:i16  api_version:i16  correlation_id:i32
//!            client_id:nullable-string  [tagged fields, if flexible]  body
//! response = length:i32  correlation_id:i32  [tagged fields, if flexible]  body
//! ```
//!
//! The client id keeps its classic form in flexible requests, and the response to `ApiVersions`
//! never has tagged fields in its header, so that a client can read it before it knows any version.
//! Reading the length off a socket and limiting it is the connection's work, not done here.

use bytes::Bytes;

use crate::error::{DecodeProblem, EncodeError};
use crate::field::{Encoding, Field, Form, Nulls, Place};
use crate::fields::{read_tags, skip};
use crate::{ApiKey, DecodeError, Decoder, Encoder, Message, Request};

const CLIENT_ID: Form = Form {
    version: 1,
    encoding: Encoding::Classic,
    place: Place::InLine,
    nulls: Nulls::Allowed,
    name: "client_id",
};

/// What comes before every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
}

impl RequestHeader {
    /// Reads the header and leaves the body. An API or version not known here is no error yet, so
    /// that the caller can answer it; its tagged fields, if any, are then part of what is left.
    pub fn decode(input: &mut Decoder) -> Result<Self, DecodeError> {
        let api_key = input.read_i16()?;
        let api_version = input.read_i16()?;
        let correlation_id = input.read_i32()?;
        let client_id = Field::read(input, CLIENT_ID)
            .map_err(|error: DecodeError| error.in_field("client_id"))?;
        if is_flexible(api_key, api_version) {
            read_tags(input, &mut |_, value| skip(value))?;
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }

    fn encode(&self, out: &mut Encoder) -> Result<(), EncodeError> {
        out.write_i16(self.api_key);
        out.write_i16(self.api_version);
        out.write_i32(self.correlation_id);
        self.client_id.write(out, CLIENT_ID)?;
        if is_flexible(self.api_key, self.api_version) {
            out.write_unsigned_varint(0);
        }
        Ok(())
    }
}

/// Reads the body of a request.
///
/// Bytes after it are left alone, as Kafka leaves them: librdkafka ends its Metadata request for all topics with three
/// zeros too many (it keeps the room of a length that a null array does not need).
pub fn decode_request<R: Request>(mut input: Decoder, version: i16) -> Result<R, DecodeError> {
    if !R::VERSIONS.contains(&version) {
        return Err(DecodeProblem::UnsupportedVersion(version).into());
    }
    R::decode(&mut input, version)
}

/// The whole frame of a response, its length included.
pub fn encode_response(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &impl Message,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut body = Encoder::new();
    body.write_i32(correlation_id);
    if has_flexible_response_header(key, version) {
        body.write_unsigned_varint(0);
    }
    response.encode(&mut body, version)?;
    with_length(body)
}

/// The whole frame of a request, its length included.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    request: &R,
) -> Result<Vec<Bytes>, EncodeError> {
    if !R::VERSIONS.contains(&version) {
        return Err(EncodeError::UnsupportedVersion(version));
    }
    let header = RequestHeader {
        api_key: R::KEY.into(),
        api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
    };
    let mut body = Encoder::new();
    header.encode(&mut body)?;
    request.encode(&mut body, version)?;
    with_length(body)
}

/// Reads a response, all of it (without its length), and its correlation id.
pub fn decode_response<R: Request>(
    mut input: Decoder,
    version: i16,
) -> Result<(i32, R::Response), DecodeError> {
    let correlation_id = input.read_i32()?;
    if has_flexible_response_header(R::KEY, version) {
        read_tags(&mut input, &mut |_, value| skip(value))?;
    }
    let response = R::Response::decode(&mut input, version)?;
    input.finish()?;
    Ok((correlation_id, response))
}

fn with_length(body: Encoder) -> Result<Vec<Bytes>, EncodeError> {
    let length = i32::try_from(body.len()).map_err(|_| EncodeError::TooLong {
        field: "frame",
        length: body.len(),
    })?;
    let mut frame = Encoder::with_capacity(4 + body.len().min(4096));
    frame.write_i32(length);
    frame.write_all(body);
    Ok(frame.finish())
}

fn is_flexible(api_key: i16, version: i16) -> bool {
    ApiKey::try_from(api_key).is_ok_and(|key| key.is_flexible(version))
}

fn has_flexible_response_header(key: ApiKey, version: i16) -> bool {
    key != ApiKey::ApiVersions && key.is_flexible(version)
}
