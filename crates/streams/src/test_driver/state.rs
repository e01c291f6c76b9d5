//! The stores of the driver's tasks: opened, restored from changelogs in memory, and committed.
//!
//! All of them live in memory, those too whose spec says disk: what a disk would keep, the driver does.

use std::sync::Arc;

use super::cluster::Cluster;
use crate::error::StreamsError;
use crate::runtime::TaskId;
use crate::store::{Changelog, ChangelogRecord, ChangelogState, Restore, Store, StoreSpec, Stores};
use crate::topology::{SubTopology, Topology};

/// Fresh, empty stores.
pub(super) fn open(topology: &Topology, part: &SubTopology) -> Stores {
    let mut stores = Stores::default();
    for id in &part.stores {
        let spec = topology.stores()[id.index()].clone();
        stores.insert(*id, Store::in_memory(spec));
    }
    stores
}

/// Where a store is restored from: the topic, and the offset behind what belongs to its state.
fn changelog(
    spec: &StoreSpec,
    topology: &Topology,
    task: TaskId,
    cluster: &Cluster,
) -> Option<(Arc<str>, i64)> {
    let topic: Arc<str> = spec.restore_topic(topology.application())?.into();
    let end = match spec.changelog {
        // What lies behind the committed offset is yet to be processed, and stored then.
        Changelog::SourceTopic(_) => match cluster.committed(&topic, task.partition) {
            Some((offset, _)) => *offset,
            None => cluster.start(&topic, task.partition),
        },
        Changelog::Topic(_) | Changelog::None => cluster.end(&topic, task.partition),
    };
    Some((topic, end))
}

/// Brings them up to what their changelogs hold; returns how many records that took.
pub(super) fn restore(
    stores: &mut Stores,
    topology: &Topology,
    task: TaskId,
    cluster: &Cluster,
    wall_clock: i64,
) -> Result<usize, StreamsError> {
    let mut restored = 0;
    for (_, store) in stores.iter_mut() {
        let Some((topic, end)) = changelog(store.spec(), topology, task, cluster) else {
            continue;
        };
        let state = ChangelogState {
            start_offset: cluster.start(&topic, task.partition),
            end_offset: end,
            topic_id: None,
            // Nothing is ever compacted away here.
            delete_retention_ms: None,
        };
        let from = match store.last_checkpoint().restore(&state, wall_clock) {
            Restore::From(offset) => offset,
            Restore::Wipe { start, reason } => {
                tracing::info!(%task, store = store.spec().name, %reason, "store wiped");
                store.wipe()?;
                start
            }
        };
        let records = cluster.read(&topic, task.partition, from);
        let records = records.take_while(|record| record.offset < end);
        store.restore(records.filter_map(|record| {
            restored += 1;
            Some(ChangelogRecord {
                key: record.key.as_deref()?,
                value: record.value.as_deref(),
                timestamp: record.timestamp,
                offset: record.offset,
            })
        }))?;
        store.finish_restore(wall_clock.max(1))?;
    }
    Ok(restored)
}

/// Makes the changes of the transaction that committed part of the stores, with where their changelogs are.
pub(super) fn commit(
    stores: &mut Stores,
    topology: &Topology,
    task: TaskId,
    cluster: &Cluster,
    wall_clock: i64,
) -> Result<(), StreamsError> {
    stores.commit(wall_clock, |id| {
        let (_, end) = changelog(&topology.stores()[id.index()], topology, task, cluster)?;
        (end > 0).then(|| end - 1)
    })?;
    Ok(())
}
