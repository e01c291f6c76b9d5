//! Reading without a group: every partition, from where `-o` says.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::Arguments;
use super::subscription::Subscription;
use crate::failure::{Exit, Failure, Result};
use crate::offset::{Start, StartOffset};

/// Assigns the partitions of all topics.
pub(super) fn assign(arguments: &Arguments, consumer: &BaseConsumer<Subscription>) -> Result<()> {
    let start = arguments
        .offset
        .unwrap_or(Start::At(StartOffset::Beginning));
    let mut partitions = TopicPartitionList::new();
    for topic in &arguments.topics {
        add(arguments, consumer, topic, start, &mut partitions)?;
    }
    if let Start::Time(_) = start {
        partitions = consumer
            .offsets_for_times(partitions, arguments.connection.timeout)
            .map_err(|error| fail(consumer, "cannot find the offsets at that time", &error))?;
    }
    consumer
        .assign(&partitions)
        .map_err(|error| fail(consumer, "cannot assign partitions", &error))
}

fn add(
    arguments: &Arguments,
    consumer: &BaseConsumer<Subscription>,
    topic: &str,
    start: Start,
    partitions: &mut TopicPartitionList,
) -> Result<()> {
    let doing = format!("cannot read topic {topic}");
    let metadata = consumer
        .fetch_metadata(Some(topic), arguments.connection.timeout)
        .map_err(|error| fail(consumer, &doing, &error))?;
    let Some(found) = metadata.topics().first() else {
        return Err(
            Failure::new(Exit::NotFound, format!("there is no topic {topic}"))
                .next("headwater topics list"),
        );
    };
    if let Some(error) = found.error() {
        return Err(Failure::code(doing, error.into()));
    }
    let wanted = |id: i32| arguments.partition.is_none_or(|only| only == id);
    if !found
        .partitions()
        .iter()
        .any(|partition| wanted(partition.id()))
    {
        return Err(Failure::new(
            Exit::NotFound,
            format!("topic {topic} has no such partition"),
        )
        .evidence(format!("it has {} partition(s)", found.partitions().len()))
        .next(format!("headwater topics describe {topic}")));
    }
    for partition in found
        .partitions()
        .iter()
        .filter(|partition| wanted(partition.id()))
    {
        let offset = match start {
            Start::At(start) => Offset::from(start),
            // The time to look for travels in the offset's place.
            Start::Time(milliseconds) => Offset::Offset(milliseconds),
        };
        partitions
            .add_partition_offset(topic, partition.id(), offset)
            .map_err(|error| fail(consumer, &doing, &error))?;
    }
    Ok(())
}

fn fail(consumer: &BaseConsumer<Subscription>, doing: &str, error: &KafkaError) -> Failure {
    consumer.context().client().failure(doing, error)
}
