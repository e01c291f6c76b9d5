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
use crate::partitions::Partitions;

/// How often the thread looks whether something is due.
const TICK: Duration = Duration::from_millis(500);
/// A checkpoint at least this often while something is written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// A checkpoint after this much, long before the full journal would force one.
const CHECKPOINT_BYTES: u64 = 64 << 20;
/// So many files the journal grows by at once, enough for the bytes between two checkpoints,
const GROWN_AT_ONCE: u32 = 4;
/// and from then on by one in this time: commits wait while a new file is synced.
const GROWTH_PAUSE: Duration = Duration::from_secs(5);
/// With less free room than this, what was deleted goes at once. Below 64 MiB appends are refused.
const SHORT_OF_ROOM: u64 = 256 << 20;

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
        partitions: Arc<Partitions>,
        retention_check_interval: Duration,
        figures: Arc<JournalFigures>,
    ) -> Result<MaintenanceThread, StartError> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let maintenance = Maintenance::new(log_dir, partitions, retention_check_interval, figures);
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
    partitions: Arc<Partitions>,
    figures: Arc<JournalFigures>,
    retention_check_interval: Duration,
    checkpointed: Instant,
    /// What had been appended at the last checkpoint; in relaxed mode the journal takes nothing.
    bytes_then: u64,
    /// What the journal had taken when it last grew.
    bytes_grown: u64,
    retained: Instant,
    growing: bool,
    /// Files it grew by, and when.
    grown: u32,
    grown_at: Instant,
    /// Deletions whose room is free.
    removed: u64,
}

impl Maintenance {
    fn new(
        log_dir: Arc<LogDir>,
        partitions: Arc<Partitions>,
        retention_check_interval: Duration,
        figures: Arc<JournalFigures>,
    ) -> Maintenance {
        Maintenance {
            log_dir,
            partitions,
            figures,
            retention_check_interval,
            checkpointed: Instant::now(),
            bytes_then: 0,
            bytes_grown: 0,
            retained: Instant::now(),
            growing: true,
            grown: 0,
            grown_at: Instant::now(),
            removed: 0,
        }
    }

    fn tick(&mut self) {
        if self.log_dir.poisoned().is_some() {
            return;
        }
        self.grow();
        if let Err(failure) = self.log_dir.flush_due(clock::now_ms()) {
            warn!("flush.ms: {failure}");
        }
        if self.retained.elapsed() >= self.retention_check_interval {
            self.retained = Instant::now();
            if let Err(failure) = self.log_dir.apply_retention(clock::now_ms()) {
                warn!("retention: {failure}");
            }
            self.checkpoint();
            return;
        }
        let written = self.partitions.appended_bytes() - self.bytes_then;
        let due = self.checkpointed.elapsed() >= CHECKPOINT_INTERVAL && written > 0;
        if due || written >= CHECKPOINT_BYTES || self.room_is_waiting() {
            self.checkpoint();
        }
    }

    /// Whether room is short and a checkpoint would make some.
    fn room_is_waiting(&self) -> bool {
        let free = || self.log_dir.free_bytes();
        self.removable() > self.removed && free().is_ok_and(|free| free < SHORT_OF_ROOM)
    }

    /// Deletions that are durable, so that the next checkpoint removes the files.
    fn removable(&self) -> u64 {
        let deletions = self.partitions.deletions();
        if deletions.position <= self.log_dir.durable() {
            deletions.count
        } else {
            self.removed
        }
    }

    /// One file at a time, and only while the journal is used: an idle node stays small.
    fn grow(&mut self) {
        let bytes = self.figures.bytes();
        let paused = self.grown >= GROWN_AT_ONCE && self.grown_at.elapsed() < GROWTH_PAUSE;
        if !self.growing || paused || bytes == self.bytes_grown {
            return;
        }
        self.bytes_grown = bytes;
        self.grown += 1;
        match self.log_dir.prepare_journal() {
            Ok(step) => self.growing = step == JournalStep::More,
            Err(failure) => warn!("the journal keeps its size for now: {failure}"),
        }
        self.grown_at = Instant::now();
    }

