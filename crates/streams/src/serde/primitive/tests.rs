use proptest::prelude::*;

use super::*;

/// What Apache Kafka 4.3.1's serializers write; the file's first line says what is in it.
const VECTORS: &str = include_str!("../../partitioner/kafka_4_3.tsv");

fn written<T>(serde: &impl Serde<T>, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = serde
        .serialize("topic", value, &mut bytes)
        .expect("it is written");
    assert_eq!(payload, Payload::Bytes);
    bytes
}

fn round_trip<T: PartialEq + std::fmt::Debug>(serde: &impl Serde<T>, value: &T) {
    let bytes = written(serde, value);
    assert_eq!(
        serde.deserialize("topic", &bytes).expect("its own bytes"),
        *value
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Holds a serde to Java's bytes.
fn check<T>(kind: &str, serde: &impl Serde<T>, parse: impl Fn(&str) -> T) {
    let mut checked = 0;
    for line in VECTORS.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        if let [of, text, expected, _] = columns[..]
            && of == kind
        {
            let bytes = hex(&written(serde, &parse(text)));
            assert_eq!(bytes, expected.trim_matches('-'), "{kind} {text}");
            checked += 1;
        }
    }
    assert!(checked > 0, "no vectors of {kind}");
}

#[test]
fn primitive_values_have_the_bytes_of_javas_serdes() {
    check("string", &Utf8, str::to_owned);
    check("long", &Long, |text| text.parse::<i64>().expect("long"));
    check("integer", &Int, |text| {
        text.parse::<i32>().expect("integer")
    });
    check("short", &Short, |text| text.parse::<i16>().expect("short"));
    check("double", &Double, |text| {
        text.replace("Infinity", "inf")
            .parse::<f64>()
            .expect("double")
    });
    check("float", &Float, |text| {
        text.replace("Infinity", "inf")
            .parse::<f32>()
            .expect("float")
    });
    check("boolean", &Boolean, |text| {
        text.parse::<bool>().expect("boolean")
    });
    check("uuid", &UuidString, |text| {
        text.parse::<Uuid>().expect("uuid")
    });
}

proptest! {
    #[test]
    fn every_value_reads_as_it_was_written(text in ".*", number: i64, real in any::<f64>(), flag: bool, id: u128) {
        round_trip(&Utf8, &text);
        round_trip(&Utf8, &Arc::<str>::from(text.as_str()));
        round_trip(&Long, &number);
        round_trip(&Long, &number.cast_unsigned());
        round_trip(&Int, &(number as i32));
        round_trip(&Int, &(number as u32));
        round_trip(&Short, &(number as i16));
        round_trip(&Short, &(number as u16));
        round_trip(&Double, &real);
        round_trip(&Float, &(real as f32));
        round_trip(&Boolean, &flag);
        round_trip(&Raw, &text.as_bytes().to_vec());
        round_trip(&Raw, &Bytes::from(text.into_bytes()));
        round_trip(&UuidString, &Uuid::from_u128(id));
        round_trip(&Nullable(Long), &Some(number));
    }
}

#[test]
fn a_null_payload_is_a_value_of_a_nullable_serde_only() {
    let mut bytes = Vec::new();
    let payload = Nullable(Long)
        .serialize("topic", &None::<i64>, &mut bytes)
        .expect("none is written");
    assert_eq!((payload, bytes.len()), (Payload::Null, 0));
    let nullable: &dyn Serde<Option<i64>> = &Nullable(Long);
    assert_eq!(nullable.deserialize_null(), Some(None));
    let plain: &dyn Serde<i64> = &Long;
    assert_eq!(plain.deserialize_null(), None);
}

#[test]
fn bytes_of_another_type_are_refused_by_name() {
    let read: Result<i32, _> = Int.deserialize("topic", b"12345678");
    assert_eq!(
        read.expect_err("a long").to_string(),
        "integer: 8 bytes, where it has 4"
    );
    let read: Result<Option<String>, _> = Nullable(Utf8).deserialize("topic", b"\xc3");
    let error = read.expect_err("half a character").to_string();
    assert!(error.starts_with("string: not UTF-8"), "{error}");
}
