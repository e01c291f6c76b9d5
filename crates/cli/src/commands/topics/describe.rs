//! `headwater topics describe`: a row per partition, or with `--configs` a row per setting.

use clap::Args;
use rdkafka::admin::{AdminOptions, ConfigSource, ResourceSpecifier};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use serde_json::json;

use super::Listing;
use crate::client::{self, Context};
use crate::commands::runtime;
use crate::failure::{Exit, Failure, Result};
use crate::output::Rows;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Their configuration instead of their partitions
    #[arg(long)]
    configs: bool,
    #[command(flatten)]
    listing: Listing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let rows = if arguments.configs {
        configs(arguments)?
    } else {
        partitions(arguments)?
    };
    Ok(rows.print(arguments.listing.output)?)
}

fn partitions(arguments: &Arguments) -> Result<Rows> {
    let connection = &arguments.listing.connection;
    let (client, context) = client::asking(connection)?;
    let mut rows = Rows::new(&[
        "topic",
        "partition",
        "leader",
        "replicas",
        "isr",
        "start_offset",
        "end_offset",
        "records",
    ]);
    for name in &arguments.topics {
        let metadata = client
            .fetch_metadata(Some(name), connection.timeout)
            .map_err(|error| context.failure(format!("cannot describe topic {name}"), &error))?;
        let topic = metadata.topics().first().ok_or_else(|| not_found(name))?;
        if let Some(error) = topic.error() {
            return Err(Failure::code(
                format!("cannot describe topic {name}"),
                error.into(),
            ));
        }
        push_partitions(&mut rows, topic, &client, &context, arguments)?;
    }
    Ok(rows)
}

fn push_partitions(
    rows: &mut Rows,
    topic: &MetadataTopic,
    client: &BaseConsumer<Context>,
    context: &Context,
    arguments: &Arguments,
) -> Result<()> {
    let mut partitions: Vec<_> = topic.partitions().iter().collect();
    partitions.sort_by_key(|partition| partition.id());
    for partition in partitions {
        let (start, end) = client
            .fetch_watermarks(
                topic.name(),
                partition.id(),
                arguments.listing.connection.timeout,
            )
            .map_err(|error| {
                context.failure(
                    format!(
                        "cannot read the offsets of {}-{}",
                        topic.name(),
                        partition.id()
                    ),
                    &error,
                )
            })?;
        rows.push(vec![
            json!(topic.name()),
            json!(partition.id()),
            json!(partition.leader()),
            json!(partition.replicas()),
            json!(partition.isr()),
            json!(start),
            json!(end),
            json!(end - start),
        ]);
    }
    Ok(())
}

fn configs(arguments: &Arguments) -> Result<Rows> {
    let connection = &arguments.listing.connection;
    let (admin, context) = client::admin(connection)?;
    let runtime = runtime::tool()?;
    let options = AdminOptions::new().request_timeout(Some(connection.timeout));
    let mut rows = Rows::new(&["topic", "name", "value", "source"]);
    for name in &arguments.topics {
        let resources = [ResourceSpecifier::Topic(name)];
        let results = runtime
            .block_on(admin.describe_configs(&resources, &options))
            .map_err(|error| {
                context.failure(
                    format!("cannot read the configuration of topic {name}"),
                    &error,
                )
            })?;
        for result in results {
            let mut resource = result.map_err(|code| {
                Failure::code(
                    format!("cannot read the configuration of topic {name}"),
                    code,
                )
            })?;
            // The client library leaves a resource's error out; a topic that is there has settings.
            if resource.entries.is_empty() {
                return Err(not_found(name));
            }
            resource
                .entries
                .sort_by(|one, other| one.name.cmp(&other.name));
            for entry in resource.entries {
                rows.push(vec![
                    json!(name),
                    json!(entry.name),
                    json!(entry.value),
                    json!(source(&entry.source)),
                ]);
            }
        }
    }
    Ok(rows)
}

fn source(source: &ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicTopic => "topic",
        ConfigSource::DynamicBroker
        | ConfigSource::DynamicDefaultBroker
        | ConfigSource::StaticBroker => "broker",
        ConfigSource::Default => "default",
        ConfigSource::Unknown => "unknown",
    }
}

fn not_found(name: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no topic {name}")).next("headwater topics list")
}
