//! The thread that compacts: Kafka's log cleaner, of which there is one.
//!
//! It takes the dirtiest partition, one after another, and works in steps of one
//! buffer, between which it looks whether it should end and holds itself to
//! `log.cleaner.io.max.bytes.per.second`. What a round does is `log`'s business.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use headwater_log::{Clean, CleanStep, CleanerOptions, LogDir, LogError};
use tracing::{debug, warn};

use crate::clock;
use crate::error::StartError;
use crate::metadata::Metadata;

/// The least time between two looks, whatever `log.cleaner.backoff.ms` says.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest that the thread holds back to keep to its rate before it looks at the config again.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

/// The running thread.
#[derive(Debug)]
pub(crate) struct CleanerThread {
    stop: Arc<Stop>,
    handle: Option<JoinHandle<()>>,
}

impl CleanerThread {
    /// Starts it, unless `log.cleaner.enable` says no: then compacted topics only grow.
    pub(crate) fn start(
        log_dir: &Arc<LogDir>,
        metadata: &Arc<Metadata>,
    ) -> Result<CleanerThread, StartError> {
        let stop = Arc::new(Stop::default());
        if !metadata.is_enabled("log.cleaner.enable") {
            return Ok(CleanerThread { stop, handle: None });
        }
        let cleaner = Cleaner {
            log_dir: Arc::clone(log_dir),
            metadata: Arc::clone(metadata),
            stop: Arc::clone(&stop),
        };
        let handle = thread::Builder::new()
            .name("cleaner".to_owned())
            .spawn(move || cleaner.run())
            .map_err(|source| StartError::System {
                action: "start the cleaner thread",
                source,
            })?;
        Ok(CleanerThread {
            stop,
            handle: Some(handle),
        })
    }

    /// Asks it to end; does not wait.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.set();
    }

    /// Stops it and waits for the end of the step it is in; `false` if it had panicked. Blocking.
    pub(crate) fn stop(mut self) -> bool {
        self.ask_to_stop();
        self.handle
            .take()
            .is_none_or(|handle| handle.join().is_ok())
    }
}

/// A node that failed to start must not leave its threads and its data directory's lock behind.
impl Drop for CleanerThread {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// The wish that the thread ends, and the wait for it.
#[derive(Debug, Default)]
struct Stop {
    wished: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn set(&self) {
        *self.wished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits that long. Whether the thread should end.
    fn wait(&self, pause: Duration) -> bool {
        let wished = self.wished.lock().unwrap_or_else(PoisonError::into_inner);
        let (wished, _) = self
            .changed
            .wait_timeout_while(wished, pause, |wished| !*wished)
            .unwrap_or_else(PoisonError::into_inner);
        *wished
    }
}

/// Whether a look found something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Cleaned,
    Nothing,
    Stopped,
}

struct Cleaner {
    log_dir: Arc<LogDir>,
    metadata: Arc<Metadata>,
    stop: Arc<Stop>,
}

impl Cleaner {
    fn run(&self) {
        loop {
            let pause = self.metadata.number("log.cleaner.backoff.ms");
            let pause = Duration::from_millis(u64::try_from(pause).unwrap_or(0));
            if self.stop.wait(pause.max(SHORTEST_PAUSE)) {
                return;
            }
            loop {
                match self.look() {
                    Ok(Look::Cleaned) => {}
                    Ok(Look::Nothing) => break,
                    Ok(Look::Stopped) => return,
                    Err(failure) => {
                        if self.log_dir.poisoned().is_some() {
                            return;
                        }
                        warn!("compaction: {failure}");
                        break;
                    }
                }
            }
        }
    }

    /// One round of the dirtiest partition.
    fn look(&self) -> Result<Look, LogError> {
        let Some(mut round) = self.log_dir.next_clean(clock::now_ms(), self.options())? else {
            return Ok(Look::Nothing);
        };
        let begun = Instant::now();
        let mut bytes = 0;
        while let CleanStep::More { bytes: step } = round.step()? {
            bytes += step;
            // The rate may have been changed since, so a long wait is cut into pieces.
            loop {
                let hold = self.hold(begun, bytes);
                if self.stop.wait(hold) {
                    return Ok(Look::Stopped);
                }
                if hold < LONGEST_HOLD {
                    break;
                }
            }
        }
        tell(&round, begun);
        Ok(Look::Cleaned)
    }

    fn options(&self) -> CleanerOptions {
        let bytes = |name| usize::try_from(self.metadata.number(name)).unwrap_or(0);
        CleanerOptions {
            dedupe_buffer_bytes: bytes("log.cleaner.dedupe.buffer.size"),
            load_factor: self.fraction("log.cleaner.io.buffer.load.factor"),
            io_buffer_bytes: bytes("log.cleaner.io.buffer.size"),
        }
    }

    /// How long to hold back so that `bytes` since `begun` are within the rate.
    fn hold(&self, begun: Instant, bytes: u64) -> Duration {
        let rate = self.fraction("log.cleaner.io.max.bytes.per.second");
        hold(begun.elapsed(), bytes, rate)
    }

    fn fraction(&self, name: &str) -> f64 {
        let value = self.metadata.text(name);
        let value = value.and_then(|value| value.trim().parse().ok());
        value.unwrap_or(f64::MAX)
    }
}

fn hold(elapsed: Duration, bytes: u64, rate: f64) -> Duration {
    let needed = Duration::try_from_secs_f64(bytes as f64 / rate.max(1.0));
    let needed = needed.unwrap_or(LONGEST_HOLD);
    needed.saturating_sub(elapsed).min(LONGEST_HOLD)
}

fn tell(round: &Clean, begun: Instant) {
    let stats = round.stats();
    debug!(
        partition = %round.partition(),
        from = stats.first_dirty_offset,
        to = stats.end_offset,
        bytes_before = stats.bytes_before,
        bytes_after = stats.bytes_after,
        millis = begun.elapsed().as_millis() as u64,
        "compacted"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_decides_how_long_it_holds_back() {
        let second = Duration::from_secs(1);
        assert_eq!(hold(Duration::ZERO, 1 << 30, f64::MAX), Duration::ZERO);
        assert_eq!(hold(Duration::ZERO, 500, 1_000.0), second / 2);
        assert_eq!(hold(second, 500, 1_000.0), Duration::ZERO);
        assert_eq!(hold(Duration::ZERO, 1 << 40, 1.0), LONGEST_HOLD);
    }

    #[test]
    fn a_wait_ends_when_the_end_is_wished() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO));
        stop.set();
        assert!(stop.wait(Duration::MAX));
    }
}
