//! What `#[derive(Message)]` makes of its attributes, on structs of this file: also what other
//! crates do for the records they persist.

use bytes::Bytes;
use headwater_protocol::{DecodeProblem, Decoder, EncodeError, Encoder, Message};

/// Not flexible, as the oldest persisted records.
#[derive(Debug, Clone, PartialEq, Message)]
struct Plain {
    group: String,
    #[field(versions = 1.., default = -1)]
    epoch: i32,
    #[field(versions = 2..=3, ignorable)]
    note: Option<String>,
    #[field(nullable = 2.., default = Some(Vec::new()))]
    parts: Option<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq, Message)]
struct Part {
    index: i32,
}

/// Flexible from 1 on, with tagged fields out of their order.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 1)]
struct Tagged {
    name: String,
    #[field(versions = 2.., tag = 3, default = 7)]
    late: i64,
    #[field(versions = 1.., tag = 0)]
    early: Option<Inner>,
    /// In line at first, tagged later.
    #[field(tag = 1, tagged = 2..)]
    moved: u16,
    ratio: f64,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 1)]
struct Inner {
    on: bool,
}

#[derive(Debug, Clone, PartialEq, Message)]
struct Empty {}

fn encode(message: &impl Message, version: i16) -> Result<Bytes, EncodeError> {
    let mut out = Encoder::new();
    message.encode(&mut out, version)?;
    Ok(out.into_bytes())
}

fn decode<M: Message>(bytes: &[u8], version: i16) -> M {
    let mut input = Decoder::new(Bytes::copy_from_slice(bytes));
    let message = M::decode(&mut input, version).unwrap();
    input.finish().unwrap();
    message
}

#[test]
fn defaults_are_those_of_the_attributes() {
    let plain = Plain::default();
    assert_eq!(
        (plain.epoch, plain.note, plain.parts),
        (-1, None, Some(Vec::new()))
    );
    assert_eq!(Tagged::default().late, 7);
}

#[test]
fn a_field_is_written_at_its_versions_only() {
    let plain = Plain {
        group: "g".to_owned(),
        epoch: 5,
        note: Some("n".to_owned()),
        ..Plain::default()
    };
    assert_eq!(
        encode(&plain, 3).unwrap().as_ref(),
        [0, 1, b'g', 0, 0, 0, 5, 0, 1, b'n', 0, 0, 0, 0]
    );
    // The note is ignorable: dropped where no version carries it.
    let at_one = encode(&plain, 1).unwrap();
    assert_eq!(at_one.as_ref(), [0, 1, b'g', 0, 0, 0, 5, 0, 0, 0, 0]);
    assert_eq!(
        decode::<Plain>(&at_one, 1),
        Plain {
            note: None,
            ..plain
        }
    );
}

#[test]
fn a_value_that_the_version_cannot_carry_is_refused() {
    let plain = Plain {
        epoch: 5,
        ..Plain::default()
    };
    let error = encode(&plain, 0).unwrap_err();
    assert_eq!(
        error,
        EncodeError::UnsupportedField {
            field: "epoch",
            version: 0
        }
    );
    assert_eq!(
        error.to_string(),
        "field epoch has a value that version 0 cannot carry"
    );
    assert!(
        encode(&Plain::default(), 0).is_ok(),
        "the default says nothing"
    );

    let early = Tagged {
        early: Some(Inner { on: true }),
        ..Tagged::default()
    };
    assert!(encode(&early, 0).is_err(), "a tagged field is no exception");
}

#[test]
fn null_is_written_only_where_allowed() {
    let plain = Plain {
        parts: None,
        ..Plain::default()
    };
    assert_eq!(
        encode(&plain, 1),
        Err(EncodeError::NullNotAllowed {
            field: "parts",
            version: 1
        })
    );
    let bytes = encode(&plain, 2).unwrap();
    assert_eq!(decode::<Plain>(&bytes, 2), plain);
}

#[test]
fn arrays_hold_structs() {
    let plain = Plain {
        parts: Some(vec![Part { index: 1 }, Part { index: -1 }]),
        ..Plain::default()
    };
    let bytes = encode(&plain, 0).unwrap();
    assert_eq!(
        bytes.as_ref(),
        [0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]
    );
    assert_eq!(decode::<Plain>(&bytes, 0), plain);
}

