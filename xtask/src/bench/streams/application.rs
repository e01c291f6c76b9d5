//! An application that is measured: its process, and the marks it prints.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use headwater_testkit::Process;

use super::job::Guarantee;
use super::programs::{Library, Programs};
use crate::bench::process::{cpu_seconds, status_bytes};

/// How long one phase may take, on the slowest machine.
const LIMIT: Duration = Duration::from_mins(40);

/// What is to be run.
pub(super) struct Run<'a> {
    pub(super) library: Library,
    pub(super) bootstrap: &'a str,
    pub(super) job: &'a str,
    pub(super) guarantee: Guarantee,
    /// The application id.
    pub(super) application: String,
    pub(super) state: PathBuf,
    /// Records of a pass before the measured one, in the same process; 0 for none.
    pub(super) warm: u64,
    pub(super) records: u64,
    /// Whether it stays when it has taken all records, until it is killed.
    pub(super) hold: bool,
}

/// A running one.
pub(super) struct Application {
    process: Process,
    started: Instant,
}

/// What was seen between its first record and its end.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) records_per_cpu_second: f64,
    pub(super) records_per_second: f64,
    pub(super) peak_bytes: u64,
}

/// The time it took from its start to its first record, and to its last.
#[derive(Clone, Copy)]
pub(super) struct Came {
    pub(super) first: Duration,
    pub(super) last: Duration,
    pub(super) cpu_seconds: f64,
}

impl Application {
    pub(super) fn start(programs: &Programs, run: &Run<'_>, log: &Path) -> Result<Self> {
        let mut command: Command = programs.application(run.library);
        command
            .arg(format!("bootstrap={}", run.bootstrap))
            .arg(format!("job={}", run.job))
            .arg(format!("guarantee={}", run.guarantee.name()))
            .arg(format!("application={}", run.application))
            .arg(format!("state={}", run.state.display()))
            .arg(format!("warm={}", run.warm))
            .arg(format!("records={}", run.records))
            .arg(format!("hold={}", run.hold));
        let started = Instant::now();
        Ok(Self {
            process: Process::start(&mut command, log)?,
            started,
        })
    }

    /// Follows it through all its marks to its end.
    pub(super) fn measure(&mut self, records: u64) -> Result<Measured> {
        self.mark("first")?;
        let before = self.cpu_seconds()?;
        self.mark("done")?;
        let quiet = self.mark("quiet")?;
        let milliseconds: f64 = quiet.parse().context("the milliseconds of `quiet`")?;
        let peak_bytes = self.peak_bytes()?;
        self.mark("end")?;
        // The process may be gone by now, but is not waited for: what it used is told till then.
        let cpu = self.cpu_seconds()? - before;
        Ok(Measured {
            records_per_cpu_second: records as f64 / cpu.max(0.01),
            records_per_second: records as f64 / milliseconds.max(1.0) * 1000.0,
            peak_bytes,
        })
    }

    /// Waits until it has taken all its records; how long that took from its start.
    pub(super) fn took_all(&mut self) -> Result<Came> {
        self.mark("first")?;
        let first = self.started.elapsed();
        self.mark("done")?;
        Ok(Came {
            first,
            last: self.started.elapsed(),
            cpu_seconds: self.cpu_seconds()?,
        })
    }

    /// Waits for its end in order.
    pub(super) fn ends(&mut self) -> Result<()> {
        self.mark("quiet")?;
        self.mark("end")?;
        let status = self.process.wait(LIMIT)?;
        anyhow::ensure!(
            status.success(),
            "{status}; its log:\n{}",
            self.process.log()
        );
        Ok(())
    }

    /// Ends it as `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// The next mark, which must be this one; what it says besides.
    fn mark(&mut self, expected: &str) -> Result<String> {
        let line = self.process.next_line(LIMIT)?;
        match line.strip_prefix(expected) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => bail!("`{line}`, where the mark `{expected}` was to come"),
        }
    }

    fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.process.id()).context("the system does not tell the processor time used")
    }

    fn peak_bytes(&self) -> Result<u64> {
        status_bytes(self.process.id(), "VmHWM:").context("the system does not tell the memory")
    }
}
