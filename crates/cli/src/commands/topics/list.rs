//! `headwater topics list`.

use clap::Args;
use rdkafka::consumer::Consumer;
use serde_json::json;

use super::Listing;
use crate::client;
use crate::failure::Result;
use crate::output::Rows;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Kafka's own topics too (`__consumer_offsets`)
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    listing: Listing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let connection = &arguments.listing.connection;
    let (client, context) = client::asking(connection)?;
    let metadata = client
        .fetch_metadata(None, connection.timeout)
        .map_err(|error| context.failure("cannot list topics", &error))?;
    let mut topics: Vec<_> = metadata
        .topics()
        .iter()
        .filter(|topic| arguments.internal || !topic.name().starts_with("__"))
        .collect();
    topics.sort_by_key(|topic| topic.name());
    let mut rows = Rows::new(&["topic", "partitions", "replicas"]);
    for topic in topics {
        let replicas = topic
            .partitions()
            .first()
            .map_or(0, |partition| partition.replicas().len());
        rows.push(vec![
            json!(topic.name()),
            json!(topic.partitions().len()),
            json!(replicas),
        ]);
    }
    Ok(rows.print(arguments.listing.output)?)
}
