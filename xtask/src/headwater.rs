//! The `headwater` binary of this tree, built and started.

use std::path::PathBuf;

use anyhow::{Context, Result};
use headwater_testkit::{Store, StoreSettings};

use crate::command::{command, run};
use crate::workspace::root;

/// Builds the development binary and says where it is.
pub(crate) fn binary() -> Result<PathBuf> {
    run(&mut command(
        "cargo",
        &["build", "--package", "headwater-cli"],
        &root(),
    ))?;
    Ok(target_dir().join("debug/headwater"))
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// An event store for some suites: on a free port, in a directory that goes with it.
pub(crate) struct TemporaryStore {
    store: Option<Store>,
    dir: PathBuf,
}

impl TemporaryStore {
    /// Starts one with these broker settings, each `key=value`.
    pub(crate) fn start(settings: &[&str]) -> Result<Self> {
        let dir = temporary_dir("store")?;
        let store = Store::start(StoreSettings {
            binary: binary()?,
            data_dir: dir.join("data"),
            arguments: settings
                .iter()
                .flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()])
                .collect(),
        })?;
        Ok(Self {
            store: Some(store),
            dir,
        })
    }

    pub(crate) fn bootstrap(&self) -> &str {
        self.store.as_ref().map_or("", Store::bootstrap)
    }
}

impl Drop for TemporaryStore {
    fn drop(&mut self) {
        drop(self.store.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A directory that only this process uses.
pub(crate) fn temporary_dir(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("headwater-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}
