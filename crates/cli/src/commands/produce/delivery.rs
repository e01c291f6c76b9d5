//! What became of the records handed to the producer: counted, printed, and the first failure kept.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use serde_json::{Value, json};

use crate::client::Context;
use crate::envelope::text;
use crate::failure::{Failure, Result};
use crate::output::{Format, csv_line, yaml_item};

/// Whether deliveries are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Printing {
    Each,
    Nothing,
}

/// The producer's context.
#[derive(Clone)]
pub(super) struct Deliveries {
    context: Context,
    printing: Printing,
    format: Format,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    delivered: u64,
    failed: u64,
    failure: Option<Failure>,
    output: Option<io::Error>,
}

const COLUMNS: [&str; 5] = ["topic", "partition", "offset", "key", "value"];

impl Deliveries {
    pub(super) fn new(printing: Printing, format: Format) -> Self {
        Self {
            context: Context::default(),
            printing,
            format,
            state: Arc::default(),
        }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// How many were delivered; an error if any was not.
    pub(super) fn finish(&self) -> Result<u64> {
        let mut state = self.state();
        match state.failure.take() {
            Some(failure) => {
                eprintln!(
                    "{} record(s) delivered, {} failed",
                    state.delivered, state.failed
                );
                Err(failure)
            }
            None => Ok(state.delivered),
        }
    }

    /// An error if a delivery could not be printed.
    pub(super) fn printed(&self) -> Result<()> {
        match self.state().output.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One delivery in the format asked for.
    fn shown(&self, row: [Value; 5], first: bool) -> String {
        match self.format {
            Format::Table => {
                let [topic, partition, offset, key, value] = row.map(|value| match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                format!(
                    "delivered to {topic} [{partition}] at offset {offset}: key = {key:<8} value = {value}\n"
                )
            }
            Format::Json | Format::Jsonl => {
                let object: serde_json::Map<String, Value> = COLUMNS
                    .iter()
                    .map(|column| (*column).to_owned())
                    .zip(row)
                    .collect();
                format!("{}\n", Value::Object(object))
            }
            Format::Yaml => yaml_item(&COLUMNS, &row),
            Format::Csv => {
                let header = if first {
                    csv_line(&COLUMNS.map(str::to_owned))
                } else {
                    String::new()
                };
                let cells = row.map(|value| match value {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                header + &csv_line(&cells)
            }
        }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.context.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut state = self.state();
        match result {
            Ok(record) => {
                state.delivered += 1;
                if self.printing == Printing::Nothing || state.output.is_some() {
                    return;
                }
                let row = [
                    json!(record.topic()),
                    json!(record.partition()),
                    json!(record.offset()),
                    text(record.key()),
                    text(record.payload()),
                ];
                let line = self.shown(row, state.delivered == 1);
                state.output = super::print(line.as_bytes()).err();
            }
            Err((error, record)) => {
                state.failed += 1;
                if state.failure.is_none() {
                    let doing = format!("a record was not delivered to {}", record.topic());
                    state.failure = Some(self.context.failure(doing, error));
                }
            }
        }
    }
}
