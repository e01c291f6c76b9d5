//! What a record's serialisation costs, without a store and without a registry: JSON and Avro, there and back.
//!
//! ```sh
//! cargo run --release --package headwater-streams --example serde_speed -- 1000000
//! ```
//!
//! One line per format: nanoseconds to write a record and to read it, and its bytes.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::Instant;

use headwater_streams::serde::{BareAvro, Json, Serde, SerdeError};
use serde::{Deserialize, Serialize};

const SCHEMA: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[
    {"name":"id","type":"string"},{"name":"cents","type":"long"},
    {"name":"state","type":{"type":"enum","name":"State","symbols":["Placed","Paid","Sent"]}},
    {"name":"item","type":{"type":"record","name":"Item","fields":[
        {"name":"name","type":"string"},{"name":"quantity","type":"int"}]}},
    {"name":"gift","type":["null","Item"],"default":null}]}"#;

#[derive(Clone, Serialize, Deserialize)]
enum State {
    Placed,
    Paid,
    Sent,
}

#[derive(Clone, Serialize, Deserialize)]
struct Item {
    name: String,
    quantity: i32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    id: String,
    cents: i64,
    state: State,
    item: Item,
    gift: Option<Item>,
}

fn measure(name: &str, serde: &impl Serde<Order>, records: u32) -> Result<(), SerdeError> {
    let item = |name: &str| Item {
        name: name.to_owned(),
        quantity: 2,
    };
    let mut orders = [State::Placed, State::Paid, State::Sent].map(|state| Order {
        id: "order-0000017".to_owned(),
        cents: 350,
        state,
        item: item("cup"),
        gift: Some(item("spoon")),
    });
    let mut bytes = Vec::new();
    let start = Instant::now();
    for index in 0..records {
        bytes.clear();
        serde.serialize("orders", &orders[index as usize % 3], &mut bytes)?;
    }
    let written = start.elapsed();
    let start = Instant::now();
    for index in 0..records {
        orders[index as usize % 3] = serde.deserialize("orders", &bytes)?;
    }
    let read = start.elapsed();
    println!(
        "{name}: write {} ns, read {} ns, {} bytes",
        (written / records).as_nanos(),
        (read / records).as_nanos(),
        bytes.len()
    );
    Ok(())
}

fn main() -> Result<(), SerdeError> {
    let records = std::env::args()
        .nth(1)
        .and_then(|records| records.parse().ok());
    let records = records.unwrap_or(1_000_000);
    measure("json", &Json, records)?;
    measure("avro", &BareAvro::new(SCHEMA)?, records)
}
