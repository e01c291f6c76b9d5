use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

use super::bounds::Bounds;
use super::*;
use crate::serde::registry::fake::FakeRegistry;
use crate::serde::registry::{Reference, Subjects, WriteSchema};

const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"id","type":"string"},{"name":"cents","type":"long"},
    {"name":"ratio","type":"double"},{"name":"paid","type":"boolean"},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"counts","type":{"type":"map","values":"int"}},
    {"name":"state","type":{"type":"enum","name":"State","symbols":["Placed","Paid","Sent"]}},
    {"name":"item","type":{"type":"record","name":"Item","fields":[
        {"name":"name","type":"string"},{"name":"quantity","type":"int"}]}},
    {"name":"gift","type":["null","Item"],"default":null}]}"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Placed,
    Paid,
    Sent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
    quantity: i32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    cents: i64,
    ratio: f64,
    paid: bool,
    note: Option<String>,
    tags: Vec<String>,
    counts: BTreeMap<String, i32>,
    state: State,
    item: Item,
    gift: Option<Item>,
}

fn first() -> Order {
    Order {
        id: "o-0".into(),
        cents: 350,
        ratio: 0.5,
        paid: true,
        note: None,
        tags: vec!["a".into(), "b".into()],
        counts: BTreeMap::from([("x".into(), 7)]),
        state: State::Paid,
        item: Item {
            name: "cup".into(),
            quantity: 2,
        },
        gift: None,
    }
}

fn second() -> Order {
    let item = Item {
        name: "Tasse für München".into(),
        quantity: -70_000,
    };
    Order {
        id: "o-1".into(),
        cents: i64::MIN,
        ratio: -1e300,
        paid: false,
        note: Some("🚚".into()),
        tags: Vec::new(),
        counts: BTreeMap::new(),
        state: State::Sent,
        item: item.clone(),
        gift: Some(item),
    }
}

/// What Avro 1.12.1 for Java writes for both orders, with its plain and its blocking encoder.
const FIRST: &str = "066f2d30bc05000000000000e03f01000402610262000202780e0002066375700400";
const FIRST_IN_BLOCKS: &str =
    "066f2d30bc05000000000000e03f010003080261026200010602780e0002066375700400";
const SECOND: &str = "066f2d31ffffffffffffffffff019c7500883ce437fe000208f09f9a9a0000042654617373652066c3bc72204d\
    c3bc6e6368656edfc508022654617373652066c3bc72204dc3bc6e6368656edfc508";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8))
        .collect()
}

fn written<T>(serde: &impl Serde<T>, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = serde
        .serialize("orders", value, &mut bytes)
        .expect("it is written");
    assert_eq!(payload, Payload::Bytes);
    bytes
}

fn avro(text: &str) -> Schema {
    Schema {
        text: text.to_owned(),
        schema_type: SchemaType::Avro,
        references: Vec::new(),
    }
}

#[test]
fn orders_have_the_bytes_of_avro_for_java() {
    let serde = BareAvro::<Order>::new(ORDER).expect("a schema");
    for (order, java) in [(first(), FIRST), (second(), SECOND)] {
        assert_eq!(written(&serde, &order), unhex(java));
        assert_eq!(
            serde
                .deserialize("orders", &unhex(java))
                .expect("Java's bytes"),
            order
        );
    }
    let blocks = serde.deserialize("orders", &unhex(FIRST_IN_BLOCKS));
    assert_eq!(blocks.expect("Java's blocks"), first());
}

#[test]
fn a_registered_order_stands_behind_its_schemas_id() {
    let fake = FakeRegistry::start();
    fake.add("others-value", avro("\"string\""));
    let serde = Avro::<Order>::new(fake.client().values(), ORDER).expect("a schema");
    let bytes = written(&serde, &first());
    assert_eq!(bytes, [vec![0, 0, 0, 0, 2], unhex(FIRST)].concat());
    for _ in 0..3 {
        assert_eq!(
            serde.deserialize("orders", &bytes).expect("its own bytes"),
            first()
        );
    }
    assert_eq!(
        fake.lines(),
        ["POST /subjects/orders-value/versions", "GET /schemas/ids/2"]
    );
}

