//! Data that must be there and is not: refused, unless the operator has said that the loss is accepted.

use std::path::{Path, PathBuf};

use crate::LogError;
use crate::disk::{Disk, OpenMode};
use crate::partition::remove_if_there;

/// An empty file of this name in the data directory accepts a loss at the next start, which removes it.
pub(crate) const ACCEPT_FILE: &str = "accept-data-loss";

/// What was lost, as far as recovery has found.
#[derive(Debug)]
pub(crate) struct Losses {
    path: PathBuf,
    is_accepted: bool,
    found: Vec<String>,
}

impl Losses {
    /// Looks whether the operator accepts a loss in the directory `root`.
    pub(crate) fn new(disk: &dyn Disk, root: &Path) -> Self {
        let path = root.join(ACCEPT_FILE);
        Self {
            is_accepted: disk.open(&path, OpenMode::Existing).is_ok(),
            path,
            found: Vec::new(),
        }
    }

    /// Notes a loss where one is accepted; otherwise the error, with the remedy.
    pub(crate) fn accept(&mut self, error: LogError) -> Result<(), LogError> {
        if self.is_accepted {
            self.found.push(error.to_string());
            return Ok(());
        }
        let remedy = format!(
            "Restore the data directory from a copy. To go on with what is left instead, and without acknowledged \
             records that are not, first copy the directory, then create an empty file {} and start again",
            self.path.display()
        );
        Err(match error {
            LogError::Missing { path, reason } => LogError::Missing {
                path,
                reason: format!("{reason}. {remedy}"),
            },
            LogError::Corrupt {
                path,
                position,
                reason,
            } => LogError::Corrupt {
                path,
                position,
                reason: format!("{reason}. {remedy}"),
            },
            other => other,
        })
    }

    /// What was accepted so far.
    pub(crate) fn found(&self) -> &[String] {
        &self.found
    }

    /// The start has succeeded: the next one must be told again.
    pub(crate) fn forget(&self, disk: &dyn Disk) -> Result<(), LogError> {
        if !self.is_accepted {
            return Ok(());
        }
        remove_if_there(disk, &self.path)?;
        let root = self.path.parent().unwrap_or(Path::new("."));
        disk.sync_dir(root).map_err(LogError::io("sync", root))
    }
}
