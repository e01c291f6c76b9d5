//! `headwater produce`: lines of stdin, or a sample, as records. A record counts once its delivery is acknowledged.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio_util::sync::CancellationToken;

use super::{purchases, runtime};
use crate::client;
use crate::config::{Connection, Properties, Role, parse_property};
use crate::envelope::Envelope;
use crate::failure::{Exit, Failure, Result};
use crate::interrupt;
use crate::output::Format;

mod delivery;

use delivery::{Deliveries, Printing};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  headwater produce --topic purchases --sample purchases
  echo 'ada:book' | headwater produce --topic purchases -K :
  headwater consume purchases -e --output jsonl | headwater produce --topic copy --json")]
pub(crate) struct Arguments {
    /// The topic
    #[arg(required_unless_present = "topic", value_name = "TOPIC")]
    positional_topic: Option<String>,
    /// The topic
    #[arg(short, long, conflicts_with = "positional_topic")]
    topic: Option<String>,
    /// Send a sample instead of lines of stdin
    #[arg(long, value_enum)]
    sample: Option<Sample>,
    /// What separates key and value in a line
    #[arg(short = 'K', long, value_name = "SEPARATOR", conflicts_with_all = ["json", "sample"])]
    key_separator: Option<String>,
    /// The key of every record
    #[arg(short, long, conflicts_with_all = ["json", "sample", "key_separator"])]
    key: Option<String>,
    /// A header of every record
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = parse_property)]
    headers: Vec<(String, String)>,
    /// The partition [default: by the key]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Lines are JSON envelopes with key, payload, headers and ts, as `consume --output jsonl` prints
    #[arg(short = 'J', long, conflicts_with = "sample")]
    json: bool,
    /// Empty keys and values are null
    #[arg(short = 'Z', long)]
    null: bool,
    /// Read lines of this file instead of stdin
    #[arg(short = 'l', long, value_name = "FILE", conflicts_with = "sample")]
    file: Option<PathBuf>,
    /// Print each delivery, not only those of samples
    #[arg(long)]
    deliveries: bool,
    /// How to print deliveries
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Sample {
    /// Ten purchases: key a user, value a product
    Purchases,
}

/// A record to send.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outgoing {
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
    timestamp_ms: Option<i64>,
}

/// Lines read ahead of the client.
const READ_AHEAD: usize = 1024;
/// How often a full client queue is tried again, and an interrupt looked for.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = runtime::tool()?;
    let interrupted = interrupt::watch(&runtime)?;
    let properties = properties(&arguments.connection)?;
    let printing = if arguments.deliveries || arguments.sample.is_some() {
        Printing::Each
    } else {
        Printing::Nothing
    };
    let deliveries = Deliveries::new(printing, arguments.output);
    let producer: ThreadedProducer<Deliveries> = client::create(&properties, deliveries.clone())?;
    let topic = arguments.topic();
    let sending = match arguments.sample {
        Some(Sample::Purchases) => {
            purchases::sample()
                .into_iter()
                .try_for_each(|(user, product)| {
                    let record = Outgoing {
                        key: Some(user.to_owned()),
                        value: Some(product.to_owned()),
                        ..Outgoing::default()
                    };
                    send(&producer, arguments, &record, &interrupted)
                })
        }
        None => send_lines(&producer, arguments, &interrupted),
    };
    // What was taken in is sent, also when an input line or an interrupt ended the reading.
    let flushed = producer.flush(arguments.connection.timeout);
    let delivered = deliveries.finish()?;
    eprintln!("{delivered} record(s) delivered to {topic}");
    sending?;
    flushed.map_err(|error| {
        deliveries
            .context()
            .failure(format!("not all records reached {topic}"), &error)
    })?;
    // Last: who closed stdout early still learns what was not delivered.
    deliveries.printed()
}

impl Arguments {
    fn topic(&self) -> &str {
        self.topic
            .as_deref()
            .or(self.positional_topic.as_deref())
            .unwrap_or_default()
    }
}

/// Order and no duplicates when a request is retried, unless the configuration decides about acknowledgements itself.
/// Keys go to the partitions that Java's clients choose, so that topics which are joined agree: librdkafka's own
/// choice is another one.
fn properties(connection: &Connection) -> Result<Properties> {
    let mut properties = connection.properties(Role::Producer)?;
    let decides = [
        "acks",
        "request.required.acks",
        "enable.idempotence",
        "max.in.flight",
        "retries",
    ];
    if !decides
        .iter()
        .any(|property| properties.contains_key(*property))
    {
        properties.insert("enable.idempotence".into(), "true".into());
    }
    properties
        .entry("partitioner".into())
        .or_insert_with(|| "murmur2_random".into());
    // A record that cannot be delivered is given up when the command gives up.
    if !["delivery.timeout.ms", "message.timeout.ms"]
        .iter()
        .any(|property| properties.contains_key(*property))
    {
        properties.insert(
            "message.timeout.ms".into(),
            connection.timeout.as_millis().to_string(),
        );
    }
    Ok(properties)
}