#[test]
fn subjects_are_named_after_the_records_full_name_where_told() {
    let fake = FakeRegistry::start();
    let binding = fake.client().keys().subjects(Subjects::Record);
    written(
        &Avro::<Order>::new(binding, ORDER).expect("a schema"),
        &first(),
    );
    assert_eq!(fake.lines(), ["POST /subjects/shop.Order/versions"]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    key: String,
    cents: f64,
    currency: String,
}

const OLD: &str = r#"{"type":"record","name":"Price","fields":[
    {"name":"id","type":"string"},{"name":"cents","type":"int"},{"name":"gone","type":["null","string"]}]}"#;
const NEW: &str = r#"{"type":"record","name":"Price","fields":[
    {"name":"key","aliases":["id"],"type":"string"},{"name":"cents","type":"double"},
    {"name":"currency","type":"string","default":"EUR"}]}"#;

#[derive(Serialize, Deserialize)]
struct Older {
    id: String,
    cents: i32,
    gone: Option<String>,
}

#[test]
fn what_an_older_schema_wrote_is_resolved_to_the_readers() {
    let fake = FakeRegistry::start();
    let older = Avro::<Older>::new(fake.client().values(), OLD).expect("a schema");
    let newer = Avro::<Newer>::new(fake.client().values(), NEW).expect("a schema");
    let price = Older {
        id: "cup".into(),
        cents: 350,
        gone: Some("text".into()),
    };
    let read = newer
        .deserialize("prices", &written(&older, &price))
        .expect("resolved");
    let expected = Newer {
        key: "cup".into(),
        cents: 350.0,
        currency: "EUR".into(),
    };
    assert_eq!(read, expected);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct All {
    one: Named,
    maybe: Option<Named>,
    list: Vec<Named>,
    map: BTreeMap<String, Named>,
}

#[test]
fn aliases_count_within_unions_arrays_maps_and_records() {
    let schema = |field: &str, alias: &str| {
        let item = format!(
            r#"{{"type":"record","name":"Item","fields":[{{"name":"{field}","aliases":[{alias}],"type":"string"}}]}}"#
        );
        let mut fields = String::new();
        for (name, before, behind) in [("one", "", ""), ("maybe", "[\"null\",", "]")] {
            let of = format!("Item{name}");
            let item = item.replacen("Item", &of, 1);
            fields.extend([format!(
                r#"{{"name":"{name}","type":{before}{item}{behind}}},"#
            )]);
        }
        let list = item.replacen("Item", "Listed", 1);
        let map = item.replacen("Item", "Mapped", 1);
        format!(
            r#"{{"type":"record","name":"All","fields":[{fields}
                {{"name":"list","type":{{"type":"array","items":{list}}}}},
                {{"name":"map","type":{{"type":"map","values":{map}}}}}]}}"#
        )
    };
    let fake = FakeRegistry::start();
    let id = fake.add("all-value", avro(&schema("title", "")));
    let serde =
        Avro::<All>::new(fake.client().values(), &schema("name", "\"title\"")).expect("a schema");
    let bytes = [
        &[0, 0, 0, 0, id as u8],
        b"\x02a\x02\x02b\x02\x02c\x00\x02\x02k\x02d\x00".as_slice(),
    ]
    .concat();
    let named = |name: &str| Named { name: name.into() };
    let expected = All {
        one: named("a"),
        maybe: Some(named("b")),
        list: vec![named("c")],
        map: BTreeMap::from([("k".into(), named("d"))]),
    };
    assert_eq!(
        serde.deserialize("all", &bytes).expect("resolved"),
        expected
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Count {
    n: i32,
}

#[test]
fn the_latest_schema_is_written_with_where_told() {
    let fake = FakeRegistry::start();
    let int = r#"{"type":"record","name":"Count","fields":[{"name":"n","type":"int"}]}"#;
    let long =
        r#"{"type":"record","name":"Count","fields":[{"name":"n","type":"long","doc":"wide"}]}"#;
    fake.add("orders-value", avro(long));
    let binding = fake.client().values().write(WriteSchema::Latest);
    let serde = Avro::<Count>::new(binding, int).expect("a schema");
    let mut bytes = Vec::new();
    let refused = serde.serialize("orders", &Count { n: 1 }, &mut bytes);
    let error = refused.expect_err("a long is no int to read").to_string();
    assert!(error.contains("schema 1"), "{error}");
    assert!(bytes.is_empty());

    let documented =
        r#"{"type":"record","name":"Count","fields":[{"name":"n","type":"int","doc":"narrow"}]}"#;
    let id = fake.add("counts-value", avro(documented));
    serde
        .serialize("counts", &Count { n: 1 }, &mut bytes)
        .expect("it is the same type");
    assert_eq!(bytes, [0, 0, 0, 0, id as u8, 2]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair {
    one: Item,
    two: Item,
}

#[test]
fn schemas_that_refer_to_others_are_put_together() {
    let fake = FakeRegistry::start();
    let item = r#"{"type":"record","name":"Item","namespace":"shop","fields":[
        {"name":"name","type":"string"},{"name":"quantity","type":"int"}]}"#;
    let pair = r#"{"type":"record","name":"Pair","namespace":"shop","fields":[
        {"name":"one","type":"shop.Item"},{"name":"two","type":"shop.Item"}]}"#;
    fake.add("shop.Item", avro(item));
    let reference = Reference {
        name: "shop.Item".into(),
        subject: "shop.Item".into(),
        version: 1,
    };
    let id = fake.add(
        "pairs-value",
        Schema {
            references: vec![reference],
            ..avro(pair)
        },
    );
    let own = pair.replacen("\"shop.Item\"", item, 1);
    let serde = Avro::<Pair>::new(fake.client().values(), &own).expect("a schema");
    let bytes = [&[0, 0, 0, 0, id as u8], b"\x02a\x02\x02b\x04".as_slice()].concat();
    let read = serde.deserialize("pairs", &bytes).expect("a pair");
    let item = |name: &str, quantity| Item {
        name: name.into(),
        quantity,
    };
    assert_eq!(
        read,
        Pair {
            one: item("a", 1),
            two: item("b", 2)
        }
    );
}

