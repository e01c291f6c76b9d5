//! Opening a log directory that was in use: partitions at their recovery points, then what came after.
//!
//! After a clean shutdown nothing came after. Otherwise the journal tells what was acknowledged, or in relaxed mode
//! the segments themselves. Two walks over the journal: the first finds deleted partitions, whose entries are void,
//! the second applies. Deletions being journalled, `__cluster_metadata` is a partition like any other here: it need not
//! be read first to know which topics are gone.
//!
//! Nothing here makes anything durable: the checkpoint that follows does, and until it is written an interrupted start
//! begins again from the same journal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Shutdown};
use crate::disk::Disk;
use crate::journal::{Change, Durability, Entry, Replay, journal_dir, missing_files};
use crate::log_dir::PartitionCut;
use crate::loss::Losses;
use crate::node::{Node, partitions_dir};
use crate::partition::{Applied, RecoverError, remove_if_there};
use crate::{LogError, PartitionId, PartitionLog, RecoveryReport};

/// The partitions of a log directory.
pub(crate) type Partitions = BTreeMap<PartitionId, Arc<PartitionLog>>;

/// Brings all partitions back.
pub(crate) fn recover(
    node: &Arc<Node>,
    checkpoint: Option<&Checkpoint>,
    losses: &mut Losses,
) -> Result<(Partitions, RecoveryReport), LogError> {
    let mut report = RecoveryReport::default();
    let on_disk = partitions_on_disk(node.disk.as_ref(), &node.root)?;
    let partitions = match checkpoint {
        // The caller knows that the directory is new, or that the loss of the checkpoint is accepted.
        None => recover_from_segments(node, Partitions::new(), &on_disk)?,
        Some(checkpoint) if checkpoint.shutdown == Shutdown::Clean => {
            report.clean = true;
            load(node, checkpoint, &BTreeSet::new())?
        }
        Some(checkpoint) if checkpoint.durability == Durability::Fsync => {
            recover_from_journal(node, checkpoint, &on_disk, losses, &mut report)?
        }
        Some(checkpoint) => {
            let loaded = load(node, checkpoint, &BTreeSet::new())?;
            recover_from_segments(node, loaded, &on_disk)?
        }
    };
    for partition in partitions.values() {
        let bytes = partition.finish_recovery()?;
        report.truncated_bytes += bytes;
        if bytes > 0 {
            report.cut.push(PartitionCut {
                partition: partition.id(),
                log_end_offset: partition.log_end_offset(),
                bytes,
            });
        }
    }
    remove_others(node, &on_disk, &partitions)?;
    report.partitions = partitions.len();
    report.accepted_losses = losses.found().to_vec();
    Ok((partitions, report))
}

fn load(
    node: &Arc<Node>,
    checkpoint: &Checkpoint,
    deleted: &BTreeSet<PartitionId>,
) -> Result<Partitions, LogError> {
    let mut partitions = Partitions::new();
    for entry in &checkpoint.partitions {
        if !deleted.contains(&entry.id) {
            let partition = PartitionLog::load(Arc::clone(node), entry)?;
            partitions.insert(entry.id, Arc::new(partition));
        }
    }
    Ok(partitions)
}