    fn checkpoint(&mut self) {
        self.bytes_then = self.partitions.appended_bytes();
        let removable = self.removable();
        let begun = Instant::now();
        match self.log_dir.checkpoint(clock::now_ms()) {
            Ok(()) => {
                self.removed = removable;
                debug!(micros = begun.elapsed().as_micros() as u64, "checkpoint");
            }
            Err(failure) => warn!("checkpoint: {failure}"),
        }
        self.checkpointed = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use headwater_log::disk::{Disk, FaultyDisk};
    use headwater_log::{Durability, JournalSizes, LogConfig, LogDirOptions, Origin};
    use headwater_protocol::Uuid;
    use headwater_records::BatchBuilder;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::budget::Budget;

    const TOPIC: Uuid = Uuid([7; 16]);

    fn logs_on(disk: &FaultyDisk) -> usize {
        disk.list(Path::new("/data/partitions")).unwrap().len()
    }

    fn open(disk: &FaultyDisk, journal: JournalSizes) -> (Arc<LogDir>, Arc<Partitions>) {
        let options = LogDirOptions {
            root: "/data".into(),
            durability: Durability::Fsync,
            incarnation: 1,
            new_cluster_id: "cluster".to_owned(),
            now_ms: clock::now_ms(),
            journal,
        };
        let (log_dir, _) = LogDir::open(Arc::new(disk.clone()), options).unwrap();
        let log_dir = Arc::new(log_dir);
        let stopping = CancellationToken::new();
        let partitions = Partitions::new(Arc::clone(&log_dir), stopping, Budget::new(1));
        (log_dir, Arc::new(partitions))
    }

    fn maintain(log_dir: &Arc<LogDir>, partitions: &Arc<Partitions>) -> Maintenance {
        Maintenance::new(
            Arc::clone(log_dir),
            Arc::clone(partitions),
            Duration::from_hours(1),
            Arc::default(),
        )
    }

    #[test]
    fn a_journal_that_is_used_grows_to_what_it_needs_at_once_and_then_slowly() {
        let disk = FaultyDisk::new();
        let small = JournalSizes {
            initial_file_bytes: 64 << 10,
            files: 12,
            file_bytes: 512 << 10,
            ..JournalSizes::default()
        };
        let (log_dir, partitions) = open(&disk, small);
        let mut maintenance = maintain(&log_dir, &partitions);
        maintenance.tick();
        assert_eq!(maintenance.grown, 0);
        for _ in 0..12 {
            maintenance.figures.commit(Duration::ZERO, 4_096);
            maintenance.tick();
        }
        assert_eq!(maintenance.grown, GROWN_AT_ONCE);
        maintenance.grown_at = Instant::now().checked_sub(GROWTH_PAUSE).unwrap();
        maintenance.tick();
        assert_eq!(maintenance.grown, GROWN_AT_ONCE + 1);
    }

    #[test]
    fn what_was_deleted_goes_at_once_when_room_is_short_and_not_otherwise() {
        let disk = FaultyDisk::new();
        let (log_dir, partitions) = open(&disk, JournalSizes::default());
        for number in 0..2 {
            let partition = partitions.open_partition(TOPIC, number, LogConfig::default());
            let mut batch = BatchBuilder::new();
            batch.append(clock::now_ms(), None, Some(b"x"), &[]);
            let appended = partitions.append(&partition, batch.build(0), Origin::Client, 0);
            appended.unwrap();
        }
        log_dir.commit_pending().unwrap();
        log_dir.checkpoint(clock::now_ms()).unwrap();
        assert_eq!(logs_on(&disk), 2);
        let mut maintenance = maintain(&log_dir, &partitions);

        partitions.delete(TOPIC, 0).unwrap();
        log_dir.commit_pending().unwrap();
        maintenance.tick();
        assert_eq!(logs_on(&disk), 2);

        disk.set_capacity(Some(SHORT_OF_ROOM));
        maintenance.tick();
        assert_eq!(logs_on(&disk), 1);

        partitions.delete(TOPIC, 1).unwrap();
        // Not before the deletion is durable: after a crash the partition would be there again.
        maintenance.tick();
        assert_eq!(logs_on(&disk), 1);
        log_dir.commit_pending().unwrap();
        maintenance.tick();
        assert_eq!(logs_on(&disk), 0);
    }
}
