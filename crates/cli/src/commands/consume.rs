//! `headwater consume`: records of topics on stdout.
//!
//! With a group (from `--group` or the configuration) it subscribes, commits what it printed, and leaves the group
//! when it ends. Without one it assigns itself every partition and leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufWriter, Stdout, Write};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::types::RDKafkaErrorCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::runtime;
use crate::client;
use crate::config::{Connection, Properties, Role};
use crate::envelope::{Record, text};
use crate::failure::{Failure, Result};
use crate::interrupt;
use crate::offset::{self, Start};
use crate::output::{Format, csv_line, yaml_item};
use crate::record_format::RecordFormat;

mod position;
mod subscription;

use subscription::Subscription;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  headwater consume --config getting_started.ini purchases
  headwater consume purchases -e -f '%o %k=%s\\n'
  headwater consume purchases -o @2026-01-31T12:00:00Z -c 10 --output jsonl

Without -o and without a group, reading starts at the beginning.
Format letters: %t topic, %p partition, %o offset, %k key, %s value, %K and %S their lengths, %T timestamp, %h headers.")]
pub(crate) struct Arguments {
    /// Topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Consumer group: overrides the configuration's group.id
    #[arg(short = 'G', long, value_name = "GROUP")]
    group: Option<String>,
    /// Start the group again from the beginning
    #[arg(long)]
    reset: bool,
    /// Where to start, reading without the group: beginning, end, OFFSET, -N, @TIME
    #[arg(short, long, value_name = "WHERE", value_parser = offset::parse, allow_hyphen_values = true, conflicts_with_all = ["group", "reset"])]
    offset: Option<Start>,
    /// Only this partition, reading without the group
    #[arg(short, long, value_name = "N", conflicts_with_all = ["group", "reset"])]
    partition: Option<i32>,
    /// Exit after that many records
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Exit at the end of all partitions
    #[arg(short = 'e', long)]
    exit: bool,
    /// How to print a record
    #[arg(short, long, value_parser = RecordFormat::parse, conflicts_with_all = ["output", "json"])]
    format: Option<RecordFormat>,
    /// How to print records
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// JSON envelopes: short for --output jsonl
    #[arg(short = 'J', long, conflicts_with = "output")]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// How a record is shown unless told otherwise.
const DEFAULT_FORMAT: &str = "%t [%p] at offset %o: key = %k value = %s\\n";
/// How often an interrupt is looked for.
const POLL: Duration = Duration::from_millis(100);
/// Records printed before they are flushed even if more are there: bounds what a kill prints again.
const FLUSH_EVERY: u32 = 1000;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = runtime::tool()?;
    let interrupted = interrupt::watch(&runtime)?;
    let mut properties = arguments.connection.properties(Role::Consumer)?;
    if let Some(group) = &arguments.group {
        properties.insert("group.id".into(), group.clone());
    }
    let alone = arguments.offset.is_some() || arguments.partition.is_some();
    if alone && properties.remove("group.id").is_some() {
        eprintln!("reading without the group: its offsets stay as they are");
    }
    let grouped = properties.contains_key("group.id");
    let consumer = consumer(arguments, properties, grouped)?;
    let mut reading = Reading::new(arguments, &consumer);
    if grouped {
        let topics: Vec<&str> = arguments.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| Failure::kafka("cannot subscribe", &error))?;
    } else {
        position::assign(arguments, &consumer)?;
    }
    let read = reading.run(&interrupted);
    let flushed = reading.flush();
    if grouped {
        leave(&consumer);
    }
    read?;
    flushed?;
    eprintln!("{} record(s) read", reading.count);
    Ok(())
}

fn consumer(
    arguments: &Arguments,
    mut properties: Properties,
    grouped: bool,
) -> Result<BaseConsumer<Subscription>> {
    properties.insert("enable.partition.eof".into(), "true".into());
    // Only what was printed is committed.
    properties.insert("enable.auto.offset.store".into(), "false".into());
    if !grouped {
        properties.insert("enable.auto.commit".into(), "false".into());
        // librdkafka wants a name; nothing is joined or committed under it.
        properties.insert("group.id".into(), "headwater-consume".into());
    }
    let reset = arguments.reset && grouped;
    client::create(&properties, Subscription::new(grouped, reset))
}

/// Commits what was flushed, nothing of what stdout did not take, and leaves the group.
fn leave(consumer: &BaseConsumer<Subscription>) {
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Ok(()) => eprintln!("offsets committed"),
        // Nothing new was read.
        Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
        Err(error) => eprintln!("note: offsets were not committed: {error}"),
    }
    consumer.unsubscribe();
}

/// One run of reading.
struct Reading<'a> {
    arguments: &'a Arguments,
    consumer: &'a BaseConsumer<Subscription>,
    format: RecordFormat,
    out: BufWriter<Stdout>,
    count: u64,
    /// The last offset printed of each partition of the group, while stdout may not have taken it.
    unflushed: BTreeMap<(String, i32), i64>,
    /// Records printed since the last flush.
    printed: u32,
    /// Partitions read to their end.
    ended: BTreeSet<(String, i32)>,
    /// How often the end of a partition with this number was met: the event does not name the topic.
    ends_seen: BTreeMap<i32, usize>,
    /// What was last said about a topic that is not there, so that it is said once.
    said: Option<String>,
}

impl<'a> Reading<'a> {
    fn new(arguments: &'a Arguments, consumer: &'a BaseConsumer<Subscription>) -> Self {
        let format = arguments
            .format
            .clone()
            .or_else(|| RecordFormat::parse(DEFAULT_FORMAT).ok());
        Self {
            arguments,
            consumer,
            format: format.unwrap_or_else(|| unreachable!("the default format is valid")),
            out: BufWriter::new(io::stdout()),
            count: 0,
            unflushed: BTreeMap::new(),
            printed: 0,
            ended: BTreeSet::new(),
            ends_seen: BTreeMap::new(),
            said: None,
        }
    }

