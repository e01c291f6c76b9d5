use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::serde::{Long, Payload, SerdeError, WindowedSerde};
use crate::{OnInvalid, TimeWindow, Windowed};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    placed_at: i64,
}

const ORDERS: Topic<String, Order> = Topic::json("orders")
    .reset(OffsetReset::Latest)
    .timestamps(Timestamps::of_value(|order: &Order| order.placed_at).on_invalid(OnInvalid::Skip));
const REVENUE: Topic<Windowed<String>, u64> = Topic::json("revenue");
const TOTALS: Topic<Windowed<String>, i64> =
    Topic::new("totals", &WindowedSerde::new(Duration::from_mins(1)), &Long);
const NAMES: Topic<u64, String> = Topic::string("names");
const BLOBS: Topic<u64, Bytes> = Topic::bytes("blobs");

fn write<T>(codec: &Codec<T>, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = codec
        .serialize("topic", value, &mut bytes)
        .expect("it is written");
    assert_eq!(payload, Payload::Bytes);
    bytes
}

#[test]
fn topics_are_constants_that_know_their_serdes() {
    let order = Order {
        item: "cup".into(),
        placed_at: 7,
    };
    assert_eq!(ORDERS.name(), "orders");
    assert_eq!(write(ORDERS.key_codec(), &"o-1".to_owned()), b"o-1");
    assert_eq!(
        write(ORDERS.value_codec(), &order),
        br#"{"item":"cup","placed_at":7}"#
    );
    assert_eq!(write(NAMES.value_codec(), &"cup".to_owned()), b"cup");
    assert_eq!(write(NAMES.key_codec(), &1), 1_u64.to_be_bytes());
    assert_eq!(
        write(BLOBS.value_codec(), &Bytes::from_static(b"\0\xff")),
        b"\0\xff"
    );
    assert_eq!(write(REVENUE.value_codec(), &42), b"42");
    let extractor = format!("{:?}", ORDERS.timestamp_extractor());
    assert_eq!(extractor, "Timestamps(value, Skip)");
}

#[test]
fn a_topic_begins_at_its_first_record_unless_told_otherwise() {
    assert_eq!(REVENUE.offset_reset(), OffsetReset::Earliest);
    assert_eq!(ORDERS.offset_reset(), OffsetReset::Latest);
    assert_eq!(
        ORDERS.reset(OffsetReset::None).offset_reset(),
        OffsetReset::None
    );
}

#[test]
fn the_end_of_a_window_is_read_where_the_topic_knows_its_size() {
    let key = Windowed::new("cup".to_owned(), TimeWindow::of_size(60_000, 60_000));
    let bytes = write(TOTALS.key_codec(), &key);
    assert_eq!(bytes, write(REVENUE.key_codec(), &key));
    let read = |codec: &Codec<Windowed<String>>| {
        codec.deserialize("totals", &bytes).expect("its own bytes")
    };
    assert_eq!(read(TOTALS.key_codec()), key);
    assert_eq!(read(REVENUE.key_codec()).window.end, i64::MAX);
    for codec in [TOTALS.key_codec(), REVENUE.key_codec()] {
        assert_eq!(
            codec.route(&bytes),
            b"cup",
            "windows are partitioned by their key"
        );
    }
}

#[test]
fn a_null_payload_is_read_as_none_where_it_is_no_value() {
    assert_eq!(
        ORDERS.value_codec().read("orders", None).expect("null"),
        None
    );
    let nullable: Topic<String, Option<u64>> = Topic::json("counts");
    assert_eq!(
        nullable.value_codec().read("counts", None).expect("null"),
        Some(None)
    );
    assert_eq!(
        nullable
            .value_codec()
            .read("counts", Some(b"7"))
            .expect("7"),
        Some(Some(7))
    );
    assert!(
        nullable
            .value_codec()
            .read("counts", Some(b"seven"))
            .is_err()
    );
}

/// Prices as text with a currency: a serde that is made at run time.
struct Price(String);

impl Serde<u64> for Price {
    fn serialize(&self, _: &str, value: &u64, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        into.extend_from_slice(format!("{value} {}", self.0).as_bytes());
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<u64, SerdeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| SerdeError::new("price", error))?;
        let number = text.strip_suffix(&self.0).map(str::trim);
        number
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| SerdeError::new("price", format!("no price in {} on {topic}", self.0)))
    }
}

#[test]
fn serdes_and_names_may_be_known_at_run_time_only() {
    let topic: Topic<String, u64> = Topic::json("prices");
    let topic = topic.with_value(Price("EUR".into())).with_key(KeySerde);
    assert_eq!(write(topic.value_codec(), &350), b"350 EUR");
    let copy = topic.clone();
    let error = copy
        .value_codec()
        .deserialize(copy.name(), b"350 USD")
        .expect_err("dollars");
    assert_eq!(error.to_string(), "price: no price in EUR on prices");

    let named = Topic::named(
        format!("prices-{}", 7),
        copy.key_codec().clone(),
        Codec::shared(Price("USD".into())),
    );
    assert_eq!(
        (named.name(), write(named.value_codec(), &1).as_slice()),
        ("prices-7", b"1 USD".as_slice())
    );
}

#[test]
fn a_topics_partitioner_chooses_for_its_records() {
    assert!(NAMES.custom_partitioner().is_none());
    let topic = NAMES.partitioner(|_, key, _, partitions| {
        key.map(|key| Partitions::One((key % u64::from(partitions.unsigned_abs())) as i32))
    });
    let partitioner = topic.custom_partitioner().expect("it was set");
    assert_eq!(
        partitioner.choose("names", Some(&8), None, 3),
        Some(Partitions::One(2))
    );
    assert_eq!(partitioner.choose("names", None, None, 3), None);
}