fn send_lines(
    producer: &ThreadedProducer<Deliveries>,
    arguments: &Arguments,
    interrupted: &CancellationToken,
) -> Result<()> {
    let lines = lines(arguments.file.as_ref())?;
    let mut number = 0_u64;
    while !interrupted.is_cancelled() {
        let line = match lines.recv_timeout(PAUSE) {
            Ok(line) => line?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        number += 1;
        let record = outgoing(arguments, line).map_err(|reason| {
            Failure::new(Exit::Failure, format!("line {number} cannot be sent")).evidence(reason)
        })?;
        send(producer, arguments, &record, interrupted)?;
    }
    Ok(())
}

/// Lines as they arrive. Reading blocks and cannot be interrupted, so a thread of its own does it.
fn lines(file: Option<&PathBuf>) -> Result<Receiver<io::Result<String>>> {
    let input: Box<dyn BufRead + Send> = match file {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| {
                Failure::new(Exit::NotFound, format!("cannot read {}", path.display()))
                    .evidence(error)
            })?;
            Box::new(io::BufReader::new(file))
        }
        None => Box::new(io::BufReader::new(io::stdin())),
    };
    let (sender, receiver): (SyncSender<_>, _) = sync_channel(READ_AHEAD);
    thread::spawn(move || {
        for line in input.lines() {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// A line as a record.
fn outgoing(arguments: &Arguments, line: String) -> std::result::Result<Outgoing, String> {
    let mut record = if arguments.json {
        let envelope = Envelope::parse(&line)?;
        Outgoing {
            headers: envelope
                .header_pairs()
                .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
                .collect(),
            timestamp_ms: envelope.timestamp_ms,
            key: envelope.key,
            value: envelope.payload,
        }
    } else {
        let split = arguments
            .key_separator
            .as_deref()
            .and_then(|separator| line.split_once(separator));
        let (key, value) = match split {
            Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
            None => (arguments.key.clone(), line),
        };
        Outgoing {
            key,
            value: Some(value),
            ..Outgoing::default()
        }
    };
    if arguments.null {
        record.key = record.key.filter(|key| !key.is_empty());
        record.value = record.value.filter(|value| !value.is_empty());
    }
    Ok(record)
}

fn send(
    producer: &ThreadedProducer<Deliveries>,
    arguments: &Arguments,
    outgoing: &Outgoing,
    interrupted: &CancellationToken,
) -> Result<()> {
    let topic = arguments.topic();
    let mut record: BaseRecord<'_, str, str> =
        BaseRecord::to(topic).headers(headers(arguments, outgoing));
    record.key = outgoing.key.as_deref();
    record.payload = outgoing.value.as_deref();
    record.partition = arguments.partition;
    record.timestamp = outgoing.timestamp_ms;
    while let Err((error, returned)) = producer.send(record) {
        match error {
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
                if !interrupted.is_cancelled() =>
            {
                thread::sleep(PAUSE);
                record = returned;
            }
            error => return Err(Failure::kafka(format!("cannot send to {topic}"), &error)),
        }
    }
    Ok(())
}

fn headers(arguments: &Arguments, outgoing: &Outgoing) -> OwnedHeaders {
    let own = outgoing
        .headers
        .iter()
        .map(|(name, value)| (name, value.as_ref()));
    let all = arguments
        .headers
        .iter()
        .map(|(name, value)| (name, Some(value)))
        .chain(own);
    all.fold(OwnedHeaders::new(), |headers, (key, value)| {
        headers.insert(Header { key, value })
    })
}

/// Writes to stdout; a closed pipe is remembered by the caller.
fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(flags: &[&str], line: &str) -> std::result::Result<Outgoing, String> {
        let flags = ["produce", "t"].iter().chain(flags);
        outgoing(&Line::parse_from(flags).arguments, line.to_owned())
    }

    fn keyed(key: Option<&str>, value: Option<&str>) -> Outgoing {
        Outgoing {
            key: key.map(str::to_owned),
            value: value.map(str::to_owned),
            ..Outgoing::default()
        }
    }

    #[test]
    fn a_separator_splits_key_and_value_at_its_first_occurrence() {
        assert_eq!(
            read(&["-K", ":"], "a:b:c").unwrap(),
            keyed(Some("a"), Some("b:c"))
        );
        assert_eq!(read(&["-K", ":"], "abc").unwrap(), keyed(None, Some("abc")));
        assert_eq!(read(&[], "a:b").unwrap(), keyed(None, Some("a:b")));
        assert_eq!(
            read(&["-k", "x"], "a:b").unwrap(),
            keyed(Some("x"), Some("a:b"))
        );
    }

    #[test]
    fn empty_is_null_only_when_asked_for() {
        assert_eq!(
            read(&["-K", ":"], "a:").unwrap(),
            keyed(Some("a"), Some(""))
        );
        assert_eq!(
            read(&["-K", ":", "-Z"], "a:").unwrap(),
            keyed(Some("a"), None)
        );
    }

    #[test]
    fn a_json_line_brings_headers_and_timestamp() {
        let record = read(
            &["--json"],
            r#"{"key":"k","payload":"v","ts":9,"headers":["h","1"]}"#,
        )
        .unwrap();
        assert_eq!(record.headers, [("h".to_owned(), Some("1".to_owned()))]);
        assert_eq!(record.timestamp_ms, Some(9));
        assert!(read(&["--json"], "nonsense").is_err());
    }
}
