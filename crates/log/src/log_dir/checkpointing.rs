//! Making a checkpoint: sync, replace the file, and only then free and remove.

use std::sync::Arc;

use super::{LogDir, empty_restart_point};
use crate::checkpoint::{Checkpoint, Shutdown};
use crate::journal::{JournalFile, RestartPoint, lock};
use crate::node::partitions_dir;
use crate::partition::Capture;
use crate::recovery::remove_partition_dir;
use crate::{LogError, PartitionId, PartitionLog, Position};

/// With more changed partitions than this, syncing one file after another takes long.
const MANY_PARTITIONS: usize = 32;

/// How what was written comes to the disk before its files are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteBack {
    /// Each by its own sync: commits go on meanwhile, and must not wait behind everything.
    FileByFile,
    /// All together, while nobody waits for anything else.
    AllAtOnce,
}

impl LogDir {
    pub(super) fn checkpoint_running(&self) -> Result<(), LogError> {
        self.make_checkpoint(Shutdown::Running, WriteBack::FileByFile)
    }

    /// The first one of a start, after recovery has written to many files.
    pub(super) fn checkpoint_recovered(&self) -> Result<(), LogError> {
        self.make_checkpoint(Shutdown::Running, WriteBack::AllAtOnce)
    }

    pub(super) fn checkpoint_clean(&self) -> Result<(), LogError> {
        self.make_checkpoint(Shutdown::Clean, WriteBack::AllAtOnce)
    }

    fn make_checkpoint(&self, shutdown: Shutdown, write_back: WriteBack) -> Result<(), LogError> {
        let poison = self.node.journal.poison();
        let mut last = lock(&self.checkpoint);
        poison.check()?;
        // Taken before the partitions are looked at: everything up to here is in what they say.
        let (durable, restart, journal_files) = self.restart_point();
        let mut captures = Vec::new();
        let (partitions, deleted) = self.partitions_to_capture(durable);
        for partition in partitions {
            if let Some(capture) = partition.capture()? {
                captures.push((partition, capture));
            }
        }
        self.sync_captures(&captures, write_back)
            .map_err(|error| poison.set_if_sync(error))?;

        let checkpoint = Checkpoint {
            shutdown,
            durability: self.durability(),
            restart,
            journal_files,
            partitions: captures.iter().map(|(_, capture)| capture.entry).collect(),
        };
        if last.as_ref() != Some(&checkpoint) {
            checkpoint
                .write(self.node.disk.as_ref(), &self.node.root)
                .map_err(|error| poison.set_if_sync(error))?;
            *last = Some(checkpoint);
        }

        let named = last.as_ref().map(|last| last.journal_files.as_slice());
        self.node
            .journal
            .release(durable, named.unwrap_or_default());
        for (partition, capture) in captures {
            partition.finish_capture(capture)?;
        }
        self.remove_deleted(&deleted)
    }

    fn restart_point(&self) -> (Position, RestartPoint, Vec<JournalFile>) {
        let none = (
            Position::ZERO,
            empty_restart_point(self.incarnation),
            Vec::new(),
        );
        self.node.journal.restart_point().unwrap_or(none)
    }

    /// All partitions, and those whose deletion is not durable yet: after a crash they would be there again. Then the
    /// deleted ones that the checkpoint leaves out: those deleted later are named in it, and their files have to stay.
    fn partitions_to_capture(
        &self,
        durable: Position,
    ) -> (Vec<Arc<PartitionLog>>, Vec<PartitionId>) {
        let partitions = self.read_partitions();
        let deletions = lock(&self.deletions);
        let (decided, undecided): (Vec<_>, Vec<_>) = deletions
            .iter()
            .partition(|deletion| deletion.position <= durable);
        let undecided = undecided.iter().map(|deletion| &deletion.partition);
        let to_capture = partitions.values().chain(undecided).cloned().collect();
        // Where the cleaner is at work, the directory would not stay empty.
        let removable = decided
            .iter()
            .filter(|deletion| !deletion.partition.is_being_cleaned());
        let deleted = removable.map(|deletion| deletion.partition.id());
        (to_capture, deleted.collect())
    }

    fn sync_captures(
        &self,
        captures: &[(Arc<PartitionLog>, Capture)],
        write_back: WriteBack,
    ) -> Result<(), LogError> {
        let changed = || {
            captures
                .iter()
                .filter(|(_, capture)| capture.changes_files())
        };
        let at_once =
            write_back == WriteBack::AllAtOnce && changed().nth(MANY_PARTITIONS).is_some();
        let write_back = || {
            if at_once {
                self.node.disk.write_back(&self.node.root);
            }
        };
        for (partition, capture) in changed() {
            partition.write_capture(capture)?;
        }
        write_back();
        for (partition, capture) in changed() {
            partition.sync_capture(capture)?;
        }
        write_back();
        for (partition, capture) in changed() {
            partition.sync_capture_dir(capture)?;
        }
        if captures.iter().any(|(_, capture)| capture.dir_changed()) {
            let dir = partitions_dir(&self.node.root);
            let synced = self.node.disk.sync_dir(&dir);
            synced.map_err(LogError::io("sync", &dir))?;
        }
        Ok(())
    }

    /// Removes the directories of partitions whose deletion is in the checkpoint.
    fn remove_deleted(&self, deleted: &[PartitionId]) -> Result<(), LogError> {
        for &id in deleted {
            remove_partition_dir(&self.node, id)?;
            lock(&self.deletions).retain(|deletion| deletion.partition.id() != id);
        }
        Ok(())
    }
}
