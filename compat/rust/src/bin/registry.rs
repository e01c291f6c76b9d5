//! Checks of headwater-streams' schema registry client and Avro against a registry that is not ours: a line each, then
//! the counts.
//!
//! `registry URL`: the registry wants user and password, and has the subjects `item` and `orders-value`, the second
//! with a schema that uses the first's; see `compat/go/registry.go`.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use headwater_streams::serde::registry::{
    Registry, RegistryConfig, RegistryError, Schema, SchemaType, WriteSchema,
};
use headwater_streams::serde::{Avro, Serde};
use serde::{Deserialize, Serialize};

const FIRST: &str =
    r#"{"type":"record","name":"Payment","fields":[{"name":"cents","type":"int"}]}"#;
const SECOND: &str = r#"{"type":"record","name":"Payment","fields":[{"name":"cents","type":"long"},
    {"name":"currency","type":"string","default":"EUR"}]}"#;
const ORDER: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"item","type":{"type":"record","name":"Item","fields":[{"name":"name","type":"string"}]}},
    {"name":"cents","type":"long"}]}"#;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct OldPayment {
    cents: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    cents: i64,
    currency: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    name: String,
}

/// As the schema of the registry has it.
#[derive(Serialize, Deserialize)]
struct OldOrder {
    item: Item,
    cents: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: Item,
    cents: i64,
}

fn avro(text: &str) -> Schema {
    Schema {
        text: text.to_owned(),
        schema_type: SchemaType::Avro,
        references: Vec::new(),
    }
}

fn connected(url: &str) -> Result<Registry> {
    let config = RegistryConfig::new(url).basic_auth("Aladdin", "open sesame");
    Ok(config.build()?)
}

fn a_schema_keeps_its_id_and_is_found_by_id_subject_and_text(url: &str) -> Result<()> {
    let registry = connected(url)?;
    let schema = avro(FIRST);
    let id = registry.register("first/of all-value", &schema)?;
    ensure!(registry.register("first/of all-value", &schema)? == id);
    ensure!(registry.lookup("first/of all-value", &schema)? == id);
    ensure!(registry.latest("first/of all-value")? == id);
    let found = connected(url)?.schema(id)?;
    ensure!(*found == schema, "{found:?}");
    Ok(())
}

fn what_is_not_there_is_told_by_its_name(url: &str) -> Result<()> {
    let registry = connected(url)?;
    match registry.schema(4711) {
        Err(RegistryError::UnknownSchema { id: 4711, .. }) => {}
        other => bail!("{other:?}"),
    }
    match registry.latest("nobodys") {
        Err(RegistryError::UnknownSubject { subject }) if subject == "nobodys" => {}
        other => bail!("{other:?}"),
    }
    match registry.lookup("item", &avro(SECOND)) {
        Err(RegistryError::NotRegistered { subject, .. }) if subject == "item" => Ok(()),
        other => bail!("{other:?}"),
    }
}

fn a_wrong_password_is_told_as_such(url: &str) -> Result<()> {
    let config = RegistryConfig::new(url).basic_auth("Aladdin", "shut");
    match config.build()?.schema(100) {
        Err(RegistryError::Unauthorized {
            status: 401 | 403, ..
        }) => {}
        other => bail!("{other:?}"),
    }
    let address = url.replace("http://", "http://Aladdin:open%20sesame@");
    Registry::new(&address)?.schema(100)?;
    Ok(())
}

fn what_an_older_schema_wrote_is_read_with_the_newer_one(url: &str) -> Result<()> {
    let (old, new) = (connected(url)?.values(), connected(url)?.values());
    let old = Avro::<OldPayment>::new(old, FIRST)?;
    let new = Avro::<Payment>::new(new, SECOND)?;
    let mut bytes = Vec::new();
    old.serialize("payments", &OldPayment { cents: 250 }, &mut bytes)?;
    let payment = Payment {
        cents: 250,
        currency: "EUR".to_owned(),
    };
    ensure!(new.deserialize("payments", &bytes)? == payment);
    bytes.clear();
    new.serialize("payments", &payment, &mut bytes)?;
    ensure!(new.deserialize("payments", &bytes)? == payment);
    Ok(())
}

fn a_schema_that_uses_another_subjects_is_read(url: &str) -> Result<()> {
    let orders = Avro::<Order>::new(connected(url)?.values(), ORDER)?;
    // "cup" and 7 behind the id 101.
    let order = orders.deserialize("orders", b"\0\0\0\0\x65\x06cup\x0e")?;
    let cup = || Item {
        name: "cup".to_owned(),
    };
    ensure!(
        order
            == Order {
                item: cup(),
                cents: 7
            }
    );
    let latest = connected(url)?.values().write(WriteSchema::Latest);
    let orders = Avro::<OldOrder>::new(latest, &ORDER.replace("long", "int"))?;
    let mut bytes = Vec::new();
    orders.serialize(
        "orders",
        &OldOrder {
            item: cup(),
            cents: 7,
        },
        &mut bytes,
    )?;
    ensure!(bytes == b"\0\0\0\0\x65\x06cup\x0e", "{bytes:?}");
    Ok(())
}

type Check = (&'static str, fn(&str) -> Result<()>);

const CHECKS: &[Check] = &[
    (
        "a schema keeps its id, and is found by id, subject and text",
        a_schema_keeps_its_id_and_is_found_by_id_subject_and_text,
    ),
    (
        "what is not there is told by its name",
        what_is_not_there_is_told_by_its_name,
    ),
    (
        "a wrong password is told as such, and one in the address is used",
        a_wrong_password_is_told_as_such,
    ),
    (
        "what an older schema wrote is read with the newer one",
        what_an_older_schema_wrote_is_read_with_the_newer_one,
    ),
    (
        "a schema that uses another subject's is read, and written with as the latest",
        a_schema_that_uses_another_subjects_is_read,
    ),
];

fn main() -> Result<ExitCode> {
    let url = std::env::args().nth(1).context("usage: registry URL")?;
    let mut failed = 0;
    for (label, check) in CHECKS {
        match check(&url) {
            Ok(()) => println!("pass  {label}"),
            Err(error) => {
                failed += 1;
                println!("FAIL  {label}\n{error:#}");
            }
        }
    }
    println!("{} passed, {failed} failed", CHECKS.len() - failed);
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
