//! Ours against the crate `kafka-protocol`: the same bytes, read and written by both.
//!
//! That crate lacks the newest version of `DescribeLogDirs`, `ListOffsets`, `OffsetCommit`,
//! `OffsetFetch` and `WriteTxnMarkers`; those are compared with Kafka itself by `xtask compat`.

use bytes::{Bytes, BytesMut};
use headwater_protocol::messages;
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use headwater_protocol::{Decoder, Encoder, Message};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message as TheirMessage};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Debug;

use crate::apis::every_api;
use crate::sample;

/// Samples of each message at each version.
const CASES: u32 = 48;

fn decode_ours<M: Message>(bytes: &Bytes, version: i16) -> M {
    let mut input = Decoder::new(bytes.clone());
    let message = M::decode(&mut input, version).unwrap();
    input.finish().unwrap();
    message
}

fn encode_ours(message: &impl Message, version: i16) -> Bytes {
    let mut out = Encoder::new();
    message.encode(&mut out, version).unwrap();
    out.into_bytes()
}

fn decode_theirs<T: Decodable>(bytes: &Bytes, version: i16) -> T {
    let mut input = bytes.clone();
    let message = T::decode(&mut input, version).unwrap();
    assert!(input.is_empty(), "they left {} bytes", input.len());
    message
}

fn encode_theirs(message: &impl Encodable, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

fn agree_at<M, T>(version: i16)
where
    M: Message,
    T: TheirMessage + Encodable + Decodable + Debug + PartialEq,
{
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    });
    let outcome = runner.run(&sample::entropy(), |entropy| {
        let bytes = Bytes::from(sample::encoded::<M>(version, &entropy));
        let ours: M = decode_ours(&bytes, version);
        let theirs: T = decode_theirs(&bytes, version);

        // What we write they read, and write in the same way; and the reverse.
        let by_us = encode_ours(&ours, version);
        let by_them = encode_theirs(&theirs, version);
        prop_assert_eq!(&by_us, &by_them);
        prop_assert_eq!(decode_theirs::<T>(&by_us, version), theirs);
        prop_assert_eq!(decode_ours::<M>(&by_them, version), ours);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{} at version {version}: {error}", M::SCHEMA.name);
    }
}

/// Every version that both have; how many.
fn agree<M, T>(versions: impl Iterator<Item = i16>) -> usize
where
    M: Message,
    T: TheirMessage + Encodable + Decodable + Debug + PartialEq,
{
    versions
        .filter(|version| (T::VERSIONS.min..=T::VERSIONS.max).contains(version))
        .map(|version| agree_at::<M, T>(version))
        .count()
}

/// How many of our messages' versions that crate does not know.
fn missing(module: &str) -> usize {
    match module {
        "describe_log_dirs" | "list_offsets" | "write_txn_markers" => 2,
        "offset_commit" | "offset_fetch" => 1,
        _ => 0,
    }
}

macro_rules! tests {
    ($($module:ident $request:ident $response:ident;)*) => {$(
        #[test]
        fn $module() {
            use headwater_protocol::Request;
            use messages::$module::{$request, $response};
            let compared = agree::<$request, theirs::$request>($request::VERSIONS)
                + agree::<$response, theirs::$response>($request::VERSIONS);
            assert_eq!(compared + missing(stringify!($module)), 2 * $request::VERSIONS.count());
        }
    )*};
}

every_api!(tests);

#[test]
fn consumer_protocol() {
    agree::<ConsumerProtocolSubscription, theirs::ConsumerProtocolSubscription>(0..=3);
    agree::<ConsumerProtocolAssignment, theirs::ConsumerProtocolAssignment>(0..=3);
}
