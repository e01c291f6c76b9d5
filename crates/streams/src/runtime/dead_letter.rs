//! Dead letters: the input record that could not be processed, byte for byte, with headers that say why (KIP-1034).

use bytes::Bytes;

use crate::collector::Outgoing;
use crate::context::Context;
use crate::error::{Failure, RecordError};
use crate::partitioner::partition_for;
use crate::record::Headers;

/// Writes the record at hand to the dead letter topic. What cannot be written there stops the application: a record
/// that policy says to keep is never lost silently.
pub(crate) fn send(context: &mut Context<'_>, error: &RecordError) -> Result<(), Failure> {
    let topic = context.state.policies.dead_letter.clone();
    let written = match (topic, context.source) {
        (Some(topic), Some(source)) => {
            let headers = headers(source.headers(), error);
            context.collector.partitions(&topic).and_then(|count| {
                context.collector.send(Outgoing {
                    topic: &topic,
                    partition: match source.key() {
                        Some(key) => partition_for(key, count),
                        None => error.partition.rem_euclid(count),
                    },
                    key: source.key(),
                    value: source.value(),
                    timestamp: source.timestamp().max(0),
                    headers: &headers,
                })
            })
        }
        (None, _) => Err(crate::error::StreamsError::Settings(
            "the policy is DeadLetter and no dead letter topic is set: name one with App::dead_letter".to_owned(),
        )),
        // A punctuation or a commit has no input record to keep.
        (Some(_), None) => Err(crate::error::StreamsError::Settings(format!(
            "no input record is at hand to be kept as a dead letter: {error}"
        ))),
    };
    written.map_err(|cause| {
        Failure::Fatal(RecordError {
            stage: error.stage,
            node: error.node.clone(),
            topic: error.topic.clone(),
            partition: error.partition,
            offset: error.offset,
            source: format!("{cause}; the record was to be kept since {}", error.source).into(),
        })
    })
}

/// The record's own headers, then those of KIP-1034.
fn headers(mut headers: Headers, error: &RecordError) -> Headers {
    let mut chain = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if !chain.is_empty() {
            chain.push_str("\ncaused by: ");
        }
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    let says = [
        ("exception", error.stage.to_string()),
        ("stacktrace", chain),
        ("message", error.source.to_string()),
        ("topic", error.topic.clone()),
        ("partition", error.partition.to_string()),
        ("offset", error.offset.to_string()),
    ];
    for (name, value) in says {
        headers.push(format!("__streams.errors.{name}"), Some(Bytes::from(value)));
    }
    headers
}
