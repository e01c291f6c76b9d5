//! `headwater broker` as a process: started, killed, restarted on the same port and data.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use crate::process::Process;

/// How long a store may take to answer, on the slowest machine.
const START_LIMIT: Duration = Duration::from_mins(2);
/// How long a store may take to stop in order.
const STOP_LIMIT: Duration = Duration::from_mins(1);

/// How to start a store.
pub struct StoreSettings {
    /// The `headwater` binary.
    pub binary: PathBuf,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Further arguments of `headwater broker`.
    pub arguments: Vec<String>,
}

/// A running event store.
pub struct Store {
    settings: StoreSettings,
    process: Process,
    bootstrap: String,
}

impl Store {
    /// Starts a store on a free port; returns once it answers.
    pub fn start(settings: StoreSettings) -> Result<Self> {
        Self::start_on(settings, 0)
    }

    fn start_on(settings: StoreSettings, port: u16) -> Result<Self> {
        let mut process = Process::start(
            Command::new(&settings.binary)
                .arg("broker")
                .arg("--data-dir")
                .arg(&settings.data_dir)
                .args(["--port", &port.to_string(), "--print-bootstrap"])
                .args(&settings.arguments),
            &log_path(&settings.data_dir),
        )?;
        let bootstrap = process.next_line(START_LIMIT)?;
        Ok(Self {
            settings,
            process,
            bootstrap,
        })
    }

    /// `127.0.0.1:PORT`, as it printed it.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port and data directory, after it ended.
    pub fn restart(self) -> Result<Self> {
        let port = self.port();
        let Self {
            settings, process, ..
        } = self;
        drop(process);
        Self::start_on(settings, port)
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::TERM)?;
        self.process.wait(STOP_LIMIT)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.bootstrap
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or_else(|| panic!("{} is no address", self.bootstrap))
    }
}

/// Beside the data directory, so that the directory holds only the store's own files.
fn log_path(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}
