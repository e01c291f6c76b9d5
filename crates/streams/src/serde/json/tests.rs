use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    cents: u64,
}

fn write<T: Serialize + DeserializeOwned + 'static>(
    value: &T,
) -> Result<(Payload, Vec<u8>), SerdeError> {
    let mut bytes = b"before".to_vec();
    let payload = Json.serialize("orders", value, &mut bytes);
    assert!(bytes.starts_with(b"before"), "writing appends");
    payload.map(|payload| (payload, bytes.split_off(6)))
}

fn null<T: Serialize + DeserializeOwned + 'static>() -> Option<T> {
    Json.deserialize_null()
}

#[test]
fn a_value_is_the_json_of_its_own_serialize() {
    let order = Order {
        item: "cup".into(),
        cents: 350,
    };
    let (payload, bytes) = write(&order).expect("an order has JSON");
    assert_eq!(payload, Payload::Bytes);
    assert_eq!(bytes, br#"{"item":"cup","cents":350}"#);
    let read: Order = Json.deserialize("orders", &bytes).expect("its own bytes");
    assert_eq!(read, order);
}

#[test]
fn json_null_is_a_null_payload_in_both_directions() {
    assert_eq!(
        write(&None::<Order>).expect("none"),
        (Payload::Null, Vec::new())
    );
    assert_eq!(null::<Option<Order>>(), Some(None));
    assert_eq!(null::<serde_json::Value>(), Some(serde_json::Value::Null));
}

#[test]
fn a_null_payload_is_no_value_of_a_type_without_null() {
    assert_eq!(null::<Order>(), None);
    assert_eq!(null::<u64>(), None);
    assert_eq!(null::<String>(), None);
    assert_eq!(null::<Vec<u8>>(), None);
}

#[test]
fn a_number_that_json_does_not_know_is_an_error_and_no_tombstone() {
    let error = write(&f64::NAN).expect_err("NaN").to_string();
    assert!(error.contains("has no JSON"), "{error}");
}

#[test]
fn a_value_that_fails_half_way_leaves_nothing_behind() {
    let keyed_by_pairs = BTreeMap::from([((1, 2), 3)]);
    let mut bytes = b"before".to_vec();
    let refused = Json.serialize("orders", &keyed_by_pairs, &mut bytes);
    assert!(refused.is_err(), "JSON's keys are strings");
    assert_eq!(bytes, b"before");
}

#[test]
fn hostile_json_is_refused_with_the_place() {
    let deep = "[".repeat(100_000);
    for bytes in [
        b"".as_slice(),
        b"{",
        b"\xff\xff",
        b"{\"item\":1}",
        deep.as_bytes(),
    ] {
        let read: Result<Order, _> = Json.deserialize("orders", bytes);
        let error = read.expect_err("no order").to_string();
        assert!(
            error.starts_with("json: ") && error.contains("column"),
            "{error}"
        );
    }
    let read: Result<serde_json::Value, _> = Json.deserialize("orders", deep.as_bytes());
    assert!(
        read.expect_err("too deep")
            .to_string()
            .contains("recursion limit")
    );
}

proptest! {
    #[test]
    fn every_value_reads_as_it_was_written(item in ".*", cents: u64, present: bool) {
        let value = present.then_some(Order { item, cents });
        let (payload, bytes) = write(&value).expect("an order has JSON");
        let read: Option<Order> = match payload {
            Payload::Bytes => Json.deserialize("orders", &bytes).expect("its own bytes"),
            Payload::Null => Json.deserialize_null().expect("null is a value"),
        };
        prop_assert_eq!(read, value);
    }
}
