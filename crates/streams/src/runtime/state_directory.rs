//! An application's directory on this machine: its lock, and the process id by which its group knows it again.
//!
//! ```text
//! <state dir>/<application>/
//!   LOCK         held by the running process
//!   process-id   a UUID, made at the first start
//!   stores/      the state stores
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::StreamsError;

/// How often a lock that another process has is tried again, and the pause before that.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The directory, locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    path: PathBuf,
    process_id: String,
    _lock: File,
}

impl StateDirectory {
    /// Locks the directory of `application` in `root`, and makes what is missing.
    ///
    /// # Errors
    /// Another process has it, or it cannot be written.
    pub(crate) fn open(root: &Path, application: &str) -> Result<Self, StreamsError> {
        let path = root.join(application);
        let failed = |doing: &str, error: &io::Error| {
            StreamsError::Settings(format!("{doing} {}: {error}", path.display()))
        };
        fs::create_dir_all(&path).map_err(|error| failed("making the state directory", &error))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("LOCK"))
            .map_err(|error| failed("locking the state directory", &error))?;
        match lock_patiently(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StreamsError::Settings(format!(
                    "the state directory {} is in use by another instance of {application}: give each instance on \
                     a machine a directory of its own (App::state_dir)",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => {
                return Err(failed("locking the state directory", &error));
            }
        }
        let process_id = process_id(&path.join("process-id"))
            .map_err(|error| failed("keeping the process id in", &error))?;
        Ok(Self {
            path,
            process_id,
            _lock: lock,
        })
    }

    /// Names this process in its group, the same after a restart.
    pub(crate) fn process_id(&self) -> &str {
        &self.process_id
    }

    /// Where the stores are.
    pub(crate) fn stores(&self) -> PathBuf {
        self.path.join("stores")
    }
}

/// Locks the file. A process that was just killed takes a moment to be gone, so its successor waits for it.
fn lock_patiently(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            locked => return locked,
        }
    }
    lock.try_lock()
}

/// The id in the file, or a new one that is written there in one step.
fn process_id(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) if uuid::Uuid::parse_str(text.trim()).is_ok() => {
            return Ok(text.trim().to_owned());
        }
        Ok(_) => tracing::warn!(file = %file.display(), "no process id in it: a new one is made"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let id = uuid::Uuid::new_v4().to_string();
    let draft = file.with_extension("new");
    let mut writer = File::create(&draft)?;
    writer.write_all(id.as_bytes())?;
    writer.sync_all()?;
    fs::rename(&draft, file)?;
    Ok(id)
}

/// Deletes the local state of `application` in `root`, for a reset.
///
/// # Errors
/// An instance is running, or a file cannot be deleted.
pub(crate) fn delete(root: &Path, application: &str) -> Result<(), StreamsError> {
    if !root.join(application).exists() {
        return Ok(());
    }
    let directory = StateDirectory::open(root, application)?;
    fs::remove_dir_all(&directory.path).map_err(|error| {
        StreamsError::Settings(format!("deleting {}: {error}", directory.path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_has_one_process_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let held = StateDirectory::open(root.path(), "shop").unwrap();
        let refused = StateDirectory::open(root.path(), "shop").unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("is in use by another instance"),
            "{refused}"
        );
        let other = StateDirectory::open(root.path(), "other").unwrap();
        assert_ne!(held.process_id(), other.process_id());
        drop(held);
        StateDirectory::open(root.path(), "shop").unwrap();
    }

    #[test]
    fn the_process_id_survives_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let first = StateDirectory::open(root.path(), "shop")
            .unwrap()
            .process_id()
            .to_owned();
        let second = StateDirectory::open(root.path(), "shop")
            .unwrap()
            .process_id()
            .to_owned();
        assert_eq!(first, second);
        fs::write(root.path().join("shop/process-id"), "half a").unwrap();
        let third = StateDirectory::open(root.path(), "shop")
            .unwrap()
            .process_id()
            .to_owned();
        assert_ne!(first, third, "what was torn is made anew");
    }

    #[test]
    fn a_reset_deletes_the_local_state_and_refuses_while_it_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        delete(root.path(), "shop").unwrap();
        let held = StateDirectory::open(root.path(), "shop").unwrap();
        delete(root.path(), "shop").unwrap_err();
        drop(held);
        delete(root.path(), "shop").unwrap();
        assert!(!root.path().join("shop").exists());
    }
}
