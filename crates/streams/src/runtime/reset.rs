//! Resetting an application: everything it made for itself is deleted, so that it begins anew.

use super::admin::Admin;
use super::config::AppConfig;
use super::{instances, state_directory};
use crate::error::StreamsError;
use crate::topology::Topology;

/// What a reset deleted. Kafka's `kafka-streams-application-reset`, with the local state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The internal topics that were there.
    pub topics: Vec<String>,
}

/// Deletes the group with its offsets, the internal topics and the local state.
///
/// # Errors
/// An instance runs, here or elsewhere; or the cluster cannot be asked.
pub(crate) fn reset(topology: &Topology, config: &AppConfig) -> Result<Reset, StreamsError> {
    let admin = Admin::new(&config.clients, config.replication_factor)?;
    // First, since it refuses while an instance is in the group.
    admin.delete_group(&config.application).map_err(|error| {
        if error.code != "NonEmptyGroup" {
            return error.into();
        }
        StreamsError::Settings(format!(
            "an instance of {} runs, or did until a moment ago: stop all of them, and wait until the group has forgotten \
             them (consumer.session.timeout.ms, 10 s if nothing is said)",
            config.application
        ))
    })?;
    state_directory::delete(&config.state_dir, &config.application)?;
    let existing = admin.partition_counts()?;
    let repartition = topology
        .internal_topics()
        .iter()
        .map(|topic| topic.name.to_string());
    let changelogs = topology
        .stores()
        .iter()
        .filter_map(|store| store.changelog_topic(topology.application()));
    let mut topics: Vec<_> = repartition
        .chain(changelogs)
        .chain([instances::topic_of(&config.application).to_string()])
        .filter(|topic| existing.contains_key(topic))
        .collect();
    topics.sort();
    topics.dedup();
    let names: Vec<_> = topics.iter().map(String::as_str).collect();
    admin.delete(&names)?;
    Ok(Reset { topics })
}
