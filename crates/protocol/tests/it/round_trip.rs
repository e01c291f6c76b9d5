//! Whatever is read is written back as it was, at every version of every message.

use bytes::Bytes;
use headwater_protocol::messages;
use headwater_protocol::messages::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use headwater_protocol::{Decoder, Encoder, Message, Request};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::apis::every_api;
use crate::sample;

/// Samples of each message at each version.
const CASES: u32 = 64;

fn round_trips<M: Message>(version: i16) {
    let name = M::SCHEMA.name;
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    });
    let outcome = runner.run(&sample::entropy(), |entropy| {
        let bytes = Bytes::from(sample::encoded::<M>(version, &entropy));
        let mut input = Decoder::new(bytes.clone());
        let message = M::decode(&mut input, version).unwrap();
        prop_assert!(input.is_empty(), "{} bytes left", input.remaining());

        let mut out = Encoder::new();
        message.encode(&mut out, version).unwrap();
        prop_assert_eq!(out.len(), bytes.len());
        let encoded = out.into_bytes();
        prop_assert_eq!(&encoded, &bytes);

        let again = M::decode(&mut Decoder::new(encoded), version).unwrap();
        prop_assert_eq!(again, message);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name} at version {version}: {error}");
    }
}

fn request_and_response_round_trip<R: Request>() {
    for version in R::VERSIONS {
        round_trips::<R>(version);
        round_trips::<R::Response>(version);
    }
}

macro_rules! tests {
    ($($module:ident $request:ident $response:ident;)*) => {$(
        #[test]
        fn $module() {
            request_and_response_round_trip::<messages::$module::$request>();
        }
    )*};
}

every_api!(tests);

#[test]
fn consumer_protocol() {
    for version in 0..=3 {
        round_trips::<ConsumerProtocolSubscription>(version);
        round_trips::<ConsumerProtocolAssignment>(version);
    }
}

/// The default of every message can be written at every version: nothing in it is unsupported.
fn default_is_always_encodable<R: Request>() {
    for version in R::VERSIONS {
        let mut out = Encoder::new();
        R::default().encode(&mut out, version).unwrap();
        R::Response::default().encode(&mut out, version).unwrap();
        let mut input = Decoder::new(out.into_bytes());
        assert_eq!(R::decode(&mut input, version).unwrap(), R::default());
        assert_eq!(
            R::Response::decode(&mut input, version).unwrap(),
            R::Response::default()
        );
        input.finish().unwrap();
    }
}

macro_rules! defaults {
    ($($module:ident $request:ident $response:ident;)*) => {
        #[test]
        fn defaults_round_trip_at_every_version() {
            $(default_is_always_encodable::<messages::$module::$request>();)*
        }
    };
}

every_api!(defaults);
