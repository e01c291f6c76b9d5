//! `headwater topics create`.

use clap::Args;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use crate::client;
use crate::commands::runtime;
use crate::config::{Connection, parse_property};
use crate::failure::{Failure, Result};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// How many partitions [default: the broker's]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas [default: the broker's]
    #[arg(short, long, value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A topic configuration, for example `retention.ms=3600000`
    #[arg(long = "topic-config", value_name = "KEY=VALUE", value_parser = parse_property)]
    topic_config: Vec<(String, String)>,
    /// Fine if a topic is there already
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Kafka's word for "as the broker is configured".
const BROKER_DEFAULT: i32 = -1;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (admin, context) = client::admin(&arguments.connection)?;
    let replication = arguments
        .replication_factor
        .map_or(BROKER_DEFAULT, i32::from);
    let topics: Vec<NewTopic<'_>> = arguments
        .topics
        .iter()
        .map(|name| {
            let topic = NewTopic::new(
                name,
                arguments.partitions.unwrap_or(BROKER_DEFAULT),
                TopicReplication::Fixed(replication),
            );
            arguments
                .topic_config
                .iter()
                .fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(arguments.connection.timeout))
        .operation_timeout(Some(arguments.connection.timeout));
    let results = runtime::tool()?
        .block_on(admin.create_topics(&topics, &options))
        .map_err(|error| context.failure("cannot create topics", &error))?;
    let mut failed = None;
    for result in results {
        match result {
            Ok(name) => eprintln!("created topic {name}"),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) if arguments.if_not_exists => {
                eprintln!("topic {name} is there already");
            }
            Err((name, code)) => {
                let failure = Failure::code(format!("cannot create topic {name}"), code);
                failed = Some(match code {
                    RDKafkaErrorCode::TopicAlreadyExists => {
                        failure.next(format!("headwater topics describe {name}"))
                    }
                    _ => failure,
                });
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
