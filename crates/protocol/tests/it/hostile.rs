//! Bytes that mean harm, or nothing: refused, without a panic and without memory to speak of.

use bytes::Bytes;
use headwater_protocol::messages;
use headwater_protocol::messages::consumer_protocol::ConsumerProtocolSubscription;
use headwater_protocol::messages::describe_groups::DescribeGroupsRequest;
use headwater_protocol::messages::metadata::{MetadataRequest, MetadataResponse};
use headwater_protocol::messages::produce::ProduceRequest;
use headwater_protocol::{DecodeError, DecodeProblem, Decoder, Encoder, Message, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::allocation::peak_of;
use crate::apis::every_api;
use crate::sample;

/// Arrays may take 8 bytes for each byte of input and 1 MiB, texts as much as the input.
fn memory_bound(input: usize) -> usize {
    (1 << 20) + 9 * input + 4096
}

fn decode<M: Message>(bytes: Bytes, version: i16) -> Result<M, DecodeError> {
    let bound = memory_bound(bytes.len());
    let (peak, result) = peak_of(|| M::decode(&mut Decoder::new(bytes), version));
    assert!(peak <= bound, "{peak} bytes held, {bound} allowed");
    result
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(cases)
    })
}

fn cut_short<M: Message>(version: i16) {
    let outcome = runner(4).run(&vec(any::<u8>(), 0..300), |entropy| {
        let bytes = Bytes::from(sample::encoded::<M>(version, &entropy));
        for end in 0..bytes.len() {
            let refused = decode::<M>(bytes.slice(..end), version).is_err();
            prop_assert!(refused, "{end} of {} bytes", bytes.len());
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Each byte of a valid message in turn replaced by those that make lengths huge or negative.
fn corrupted<M: Message>(version: i16) {
    let outcome = runner(4).run(&vec(any::<u8>(), 0..300), |entropy| {
        let bytes = sample::encoded::<M>(version, &entropy);
        for position in 0..bytes.len() {
            for replacement in [
                [0x7f; 5],
                [0xff; 5],
                [0x80; 5],
                [0xff, 0xff, 0xff, 0xff, 0x0f],
            ] {
                let mut hostile = bytes.clone();
                let end = bytes.len().min(position + replacement.len());
                hostile[position..end].copy_from_slice(&replacement[..end - position]);
                let _ = decode::<M>(hostile.into(), version);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

fn garbage<M: Message>(version: i16) {
    let outcome = runner(64).run(&vec(any::<u8>(), 0..2000), |bytes| {
        let _ = decode::<M>(bytes.into(), version);
        Ok(())
    });
    outcome.unwrap();
}

/// What a newer client adds is passed over, at every depth.
fn unknown_tags_are_skipped<M: Message>(version: i16) {
    let outcome = runner(16).run(&sample::entropy(), |entropy| {
        let plain = Bytes::from(sample::encoded::<M>(version, &entropy));
        let newer = Bytes::from(sample::encoded_by_the_future::<M>(version, &entropy));
        let flexible = M::SCHEMA
            .first_flexible
            .is_some_and(|first| version >= first);
        prop_assert_eq!(plain != newer, flexible);
        prop_assert_eq!(decode::<M>(newer, version), decode::<M>(plain, version));
        Ok(())
    });
    outcome.unwrap();
}

fn withstands<R: Request>() {
    for version in R::VERSIONS {
        unknown_tags_are_skipped::<R>(version);
        unknown_tags_are_skipped::<R::Response>(version);
        cut_short::<R>(version);
        cut_short::<R::Response>(version);
        corrupted::<R>(version);
        garbage::<R>(version);
        garbage::<R::Response>(version);
    }
}

macro_rules! tests {
    ($($module:ident $request:ident $response:ident;)*) => {$(
        #[test]
        fn $module() {
            withstands::<messages::$module::$request>();
        }
    )*};
}

every_api!(tests);

fn problem<T>(result: Result<T, DecodeError>) -> DecodeProblem {
    result.map(drop).unwrap_err().problem
}

#[test]
fn an_array_longer_than_its_input_is_refused_before_memory_is_taken() {
    // Two billion topics, in the classic and in the compact form.
    for (version, bytes) in [
        (5, &[0x7f, 0xff, 0xff, 0xff, 0, 0][..]),
        (12, &[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0]),
    ] {
        let input = Bytes::copy_from_slice(bytes);
        let (peak, result) = peak_of(|| MetadataRequest::decode(&mut Decoder::new(input), version));
        let error = result.unwrap_err();
        assert!(
            matches!(error.problem, DecodeProblem::ImpossibleCount { .. }),
            "{error}"
        );
        assert_eq!(error.field, Some("topics"));
        assert!(peak < 256, "{peak}");
    }
}

#[test]
fn a_count_is_held_against_the_least_size_of_an_element() {
    // 30 brokers of at least 9 bytes each cannot be in 100 bytes, although 30 bytes could.
    let mut out = Encoder::new();
    out.write_i32(30);
    out.write_slice(&[0; 100]);
    assert_eq!(
        problem(decode::<MetadataResponse>(out.into_bytes(), 0)),
        DecodeProblem::ImpossibleCount {
            length: 30,
            remaining: 100
        }
    );
}

#[test]
fn small_elements_cannot_ask_for_many_times_the_input() {
    // Eight million empty names of one byte each would take 24 bytes apiece.
    let mut out = Encoder::new();
    out.write_unsigned_varint(8_000_001);
    out.write_slice(&vec![1; 8_000_000]);
    out.write_slice(&[0, 0]);
    let input = out.into_bytes();
    let (peak, result) = peak_of(|| DescribeGroupsRequest::decode(&mut Decoder::new(input), 5));
    assert_eq!(problem(result), DecodeProblem::MemoryLimit);
    assert!(peak < 256, "{peak}");
}

#[test]
fn large_requests_of_ordinary_shape_are_within_the_memory_allowed() {
    let groups: Vec<_> = (0..200_000).map(|n| format!("group-{n}")).collect();
    let request = DescribeGroupsRequest {
        groups,
        ..DescribeGroupsRequest::default()
    };
    let mut out = Encoder::new();
    request.encode(&mut out, 5).unwrap();
    assert_eq!(
        decode::<DescribeGroupsRequest>(out.into_bytes(), 5),
        Ok(request)
    );
}

#[test]
fn negative_lengths_and_missing_nulls_are_refused() {
    let minus_two = Bytes::from_static(&[0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(
        problem(decode::<MetadataRequest>(minus_two, 1)),
        DecodeProblem::NegativeLength(-2)
    );
    // Version 0 has no null topics.
    let minus_one = Bytes::from_static(&[0xff; 4]);
    assert_eq!(
        problem(decode::<MetadataRequest>(minus_one.clone(), 0)),
        DecodeProblem::NullNotAllowed
    );
    let all_topics = decode::<MetadataRequest>(minus_one, 1).unwrap();
    assert_eq!(all_topics.topics, None);
}

#[test]
fn text_must_be_utf8() {
    let bytes = Bytes::from_static(&[0, 0, 0, 1, 0, 2, 0xc3, 0x28]);
    let error = decode::<MetadataRequest>(bytes, 0).unwrap_err();
    assert_eq!(error.to_string(), "field name: text is not UTF-8");
}

#[test]
fn text_longer_than_kafkas_limit_is_refused() {
    let mut out = Encoder::new();
    out.write_unsigned_varint(2);
    out.write_unsigned_varint(32_769);
    out.write_slice(&vec![b'g'; 32_768]);
    out.write_slice(&[0, 0]);
    assert_eq!(
        problem(decode::<DescribeGroupsRequest>(out.into_bytes(), 5)),
        DecodeProblem::OversizedText(32_768)
    );
}

#[test]
fn varints_end_within_their_type() {
    for bytes in [
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..],
        &[0xff, 0xff, 0xff, 0xff, 0x1f],
        &[0xff; 9],
    ] {
        let mut input = Decoder::new(Bytes::copy_from_slice(bytes));
        let result = input.read_unsigned_varint();
        assert_eq!(problem(result), DecodeProblem::OversizedVarint);
    }
    let mut largest = Decoder::new(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]));
    assert_eq!(largest.read_unsigned_varint(), Ok(u32::MAX));
}

/// A flexible request without tagged fields, and what follows its last field replaced.
fn metadata_with_tags(tags: &[u8]) -> Result<MetadataRequest, DecodeError> {
    let mut out = Encoder::new();
    MetadataRequest::default().encode(&mut out, 12).unwrap();
    let plain = out.into_bytes();
    let mut bytes = plain[..plain.len() - 1].to_vec();
    bytes.extend(tags);
    let mut input = Decoder::new(bytes.into());
    let request = MetadataRequest::decode(&mut input, 12)?;
    input.finish()?;
    Ok(request)
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    let request = metadata_with_tags(&[2, 5, 3, b'a', b'b', b'c', 200, 1, 0]);
    assert_eq!(request, Ok(MetadataRequest::default()));
}

#[test]
fn tagged_fields_are_in_ascending_order_and_never_twice() {
    assert_eq!(
        problem(metadata_with_tags(&[2, 5, 0, 5, 0])),
        DecodeProblem::TagOrder {
            previous: 5,
            tag: 5
        }
    );
    assert_eq!(
        problem(metadata_with_tags(&[2, 5, 0, 4, 0])),
        DecodeProblem::TagOrder {
            previous: 5,
            tag: 4
        }
    );
}

#[test]
fn tagged_fields_cannot_be_larger_or_more_than_what_is_left() {
    assert_eq!(
        problem(metadata_with_tags(&[1, 5, 4, 0])),
        DecodeProblem::Truncated {
            needed: 4,
            remaining: 1
        }
    );
    assert_eq!(
        problem(metadata_with_tags(&[0xff, 0xff, 0xff, 0xff, 0x0f])),
        DecodeProblem::ImpossibleCount {
            length: u32::MAX as usize,
            remaining: 0
        }
    );
}

#[test]
fn byte_fields_are_slices_of_the_input() {
    let mut out = Encoder::new();
    let subscription = ConsumerProtocolSubscription {
        user_data: Some(Bytes::from(vec![9; 100_000])),
        ..ConsumerProtocolSubscription::default()
    };
    subscription.encode(&mut out, 0).unwrap();
    let input = out.into_bytes();
    let (peak, decoded) =
        peak_of(|| ConsumerProtocolSubscription::decode(&mut Decoder::new(input), 0));
    assert_eq!(decoded, Ok(subscription));
    assert!(peak < 1024, "{peak}");
}

#[test]
fn deeply_nested_counts_share_one_limit() {
    // A thousand topics, each claiming as many partitions as could be in all that is left.
    let mut out = Encoder::new();
    out.write_i16(-1);
    out.write_i16(1);
    out.write_i32(1000);
    out.write_i32(1000);
    for _ in 0..1000 {
        out.write_i16(0);
        out.write_i32(i32::from(i16::MAX));
        out.write_slice(&[0; 600]);
    }
    assert!(decode::<ProduceRequest>(out.into_bytes(), 3).is_err());
}
