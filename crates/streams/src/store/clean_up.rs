//! Tables that nobody needs any more: their partitions have moved away, or the topology does not name their stores.
//!
//! A table is deleted when nobody has held it for the whole of the delay in this process: no task that runs, is
//! suspended or stands by, and no reader. Its checkpoint goes first and its directory is moved away before its files
//! are deleted, so that a kill leaves a store that is empty, or none, and never a part of one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::error::StoreError;
use super::state::StateDatabase;

/// How often is looked, at most.
const EVERY: Duration = Duration::from_mins(1);

impl StateDatabase {
    /// Has tables deleted that nobody has held for `delay`, off the caller's thread. To be called now and then.
    pub(crate) fn clean_up(&self, delay: Duration) {
        {
            let next = &self.shared.next_clean_up;
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if now < *next || now.duration_since(self.shared.opened) < delay {
                return;
            }
            *next = now + EVERY.min(delay);
        }
        let shared = Arc::downgrade(&self.shared);
        self.shared.compactor.clean(move || {
            if let Some(shared) = shared.upgrade() {
                let state = Self { shared };
                if let Err(error) = state.delete_idle(delay) {
                    tracing::warn!(%error, "state that nobody needs could not be deleted");
                }
            }
        });
    }

    fn delete_idle(&self, delay: Duration) -> Result<(), StoreError> {
        let failed = |error: io::Error| super::state::disk_error(self.directory(), &error);
        for entry in fs::read_dir(self.directory().join("tables")).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let file = path.file_name().and_then(|file| file.to_str());
            let Some(name) = file.and_then(table_of) else {
                continue;
            };
            if *name != **self.checkpoints() && self.let_go(&name.into(), &path, delay)? {
                tracing::info!(table = name_of(&path), "state that nobody needs is deleted");
                finish_deletes(self.directory()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Moves a table away, if nobody has held it for `delay`. Runs on the compactor's thread, which writes no table
    /// meanwhile.
    fn let_go(&self, name: &Arc<str>, path: &Path, delay: Duration) -> Result<bool, StoreError> {
        let failed = |error: io::Error| super::state::disk_error(self.directory(), &error);
        let shared = &self.shared;
        // Without the log nobody opens a table.
        let mut log = self.log();
        let mut trees = shared.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if trees.get(name).is_some_and(|tree| !tree.is_idle(delay)) {
            return Ok(false);
        }
        self.void(&mut log, name)?;
        if let Some(tree) = trees.remove(name) {
            shared.compactor.forget(&tree);
            let (unsealed, buffered) = (tree.unsealed(), tree.buffered());
            shared
                .buffered
                .fetch_sub(unsealed, std::sync::atomic::Ordering::Relaxed);
            shared.compactor.dropped(buffered - unsealed);
            for log in self.ended().iter_mut() {
                log.trees.retain(|other| !Arc::ptr_eq(other, &tree));
            }
        }
        let deleted = self.directory().join("deleted");
        fs::create_dir_all(&deleted).map_err(failed)?;
        fs::rename(path, deleted.join(name_of(path))).map_err(failed)?;
        Ok(true)
    }
}

/// Deletes the files of tables that were moved away.
pub(super) fn finish_deletes(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory.join("deleted")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A table's directory: what no file name should have in it is written as in an address.
pub(super) fn table_path(directory: &Path, name: &str) -> PathBuf {
    let mut file = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                file.push(char::from(byte));
            }
            other => {
                use std::fmt::Write;
                let _ = write!(file, "%{other:02x}");
            }
        }
    }
    directory.join("tables").join(file)
}

/// The table that a file's name stands for.
fn table_of(file: &str) -> Option<String> {
    let mut name = Vec::with_capacity(file.len());
    let mut rest = file.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            name.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            name.push(byte);
        }
    }
    String::from_utf8(name).ok()
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|file| file.to_str())
        .unwrap_or_default()
}