    fn run(&mut self, interrupted: &CancellationToken) -> Result<()> {
        while !interrupted.is_cancelled() {
            if let Some(event) = self.consumer.poll(Duration::ZERO) {
                if self.take(event)? == Next::Stop {
                    return Ok(());
                }
            } else {
                // Whatever came so far is seen before waiting for more.
                self.flush()?;
                if let Some(event) = self.consumer.poll(POLL)
                    && self.take(event)? == Next::Stop
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        event: std::result::Result<rdkafka::message::BorrowedMessage<'_>, KafkaError>,
    ) -> Result<Next> {
        match event {
            Ok(message) => {
                let partition = (message.topic().to_owned(), message.partition());
                self.ended.remove(&partition);
                self.print(&message)?;
                self.count += 1;
                self.printed += 1;
                if self.consumer.context().is_grouped() {
                    self.unflushed.insert(partition, message.offset());
                }
                if self.printed >= FLUSH_EVERY {
                    self.flush()?;
                }
                Ok(if Some(self.count) == self.arguments.count {
                    Next::Stop
                } else {
                    Next::Continue
                })
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                *self.ends_seen.entry(partition).or_default() += 1;
                Ok(if self.arguments.exit && self.at_end()? {
                    Next::Stop
                } else {
                    Next::Continue
                })
            }
            Err(error) => self.trouble(&error),
        }
    }

    /// Hands what was printed to stdout; only then its offsets may be committed.
    fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        self.printed = 0;
        for ((topic, partition), offset) in std::mem::take(&mut self.unflushed) {
            // Fails only when the partition was just taken away: then it is not ours to commit.
            let _ = self.consumer.store_offset(&topic, partition, offset);
        }
        Ok(())
    }

    /// Whether every assigned partition has been read to its end as of now.
    fn at_end(&mut self) -> Result<bool> {
        let fail = |error: &KafkaError| Failure::kafka("cannot tell the position", error);
        let assignment = self.consumer.assignment().map_err(|error| fail(&error))?;
        let assigned: Vec<(String, i32)> = assignment
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let positions = self
            .consumer
            .position()
            .map_err(|error| fail(&error))?
            .to_topic_map();
        for partition in &assigned {
            if self.ended.contains(partition) {
                continue;
            }
            let at_end = if let Some(rdkafka::Offset::Offset(position)) = positions.get(partition) {
                let (_, end) = self
                    .consumer
                    .fetch_watermarks(&partition.0, partition.1, self.arguments.connection.timeout)
                    .map_err(|error| fail(&error))?;
                *position >= end
            } else {
                // Nothing was read from it: then it started at its end, and each such partition has said so.
                let same_number = assigned
                    .iter()
                    .filter(|other| other.1 == partition.1)
                    .count();
                self.ends_seen
                    .get(&partition.1)
                    .is_some_and(|seen| *seen >= same_number)
            };
            if !at_end {
                return Ok(false);
            }
            self.ended.insert(partition.clone());
        }
        Ok(!assigned.is_empty())
    }

    /// An error of the client: it goes on after most.
    fn trouble(&mut self, error: &KafkaError) -> Result<Next> {
        let missing = matches!(
            error,
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic
            )
        );
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_))
            || matches!(
                error.rdkafka_error_code(),
                Some(
                    RDKafkaErrorCode::TopicAuthorizationFailed
                        | RDKafkaErrorCode::GroupAuthorizationFailed
                        | RDKafkaErrorCode::SaslAuthenticationFailed
                        | RDKafkaErrorCode::Authentication
                )
            );
        if fatal || (missing && self.arguments.exit) {
            let doing = format!("cannot read {}", self.arguments.topics.join(", "));
            return Err(self.consumer.context().client().failure(doing, error));
        }
        let text = if missing {
            format!(
                "{} is not there yet; waiting for it",
                self.arguments.topics.join(", ")
            )
        } else {
            format!("{error}; trying again")
        };
        if self.said.as_ref() != Some(&text) {
            eprintln!("note: {text}");
            self.said = Some(text);
        }
        Ok(Next::Continue)
    }

    fn print(&mut self, message: &rdkafka::message::BorrowedMessage<'_>) -> Result<()> {
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|header| (header.key, header.value))
                .collect()
        });
        let record = Record {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key(),
            value: message.payload(),
            headers: headers.unwrap_or_default(),
        };
        let format = if self.arguments.json {
            Format::Jsonl
        } else {
            self.arguments.output
        };
        let mut line = Vec::new();
        match format {
            Format::Table => self.format.write(&record, &mut line),
            Format::Json | Format::Jsonl => writeln!(line, "{}", record.envelope())?,
            Format::Yaml => line.extend(yaml_item(&COLUMNS, &row(&record)).into_bytes()),
            Format::Csv => {
                if self.count == 0 {
                    line.extend(csv_line(&COLUMNS.map(str::to_owned)).into_bytes());
                }
                let cells = row(&record).map(|value| match value {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                line.extend(csv_line(&cells).into_bytes());
            }
        }
        Ok(self.out.write_all(&line)?)
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Stop,
}

const COLUMNS: [&str; 6] = ["topic", "partition", "offset", "timestamp", "key", "value"];

fn row(record: &Record<'_>) -> [Value; 6] {
    [
        json!(record.topic),
        json!(record.partition),
        json!(record.offset),
        json!(record.timestamp_ms),
        text(record.key),
        text(record.value),
    ]
}