fn recover_from_journal(
    node: &Arc<Node>,
    checkpoint: &Checkpoint,
    on_disk: &BTreeSet<PartitionId>,
    losses: &mut Losses,
    report: &mut RecoveryReport,
) -> Result<Partitions, LogError> {
    let dir = journal_dir(&node.root);
    for error in missing_files(node.disk.as_ref(), &dir, &checkpoint.journal_files)? {
        losses.accept(error)?;
    }
    let mut deleted = BTreeSet::new();
    let mut replay = Replay::new(node.disk.as_ref(), &dir, &checkpoint.restart)?;
    while let Some(commit) = replay.next()? {
        report.commits += 1;
        let deletions = commit.entries.iter();
        let deletions = deletions.filter(|entry| entry.change == Change::Delete);
        deleted.extend(deletions.map(|entry| entry.partition));
    }
    if let Err(error) = replay.refuse_later_commits() {
        losses.accept(error)?;
    }

    let mut partitions = load(node, checkpoint, &deleted)?;
    let mut given_up = BTreeSet::new();
    let mut replay = Replay::new(node.disk.as_ref(), &dir, &checkpoint.restart)?;
    while let Some(commit) = replay.next()? {
        for entry in &commit.entries {
            if deleted.contains(&entry.partition) {
                continue;
            }
            let partition = partitions.entry(entry.partition).or_insert_with(|| {
                let config = crate::LogConfig::default();
                Arc::new(PartitionLog::new(Arc::clone(node), entry.partition, config))
            });
            if given_up.contains(&entry.partition) {
                continue;
            }
            match apply(partition, entry) {
                Ok(Applied::Now) => report.applied_entries += 1,
                Ok(Applied::Before) => {}
                Err(RecoverError::Log(error)) => return Err(error),
                Err(RecoverError::Contradiction(reason)) => {
                    losses.accept(LogError::corrupt(commit.path, commit.offset, reason))?;
                    given_up.insert(entry.partition);
                }
            }
        }
    }
    if losses.found().is_empty() {
        return Ok(partitions);
    }
    // What the journal does not have any more may still be in the segments.
    let not_deleted = on_disk.difference(&deleted).copied().collect();
    recover_from_segments(node, partitions, &not_deleted)
}

fn apply(partition: &PartitionLog, entry: &Entry) -> Result<Applied, RecoverError> {
    match &entry.change {
        Change::Append { place, batches } => {
            let batches = batches.first().cloned().unwrap_or_default();
            partition.recover_append(*place, &batches)
        }
        Change::Synced {
            place,
            length,
            end_offset,
        } => partition.recover_synced(*place, *length, *end_offset),
        Change::LogStart { log_start_offset } => partition.recover_log_start(*log_start_offset),
        Change::Delete => Ok(Applied::Before),
    }
}

/// Takes in what the segments hold behind `partitions` as they were loaded, and partitions that only the disk knows.
fn recover_from_segments(
    node: &Arc<Node>,
    mut partitions: Partitions,
    on_disk: &BTreeSet<PartitionId>,
) -> Result<Partitions, LogError> {
    for id in on_disk {
        if !partitions.contains_key(id) {
            let partition = PartitionLog::load_unknown(Arc::clone(node), *id)?;
            partitions.insert(*id, Arc::new(partition));
        }
    }
    for partition in partitions.values() {
        partition.recover_tail()?;
    }
    Ok(partitions)
}

/// The partitions that have a directory.
pub(crate) fn partitions_on_disk(
    disk: &dyn Disk,
    root: &Path,
) -> Result<BTreeSet<PartitionId>, LogError> {
    let dir = partitions_dir(root);
    let names = disk.list(&dir).map_err(LogError::io("list", &dir))?;
    Ok(names
        .iter()
        .filter_map(|name| PartitionId::from_dir_name(name))
        .collect())
}

/// Removes directories of partitions that were deleted, or in which nothing was ever acknowledged.
fn remove_others(
    node: &Node,
    on_disk: &BTreeSet<PartitionId>,
    kept: &Partitions,
) -> Result<(), LogError> {
    for id in on_disk.iter().filter(|id| !kept.contains_key(*id)) {
        remove_partition_dir(node, *id)?;
    }
    Ok(())
}

/// Removes a partition's directory with all that is in it.
pub(crate) fn remove_partition_dir(node: &Node, id: PartitionId) -> Result<(), LogError> {
    let dir = node.partition_dir(id);
    let names = match node.disk.list(&dir) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LogError::io("list", &dir)(error)),
    };
    for name in names {
        remove_if_there(node.disk.as_ref(), &dir.join(name))?;
    }
    node.disk
        .remove_dir(&dir)
        .map_err(LogError::io("remove", &dir))
}
