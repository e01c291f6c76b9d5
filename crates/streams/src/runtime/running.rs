//! The handle on an application that runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ending::Ending;
use super::globals::Globals;
use super::group::Group;
use super::instance::Instance;
use super::instances::InstanceInfo;
use super::metrics::Metrics;
use super::run_state::State;
use crate::error::StreamsError;
use crate::query::{QueryError, StoreQuery};
use crate::store::StoreReader;

/// How long threads may take to end when nothing is waited for any more: longer than any call that they may be in
/// without being able to give it up.
const LAST_STEPS: Duration = Duration::from_secs(5);
/// How often threads that end are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// An application that runs. Dropped, it is asked to stop, and nobody waits for it.
pub struct Running {
    instance: Arc<Instance>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("application", &self.instance.config.application)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl Running {
    pub(crate) fn new(
        instance: Arc<Instance>,
        group: Group,
        globals: Globals,
    ) -> Result<Self, StreamsError> {
        let name = format!("{}-group", instance.config.application);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                group.run();
                globals.stop();
            })
            .map_err(|error| StreamsError::Settings(format!("starting a thread: {error}")))?;
        Ok(Self {
            instance,
            threads: vec![thread],
        })
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.instance.state.get()
    }

    /// What it is doing, to be waited for.
    pub fn states(&self) -> watch::Receiver<State> {
        self.instance.state.watch()
    }

    /// Waits until it is in this state, or in one that it never leaves; returns where it is.
    pub async fn wait_for(&self, wanted: State) -> State {
        let mut states = self.states();
        let found = states
            .wait_for(|state| *state == wanted || state.is_final())
            .await;
        found.map_or(State::NotRunning, |state| *state)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// What it failed with.
    pub async fn ended(&self) -> Result<(), StreamsError> {
        self.wait_for(State::NotRunning).await;
        self.result()
    }

    /// Commits, closes everything in order, and returns when that is done, or when it took longer than
    /// [`App::stop_timeout`](crate::App::stop_timeout).
    ///
    /// # Errors
    /// What it failed with, before or meanwhile; [`StreamsError::StopTimeout`].
    pub async fn stop(self) -> Result<(), StreamsError> {
        let limit = self.instance.config.stop_timeout;
        self.stop_within(limit).await
    }

    /// [`stop`](Self::stop) with a time of its own. Kafka Streams' `close(Duration)`.
    ///
    /// # Errors
    /// What it failed with, before or meanwhile; [`StreamsError::StopTimeout`].
    pub async fn stop_within(self, limit: Duration) -> Result<(), StreamsError> {
        // Not on this thread: closing may have to wait for the cluster.
        let stopped = tokio::task::spawn_blocking(move || self.stop_here(limit)).await;
        stopped.unwrap_or_else(|error| {
            Err(StreamsError::Settings(format!(
                "the stop was cut short: {error}"
            )))
        })
    }

    /// [`stop`](Self::stop) for programs without a runtime of tokio's: blocks this thread.
    ///
    /// # Errors
    /// What it failed with, before or meanwhile; [`StreamsError::StopTimeout`].
    pub fn stop_blocking(self) -> Result<(), StreamsError> {
        let limit = self.instance.config.stop_timeout;
        self.stop_here(limit)
    }

    fn stop_here(mut self, limit: Duration) -> Result<(), StreamsError> {
        let began = Instant::now();
        self.instance.ending.stop_within(limit);
        self.instance.state.set(State::PendingShutdown);
        let threads = std::mem::take(&mut self.threads);
        if !join_until(threads, || self.instance.ending.is_over(LAST_STEPS)) {
            // One of them is in a closure of the program's, or in a call that cannot be given up: it ends when that
            // does, or with the process.
            let late = self.instance.stopped_late(began.elapsed());
            self.instance.state.fail(late);
        }
        self.result()
    }

    /// Ends at once, as a kill would: nothing is committed, the group is not told. For tests of what a crash does.
    pub fn abandon(mut self) {
        self.instance.ending.abandon();
        join_until(std::mem::take(&mut self.threads), || false);
    }

    /// Whether it stops, or has stopped, to be started again.
    pub(crate) fn begins_again(&self) -> bool {
        self.instance.state.begins_again()
    }

    /// What tells it to wait for nothing any more.
    pub(crate) fn ending(&self) -> Arc<Ending> {
        Arc::clone(&self.instance.ending)
    }

    /// Its numbers at this moment.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            state: self.state(),
            restores: self.instance.restores.snapshot(),
            unread: self.instance.unread.load(Ordering::Relaxed),
            workers: self
                .instance
                .workers
                .iter()
                .map(super::metrics::WorkerMetrics::snapshot)
                .collect(),
        }
    }

    /// A store, to be read: committed rows only.
    ///
    /// # Errors
    /// There is no store of this name; the error lists those that there are.
    pub fn store(&self, name: &str) -> Result<StoreQuery, QueryError> {
        StoreQuery::new(&self.instance, name)
    }

    /// The copy that this instance keeps of a partition of a store whose task runs elsewhere
    /// ([`App::standbys`](crate::App::standbys)): as of some moments ago.
    pub fn standby(&self, store: &str, partition: i32) -> Option<StoreReader> {
        self.instance.standby_reader(store, partition)
    }

    /// The instances of the application that told of themselves of late (KIP-535): with
    /// `App::queries` or [`App::advertised`](crate::App::advertised) set.
    pub fn instances(&self) -> Vec<InstanceInfo> {
        self.instance.known.instances()
    }

    /// A thread that ends when the application has stopped.
    pub(crate) fn attach(&mut self, thread: JoinHandle<()>) {
        self.threads.push(thread);
    }

    /// The id by which the group knows this process after a restart.
    pub fn process_id(&self) -> &str {
        self.instance.directory.process_id()
    }

    fn result(&self) -> Result<(), StreamsError> {
        match self.instance.state.error() {
            None => Ok(()),
            Some(error) => Err(StreamsError::Failed(error)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.instance
            .ending
            .stop_within(self.instance.config.stop_timeout);
        self.instance.state.set(State::PendingShutdown);
    }
}

/// Waits for threads to end; false if they had not by the time that nobody waits any more.
fn join_until(threads: Vec<JoinHandle<()>>, is_over: impl Fn() -> bool) -> bool {
    for thread in threads {
        while !thread.is_finished() {
            if is_over() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        if thread.join().is_err() {
            tracing::error!("a thread of the application panicked");
        }
    }
    true
}