#[test]
fn tagged_fields_are_in_the_order_of_their_numbers_and_only_when_they_say_something() {
    let tagged = Tagged {
        name: "t".to_owned(),
        late: 1,
        early: Some(Inner { on: true }),
        moved: 2,
        ratio: 0.0,
    };
    let mut expected = vec![2, b't', 0, 0, 0, 0, 0, 0, 0, 0, 3];
    expected.extend([0, 3, 1, 1, 0]); // a struct that is there, its field, its own tags
    expected.extend([1, 2, 0, 2]);
    expected.extend([3, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
    let bytes = encode(&tagged, 2).unwrap();
    assert_eq!(bytes.as_ref(), expected);
    assert_eq!(decode::<Tagged>(&bytes, 2), tagged);

    let silent = encode(&Tagged::default(), 2).unwrap();
    assert_eq!(silent.as_ref(), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_field_can_move_from_its_place_into_the_tagged_ones() {
    let tagged = Tagged {
        moved: 258,
        ..Tagged::default()
    };
    let in_line = encode(&tagged, 0).unwrap();
    assert_eq!(in_line.as_ref(), [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode::<Tagged>(&in_line, 0), tagged);
    let tagged_late = encode(&tagged, 2).unwrap();
    assert_eq!(decode::<Tagged>(&tagged_late, 2), tagged);
}

#[test]
fn a_tag_of_a_later_version_is_unknown_to_an_earlier_one() {
    let bytes = [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 8, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    assert_eq!(decode::<Tagged>(&bytes, 1), Tagged::default());
}

#[test]
fn a_tagged_value_is_used_up() {
    let bytes = Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 0, 2, 0]);
    let error = Tagged::decode(&mut Decoder::new(bytes), 2).unwrap_err();
    assert_eq!(error.problem, DecodeProblem::TrailingBytes(1));
}

#[test]
fn a_struct_without_fields_takes_no_bytes() {
    assert_eq!(encode(&Empty {}, 0).unwrap().len(), 0);
    assert_eq!(decode::<Empty>(&[], 0), Empty {});
}

#[test]
fn the_least_size_counts_what_every_version_has() {
    assert_eq!(Plain::MINIMUM_SIZE, 2);
    assert_eq!(Part::MINIMUM_SIZE, 4);
    assert_eq!(Tagged::MINIMUM_SIZE, 9);
}

#[test]
fn bytes_after_a_message_are_left_to_the_caller() {
    let mut input = Decoder::new(Bytes::from_static(&[0, 0, 0, 9, 1, 2]));
    assert_eq!(Part::decode(&mut input, 0).unwrap(), Part { index: 9 });
    assert_eq!(input.remaining(), 2);
    assert_eq!(input.read_rest().as_ref(), [1, 2]);
    assert!(input.finish().is_ok());
}

#[test]
fn text_longer_than_kafkas_limit_is_refused() {
    let plain = Plain {
        group: "x".repeat(32_768),
        ..Plain::default()
    };
    assert_eq!(
        encode(&plain, 0),
        Err(EncodeError::TooLong {
            field: "group",
            length: 32_768
        })
    );
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
struct Nested {
    number: i32,
}

#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
struct Marked {
    in_line: Option<Nested>,
    #[field(tag = 0, default = Some(Nested::default()))]
    tagged: Option<Nested>,
}

#[test]
fn a_null_struct_is_marked_by_minus_one_in_line_and_by_zero_in_a_tag() {
    for (tagged, bytes) in [
        (Some(Nested::default()), &[0xff, 0][..]),
        (None, &[0xff, 1, 0, 1, 0]),
        (
            Some(Nested { number: 7 }),
            &[0xff, 1, 0, 6, 1, 0, 0, 0, 7, 0],
        ),
    ] {
        let marked = Marked {
            in_line: None,
            tagged,
        };
        let mut out = Encoder::new();
        marked.encode(&mut out, 0).unwrap();
        let encoded = out.into_bytes();
        assert_eq!(&encoded[..], bytes);
        assert_eq!(Marked::decode(&mut Decoder::new(encoded), 0), Ok(marked));
    }
}

#[test]
fn a_field_named_after_a_keyword_keeps_its_name() {
    use headwater_protocol::messages::describe_client_quotas::ComponentData;
    assert_eq!(ComponentData::SCHEMA.fields[2].name, "match");
}
