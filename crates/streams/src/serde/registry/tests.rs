mod connections;

use super::fake::{FakeRegistry, Fault};
use super::*;
use crate::serde::{JsonSchema, Nullable, Payload, Serde};

const TEXT: &str = r#"{"title":"Order","type":"object"}"#;

fn schema(text: &str) -> Schema {
    Schema {
        text: text.to_owned(),
        schema_type: SchemaType::Json,
        references: Vec::new(),
    }
}

/// A client that asks twice at most.
fn twice(url: &str) -> Registry {
    RegistryConfig::new(url)
        .attempts(2)
        .build()
        .expect("a registry")
}

#[test]
fn a_schema_is_asked_for_once() {
    let fake = FakeRegistry::start();
    let id = fake.add("orders-value", schema(TEXT));
    let registry = fake.client();
    for _ in 0..3 {
        assert_eq!(*registry.schema(id).expect("it is there"), schema(TEXT));
    }
    assert_eq!(
        *registry.clone().schema(id).expect("clones share the cache"),
        schema(TEXT)
    );
    assert_eq!(fake.lines(), ["GET /schemas/ids/1"]);
}

#[test]
fn a_schema_without_a_type_is_avro_as_in_older_registries() {
    let fake = FakeRegistry::start();
    fake.faults([Fault::Answer(200, r#"{"schema":"\"string\""}"#)]);
    let schema = fake.client().schema(7).expect("it is there");
    assert_eq!(
        (schema.schema_type, schema.text.as_str()),
        (SchemaType::Avro, "\"string\"")
    );
}

#[test]
fn a_schema_nobody_knows_is_an_error_that_is_not_asked_for_with_each_record() {
    let fake = FakeRegistry::start();
    let registry = fake.client();
    for _ in 0..3 {
        let error = registry.schema(7).expect_err("nobody registered it");
        assert_eq!(
            error,
            RegistryError::UnknownSchema {
                id: 7,
                url: fake.url()
            }
        );
        assert!(error.to_string().contains("knows no schema 7"), "{error}");
    }
    assert_eq!(fake.lines(), ["GET /schemas/ids/7"]);
}

#[test]
fn a_registry_that_fails_is_asked_again() {
    let fake = FakeRegistry::start();
    let id = fake.add("orders-value", schema(TEXT));
    fake.faults([Fault::Answer(503, "starting"), Fault::HangUp]);
    assert_eq!(
        *fake.client().schema(id).expect("the third time"),
        schema(TEXT)
    );
    assert_eq!(fake.lines().len(), 3);
}

#[test]
fn a_registry_that_keeps_failing_is_given_up_with_the_reason_and_left_alone_for_a_while() {
    let fake = FakeRegistry::start();
    let broken = Fault::Answer(
        500,
        r#"{"error_code":50001,"message":"Error in the backend data store"}"#,
    );
    fake.faults(vec![broken; 3]);
    let registry = fake.client();
    let error = registry.schema(1).expect_err("three failures").to_string();
    assert!(
        error.contains(&fake.url()) && error.contains("schema 1 in 3 attempts"),
        "{error}"
    );
    assert!(
        error.contains("status 500, Error in the backend data store"),
        "{error}"
    );
    assert_eq!(registry.schema(1).expect_err("still").to_string(), error);
    assert_eq!(fake.lines().len(), 3, "the second call asked nothing");
}

#[test]
fn a_registry_that_never_answers_is_given_up() {
    let fake = FakeRegistry::start();
    fake.faults([Fault::Silence, Fault::Silence]);
    let hasty = RegistryConfig::new(&fake.url())
        .timeout(Duration::from_millis(100))
        .attempts(2);
    let error = hasty
        .build()
        .expect("a registry")
        .schema(1)
        .expect_err("silence");
    assert!(
        matches!(error, RegistryError::Unreachable { attempts: 2, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("timeout"), "{error}");
}

#[test]
fn an_answer_that_is_no_registrys_is_told_as_such() {
    let fake = FakeRegistry::start();
    fake.faults([Fault::Answer(200, "<html>"), Fault::Answer(200, "{}")]);
    let error = twice(&fake.url())
        .schema(1)
        .expect_err("a web page")
        .to_string();
    assert!(error.contains("not a registry's"), "{error}");
}

#[test]
fn a_subject_is_one_part_of_the_path_whatever_it_contains() {
    let fake = FakeRegistry::start();
    let registry = fake.client();
    registry
        .register("a/b c?d-ü.e_f~", &schema(TEXT))
        .expect("registered");
    assert_eq!(
        fake.lines(),
        ["POST /subjects/a%2Fb%20c%3Fd-%C3%BC.e_f~/versions"]
    );
}

/// Writes `value` with a serde of `binding` and gives the request it made, or its error.
fn write(fake: &FakeRegistry, binding: Binding, topic: &str) -> Result<Vec<String>, String> {
    let serde = JsonSchema::<u64>::new(binding, TEXT).expect("a schema");
    for _ in 0..2 {
        let mut bytes = b"before".to_vec();
        let written = serde.serialize(topic, &42, &mut bytes);
        if let Err(error) = written {
            assert_eq!(bytes, b"before", "nothing is left of what failed");
            return Err(error.to_string());
        }
        assert_eq!(bytes, b"before\0\0\0\0\x0142");
    }
    Ok(fake.lines())
}

#[test]
fn a_schema_is_registered_with_the_first_record_of_a_topic() {
    let fake = FakeRegistry::start();
    let registry = fake.client();
    let requests = write(&fake, registry.values(), "orders");
    assert_eq!(
        requests.expect("written"),
        ["POST /subjects/orders-value/versions"]
    );
    let requests = write(&fake, registry.keys(), "orders");
    assert_eq!(
        requests.expect("written"),
        ["POST /subjects/orders-key/versions"]
    );
    let requests = write(
        &fake,
        registry.values().subjects(Subjects::TopicRecord),
        "orders",
    );
    assert_eq!(
        requests.expect("written"),
        ["POST /subjects/orders-Order/versions"]
    );
}

#[test]
fn the_request_that_registers_is_confluents() {
    let fake = FakeRegistry::start();
    let registry = fake.client();
    registry
        .register("orders-value", &schema("{}"))
        .expect("registered");
    let body = &fake.requests()[0].body;
    assert_eq!(body, r#"{"schema":"{}","schemaType":"JSON"}"#);
}

#[test]
fn a_schema_that_has_to_be_there_is_looked_up_and_the_error_names_subject_and_remedy() {
    let fake = FakeRegistry::start();
    let registered = || fake.client().values().write(WriteSchema::Registered);
    let error = write(&fake, registered(), "orders").expect_err("nobody registered it");
    assert!(
        error.contains("subject orders-value") && error.contains("WriteSchema::Register"),
        "{error}"
    );
    fake.add("orders-value", schema(TEXT));
    fake.lines();
    let requests = write(&fake, registered(), "orders");
    assert_eq!(requests.expect("written"), ["POST /subjects/orders-value"]);
}

#[test]
fn the_latest_schema_of_a_subject_is_written_with_if_it_is_of_the_same_kind() {
    let fake = FakeRegistry::start();
    let latest = || fake.client().values().write(WriteSchema::Latest);
    let error = write(&fake, latest(), "orders").expect_err("nothing is there");
    assert!(
        error.contains("nothing is registered under subject orders-value"),
        "{error}"
    );
    fake.add("orders-value", schema("{}"));
    fake.lines();
    let requests = write(&fake, latest(), "orders");
    assert_eq!(
        requests.expect("written"),
        [
            "GET /subjects/orders-value/versions/latest",
            "GET /schemas/ids/1"
        ]
    );

    let avro = Schema {
        text: "\"long\"".into(),
        schema_type: SchemaType::Avro,
        references: Vec::new(),
    };
    fake.add("counts-value", avro);
    let error = write(&fake, latest(), "counts").expect_err("it is Avro");
    assert!(
        error.contains("the latest of subject counts-value is Avro, and not Json"),
        "{error}"
    );
}

#[test]
fn an_incompatible_schema_is_told_with_the_registrys_reason() {
    let fake = FakeRegistry::start();
    let reason = r#"{"error_code":409,"message":"field cents has no default"}"#;
    fake.faults([Fault::Answer(409, reason)]);
    let error = write(&fake, fake.client().values(), "orders").expect_err("incompatible");
    assert!(
        error.contains("subject orders-value (field cents has no default)"),
        "{error}"
    );
    fake.faults([Fault::Answer(
        422,
        r#"{"error_code":42201,"message":"Invalid schema"}"#,
    )]);
    let error = write(&fake, fake.client().values(), "orders").expect_err("invalid");
    assert!(
        error.contains("subject orders-value (422, code 42201): Invalid schema"),
        "{error}"
    );
}

#[test]
fn referenced_schemas_are_fetched_each_once_and_cycles_end() {
    let fake = FakeRegistry::start();
    let refers = |text: &str, to: &[&str]| Schema {
        references: to
            .iter()
            .map(|subject| Reference {
                name: (*subject).into(),
                subject: (*subject).into(),
                version: 1,
            })
            .collect(),
        ..schema(text)
    };
    fake.add("item", refers("item", &["order"]));
    fake.add("price", refers("price", &["item"]));
    let order = refers("order", &["item", "price"]);
    fake.add("order", order.clone());
    let found = fake.client().references(&order).expect("all are there");
    let texts: Vec<_> = found.iter().map(|schema| schema.text.as_str()).collect();
    assert_eq!(texts, ["price", "order", "item"]);
    assert_eq!(fake.lines().len(), 3);

    let error = fake
        .client()
        .references(&refers("order", &["gone"]))
        .expect_err("gone")
        .to_string();
    assert!(error.contains("subject gone version 1"), "{error}");
}

#[test]
fn more_references_than_allowed_are_refused() {
    let fake = FakeRegistry::start();
    let mut wide = schema("wide");
    for index in 0..=MAX_REFERENCES {
        let subject = format!("s{index}");
        fake.add(&subject, schema(&subject));
        wide.references.push(Reference {
            name: subject.clone(),
            subject,
            version: 1,
        });
    }
    let error = fake.client().references(&wide).expect_err("one too many");
    assert_eq!(
        error,
        RegistryError::TooManyReferences {
            subject: "s100".into(),
            limit: 100
        }
    );
}

#[test]
fn json_behind_its_schemas_id_is_read_without_asking() {
    let fake = FakeRegistry::start();
    let serde = JsonSchema::<u64>::new(fake.client().values(), TEXT).expect("a schema");
    assert_eq!(
        serde.deserialize("orders", b"\0\0\0\0\x0742").expect("42"),
        42
    );
    for hostile in [
        b"".as_slice(),
        b"\0\0\0",
        b"42",
        b"\0\0\0\0\x07",
        b"\0\0\0\0\x07\xff",
    ] {
        serde.deserialize("orders", hostile).expect_err("hostile");
    }
    assert!(fake.lines().is_empty());
}

#[test]
fn a_null_payload_has_no_header() {
    let fake = FakeRegistry::start();
    let mut bytes = b"before".to_vec();
    let json = JsonSchema::<Option<u64>>::new(fake.client().values(), TEXT).expect("a schema");
    let payload = json.serialize("orders", &None, &mut bytes).expect("null");
    assert_eq!(
        (payload, bytes.as_slice()),
        (Payload::Null, b"before".as_slice())
    );
    let inner = JsonSchema::<u64>::new(fake.client().values(), TEXT).expect("a schema");
    let payload = Nullable(inner)
        .serialize("orders", &None, &mut bytes)
        .expect("null");
    assert_eq!(
        (payload, bytes.as_slice()),
        (Payload::Null, b"before".as_slice())
    );
}
