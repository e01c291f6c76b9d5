//! The thread that keeps the data directory small and recovery short.
//!
//! It grows the journal to its full size when it is used, checkpoints by time and
//! by how much was written, and applies retention. It never answers requests.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_log::{JournalStep, LogDir};
use tracing::{debug, warn};

use crate::clock;
use crate::error::StartError;
use crate::insight::JournalFigures;

/// How often the thread looks whether something is due.
const TICK: Duration = Duration::from_millis(500);
/// A checkpoint at least this often while something is written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// A checkpoint after this much, long before the full journal would force one.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// The running thread.
#[derive(Debug)]
pub(crate) struct MaintenanceThread {
    stop: Arc<(Mutex<bool>, Condvar)>,
    handle: Option<JoinHandle<()>>,
}

impl MaintenanceThread {
    /// Starts it.
    pub(crate) fn start(
        log_dir: Arc<LogDir>,
        retention_check_interval: Duration,
        figures: Arc<JournalFigures>,
    ) -> Result<MaintenanceThread, StartError> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let maintenance = Maintenance {
            log_dir,
            figures,
            retention_check_interval,
            checkpointed: Instant::now(),
            bytes_then: 0,
            bytes_grown: 0,
            retained: Instant::now(),
            growing: true,
        };
        let signal = Arc::clone(&stop);
        let handle = thread::Builder::new()
            .name("maintenance".to_owned())
            .spawn(move || run(maintenance, &signal))
            .map_err(|source| StartError::System {
                action: "start the maintenance thread",
                source,
            })?;
        Ok(MaintenanceThread {
            stop,
            handle: Some(handle),
        })
    }

    /// Asks it to end; does not wait.
    pub(crate) fn ask_to_stop(&self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
    }

    /// Stops it and waits; `false` if it had panicked. Blocking.
    pub(crate) fn stop(mut self) -> bool {
        self.ask_to_stop();
        self.handle
            .take()
            .is_none_or(|handle| handle.join().is_ok())
    }
}

/// A node that failed to start must not leave its threads and its data directory's lock behind.
impl Drop for MaintenanceThread {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

fn run(mut maintenance: Maintenance, stop: &(Mutex<bool>, Condvar)) {
    loop {
        let stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = stop
            .1
            .wait_timeout_while(stopped, TICK, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return;
        }
        drop(stopped);
        maintenance.tick();
    }
}

struct Maintenance {
    log_dir: Arc<LogDir>,
    figures: Arc<JournalFigures>,
    retention_check_interval: Duration,
    checkpointed: Instant,
    /// What the journal had taken at the last checkpoint.
    bytes_then: u64,
    /// And when it last grew.
    bytes_grown: u64,
    retained: Instant,
    growing: bool,
}

impl Maintenance {
    fn tick(&mut self) {
        if self.log_dir.poisoned().is_some() {
            return;
        }
        self.grow();
        if self.retained.elapsed() >= self.retention_check_interval {
            self.retained = Instant::now();
            if let Err(failure) = self.log_dir.apply_retention(clock::now_ms()) {
                warn!("retention: {failure}");
            }
            self.checkpoint();
            return;
        }
        let written = self.figures.bytes() - self.bytes_then;
        let due = self.checkpointed.elapsed() >= CHECKPOINT_INTERVAL && written > 0;
        if due || written >= CHECKPOINT_BYTES {
            self.checkpoint();
        }
    }

    /// One file at a time, and only while the journal is used: an idle node stays small.
    fn grow(&mut self) {
        let bytes = self.figures.bytes();
        if !self.growing || bytes == self.bytes_grown {
            return;
        }
        self.bytes_grown = bytes;
        match self.log_dir.prepare_journal() {
            Ok(step) => self.growing = step == JournalStep::More,
            Err(failure) => warn!("the journal keeps its size for now: {failure}"),
        }
    }

    fn checkpoint(&mut self) {
        self.bytes_then = self.figures.bytes();
        let begun = Instant::now();
        match self.log_dir.checkpoint(clock::now_ms()) {
            Ok(()) => debug!(micros = begun.elapsed().as_micros() as u64, "checkpoint"),
            Err(failure) => warn!("checkpoint: {failure}"),
        }
        self.checkpointed = Instant::now();
    }
}
