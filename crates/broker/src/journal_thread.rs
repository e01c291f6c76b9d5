//! The thread that makes appends durable: one write and one sync for all that queued.
//!
//! While one commit is being synced the next gathers, so a slow disk only makes
//! commits larger. What a commit contains is `log`'s business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_log::LogDir;
use tracing::{error, warn};

use crate::error::StartError;
use crate::insight::JournalFigures;
use crate::partitions::Partitions;

/// Between attempts to make room in a full journal.
const RETRY: Duration = Duration::from_millis(100);

/// The running thread.
#[derive(Debug)]
pub(crate) struct JournalThread {
    signal: Arc<Signal>,
    handle: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Signal {
    queued: AtomicBool,
    stop: AtomicBool,
}

impl JournalThread {
    /// Starts it; from here on appends become durable.
    pub(crate) fn start(
        log_dir: &Arc<LogDir>,
        partitions: Arc<Partitions>,
        figures: Arc<JournalFigures>,
    ) -> Result<JournalThread, StartError> {
        let signal = Arc::new(Signal::default());
        let handle = {
            let (signal, log_dir) = (Arc::clone(&signal), Arc::clone(log_dir));
            thread::Builder::new()
                .name("journal".to_owned())
                .spawn(move || run(&signal, &log_dir, &partitions, &figures))
                .map_err(|source| StartError::System {
                    action: "start the journal thread",
                    source,
                })?
        };
        let (notified, thread) = (Arc::clone(&signal), handle.thread().clone());
        log_dir.set_notify(Box::new(move || {
            if !notified.queued.swap(true, Ordering::SeqCst) {
                thread.unpark();
            }
        }));
        Ok(JournalThread {
            signal,
            handle: Some(handle),
        })
    }

    /// Asks it to commit what has queued and to end; does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.signal.stop.store(true, Ordering::SeqCst);
        if let Some(handle) = &self.handle {
            handle.thread().unpark();
        }
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
impl Drop for JournalThread {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

fn run(signal: &Signal, log_dir: &LogDir, partitions: &Partitions, figures: &JournalFigures) {
    loop {
        while !signal.queued.swap(false, Ordering::SeqCst) {
            if signal.stop.load(Ordering::SeqCst) {
                return;
            }
            thread::park();
        }
        loop {
            let begun = Instant::now();
            match log_dir.commit_pending() {
                Ok(Some(commit)) => {
                    figures.commit(begun.elapsed(), commit.bytes);
                    partitions.committed(&commit);
                }
                Ok(None) => break,
                Err(failure) => {
                    if let Some(reason) = log_dir.poisoned() {
                        error!("the journal failed, no more is written until a restart: {reason}");
                        partitions.poison(&reason);
                        return;
                    }
                    // No room could be made in the ring; there may be some when the disk has recovered.
                    warn!("the journal has to wait: {failure}");
                    if signal.stop.load(Ordering::SeqCst) {
                        return;
                    }
                    thread::sleep(RETRY);
                }
            }
        }
    }
}
