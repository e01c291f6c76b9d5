//! An event store of a job's own with its topics, and the directories of the applications that run on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use headwater_testkit::{Store, StoreSettings};

use super::programs::Programs;
use crate::command::run as run_command;
use crate::headwater::temporary_dir;

/// What is loaded into topics.
pub(super) struct Input<'a> {
    /// The job whose topics these are.
    pub(super) job: &'a str,
    /// What the topics' names begin with.
    pub(super) prefix: &'a str,
    pub(super) records: u64,
    /// `cubed`: few of the keys have most records; `distinct`: each record has its own.
    pub(super) keys: &'a str,
}

/// A running store, which goes with its data.
pub(super) struct Setup {
    store: Option<Store>,
    dir: PathBuf,
}

impl Setup {
    pub(super) fn start(programs: &Programs) -> Result<Self> {
        let dir = temporary_dir("bench-streams")?;
        let mut store = Store::start(StoreSettings {
            binary: programs.store(),
            data_dir: dir.join("data"),
            arguments: vec!["--num-partitions".into(), "4".into()],
        })?;
        programs.pin_store(store.process().id())?;
        Ok(Self {
            store: Some(store),
            dir,
        })
    }

    pub(super) fn bootstrap(&self) -> &str {
        self.store.as_ref().map_or("", Store::bootstrap)
    }

    /// Makes the topics where they are missing and appends the records.
    pub(super) fn load(&self, programs: &Programs, input: &Input<'_>) -> Result<()> {
        let mut load = programs.load();
        load.arg(format!("bootstrap={}", self.bootstrap()))
            .arg(format!("job={}", input.job))
            .arg(format!("prefix={}", input.prefix))
            .arg(format!("records={}", input.records))
            .arg(format!("keys={}", input.keys));
        run_command(&mut load)
    }

    /// Where an application keeps its state.
    pub(super) fn state(&self, application: &str) -> PathBuf {
        self.dir.join("state").join(application)
    }

    /// Removes a directory of an application's state, if it is there.
    pub(super) fn remove(&self, state: &Path) -> Result<()> {
        debug_assert!(state.starts_with(&self.dir), "nothing else is removed");
        match fs::remove_dir_all(state) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", state.display()))
            }
            _ => Ok(()),
        }
    }

    /// Where applications log to.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("applications.log")
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        drop(self.store.take());
        let _ = fs::remove_dir_all(&self.dir);
    }
}