#[test]
fn a_schema_that_cannot_be_read_is_told_by_its_id() {
    let fake = FakeRegistry::start();
    let serde = Avro::<Order>::new(fake.client().values(), ORDER).expect("a schema");
    let json = Schema {
        schema_type: SchemaType::Json,
        ..avro("{}")
    };
    let error_of = |id: u32| {
        let bytes = [vec![0], id.to_be_bytes().to_vec(), unhex(FIRST)].concat();
        serde
            .deserialize("orders", &bytes)
            .expect_err("another schema")
            .to_string()
    };
    let error = error_of(fake.add("a", json));
    assert!(
        error.contains("schema 1: it is Json, where Avro is expected"),
        "{error}"
    );
    let error = error_of(fake.add("b", avro("\"string\"")));
    assert!(
        error.contains("schema 2: what it wrote cannot be read"),
        "{error}"
    );
    let error = error_of(fake.add("c", avro("nonsense")));
    assert!(error.contains("schema 3"), "{error}");
    let error = error_of(9);
    assert!(error.contains("no schema 9"), "{error}");
}

#[test]
fn a_schema_that_is_none_is_refused_when_the_serde_is_made() {
    let error = BareAvro::<Order>::new(r#"{"type":"record"}"#)
        .expect_err("no name")
        .to_string();
    assert!(error.starts_with("avro: the schema: "), "{error}");
}

#[test]
fn bytes_behind_a_value_are_refused() {
    let serde = BareAvro::<Item>::new(
        r#"{"type":"record","name":"Item","fields":[{"name":"name","type":"string"},{"name":"quantity","type":"int"}]}"#,
    );
    let read = serde
        .expect("a schema")
        .deserialize("items", b"\x02a\x02\x00\x00");
    let error = read.expect_err("two more").to_string();
    assert!(error.contains("2 bytes are left"), "{error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    next: Option<Box<Node>>,
}

const NODE: &str =
    r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#;

#[test]
fn recursive_data_is_read_unless_it_nests_too_deep() {
    let serde = BareAvro::<Node>::new(NODE).expect("a schema");
    let node = (0..10).fold(Node { next: None }, |node, _| Node {
        next: Some(Box::new(node)),
    });
    let bytes = written(&serde, &node);
    assert_eq!(bytes, b"\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x00");
    assert_eq!(serde.deserialize("nodes", &bytes).expect("ten deep"), node);
    let error = serde
        .deserialize("nodes", &vec![2; 1_000_000])
        .expect_err("a million deep")
        .to_string();
    assert!(error.contains("nested more than 64 deep"), "{error}");
}

#[test]
fn only_data_that_its_schema_does_not_bound_is_walked() {
    let bounds = |schema: &str| Bounds::of(&parse(schema).expect("a schema"));
    assert_eq!(
        bounds(ORDER),
        Bounds::BySchema,
        "a type that is used twice is no cycle"
    );
    assert_eq!(bounds(NODE), Bounds::ByWalk);
    let tree = r#"{"type":"record","name":"Tree","namespace":"n","fields":[
        {"name":"leaves","type":{"type":"map","values":{"type":"record","name":"Leaf","fields":[
            {"name":"under","type":["null",{"type":"array","items":["long","n.Tree"]}]}]}}}]}"#;
    assert_eq!(bounds(tree), Bounds::ByWalk, "a cycle through other types");
    assert_eq!(
        bounds(r#"{"type":"array","items":"long"}"#),
        Bounds::BySchema
    );
    assert_eq!(
        bounds(r#"{"type":"array","items":{"type":"fixed","name":"F","size":0}}"#),
        Bounds::ByWalk
    );
}

#[test]
fn counts_that_a_few_bytes_claim_are_not_believed() {
    let nulls = BareAvro::<Vec<()>>::new(r#"{"type":"array","items":"null"}"#).expect("a schema");
    assert_eq!(
        nulls
            .deserialize("nulls", b"\x06\x00")
            .expect("three nulls"),
        [(); 3]
    );
    let many = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
    let error = nulls
        .deserialize("nulls", &many)
        .expect_err("2^61 nulls")
        .to_string();
    assert!(error.contains("more than the data can have"), "{error}");
    let longs = BareAvro::<Vec<i64>>::new(r#"{"type":"array","items":"long"}"#).expect("a schema");
    longs.deserialize("longs", &many).expect_err("2^61 numbers");
    let text = BareAvro::<String>::new("\"string\"").expect("a schema");
    text.deserialize("texts", &many).expect_err("2^61 bytes");
    let map = BareAvro::<BTreeMap<String, i32>>::new(r#"{"type":"map","values":"int"}"#)
        .expect("a schema");
    map.deserialize("maps", &many).expect_err("2^61 entries");
}

#[test]
fn every_type_is_walked_as_it_is_read() {
    let schema = format!(
        r#"{{"type":"record","name":"All","fields":[{},
            {{"name":"order","type":{ORDER}}},{{"name":"empty","type":{{"type":"array","items":"null"}}}}]}}"#,
        r#"{"name":"float","type":"float"},{"name":"bytes","type":"bytes"},
           {"name":"fixed","type":{"type":"fixed","name":"F","size":3}},
           {"name":"uuid","type":{"type":"string","logicalType":"uuid"}},
           {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}"#
    );
    let datum = Datum::new(parse(&schema).expect("a schema"), None).expect("its names");
    assert_eq!(datum.bounds, Bounds::ByWalk);
    let uuid = b"\x48550e8400-e29b-41d4-a716-446655440000";
    let bytes = [
        &[0; 4],
        b"\x04xy".as_slice(),
        b"abc",
        uuid,
        b"\xd0\x0f",
        &unhex(SECOND),
        b"\x04\x00",
    ]
    .concat();
    datum.check(&bytes).expect("all of it");
    for length in 0..bytes.len() {
        let cut = bytes.get(..length).unwrap_or_default();
        datum.check(cut).expect_err("it is cut");
    }
}

proptest! {
    #[test]
    fn every_order_reads_as_it_was_written(
        id in ".*", cents: i64, ratio: f64, paid: bool, note in proptest::option::of(".*"),
        tags in vec(".*", 0..4), quantity: i32,
    ) {
        let item = Item { name: id.clone(), quantity };
        let gift = paid.then(|| item.clone());
        let order = Order { id, cents, ratio, paid, note, tags, item, gift, ..first() };
        let serde = BareAvro::<Order>::new(ORDER).expect("a schema");
        prop_assert_eq!(serde.deserialize("orders", &written(&serde, &order)).expect("its own bytes"), order);
    }

    #[test]
    fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..80), at in 0_usize..60) {
        let order = BareAvro::<Order>::new(ORDER).expect("a schema");
        let _ = order.deserialize("orders", &bytes);
        let mut damaged = unhex(SECOND);
        let from = at.min(damaged.len());
        damaged.splice(from.., bytes.iter().copied());
        let _ = order.deserialize("orders", &damaged);
        let _ = BareAvro::<Node>::new(NODE).expect("a schema").deserialize("nodes", &bytes);
    }
}
