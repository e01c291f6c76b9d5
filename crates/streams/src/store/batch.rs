//! Changes of several stores that commit together.

use super::checkpoint::Checkpoint;
use super::commit_log::Changes;
use super::disk::DiskTable;
use super::error::StoreError;
use super::state::StateDatabase;
use super::table::PutRow;

/// Changes of several stores that become visible together, and durable against a kill.
#[must_use = "changes that are not committed are lost"]
pub struct Batch {
    disk: Option<(StateDatabase, Changes)>,
    now_ms: i64,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl Batch {
    /// A batch for stores in memory only.
    pub fn in_memory(now_ms: i64) -> Self {
        Self { disk: None, now_ms }
    }

    pub(crate) fn on_disk(state: StateDatabase, now_ms: i64) -> Self {
        Self {
            disk: Some((state, Changes::default())),
            now_ms,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds changes of a table, as `changes` hands them out.
    pub(crate) fn write(&mut self, table: &DiskTable, changes: impl FnOnce(&mut PutRow<'_>)) {
        let Some((_, batch)) = &mut self.disk else {
            return;
        };
        batch.of(&table.tree().name);
        changes(&mut |key, value| {
            let row = table.row_parts(key);
            match value {
                Some(value) => batch.put(&row, value),
                None => batch.remove(&row),
            }
        });
    }

    /// Adds how far a table has come.
    pub(crate) fn checkpoint(&mut self, table: &str, checkpoint: &Checkpoint, fingerprint: u64) {
        if let Some((state, batch)) = &mut self.disk {
            batch.of(state.checkpoints());
            batch.put(&[table.as_bytes()], &checkpoint.encode(fingerprint));
        }
    }

    /// Commits. After an error nothing of the stores in it can be used: they have to be opened again.
    pub fn commit(self) -> Result<(), StoreError> {
        match self.disk {
            Some((state, changes)) if !changes.is_empty() => state.commit(&changes),
            _ => Ok(()),
        }
    }
}
