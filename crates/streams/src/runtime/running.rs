//! The handle on an application that runs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::globals::Globals;
use super::group::Group;
use super::instance::Instance;
use super::instances::InstanceInfo;
use super::metrics::Metrics;
use super::run_state::State;
use crate::error::StreamsError;
use crate::query::{QueryError, StoreQuery};
use crate::store::StoreReader;

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

    /// Commits, closes everything in order, and returns when that is done.
    ///
    /// # Errors
    /// What it failed with, before or meanwhile.
    pub async fn stop(mut self) -> Result<(), StreamsError> {
        self.instance.state.set(State::PendingShutdown);
        self.wait_for(State::NotRunning).await;
        let threads = std::mem::take(&mut self.threads);
        // Not on this thread: closing may have to wait for the cluster.
        let _ = tokio::task::spawn_blocking(move || join(threads)).await;
        self.result()
    }

    /// [`stop`](Self::stop) for programs without a runtime of tokio's: blocks this thread.
    ///
    /// # Errors
    /// What it failed with, before or meanwhile.
    pub fn stop_blocking(mut self) -> Result<(), StreamsError> {
        self.instance.state.set(State::PendingShutdown);
        join(std::mem::take(&mut self.threads));
        self.result()
    }

    /// Ends at once, as a kill would: nothing is committed, the group is not told. For tests of what a crash does.
    pub fn abandon(mut self) {
        self.instance.abandoned.store(true, Ordering::Release);
        join(std::mem::take(&mut self.threads));
    }

    /// Its numbers at this moment.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            state: self.state(),
            restores: self.instance.restores.snapshot(),
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
        self.instance.state.set(State::PendingShutdown);
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the application panicked");
        }
    }
}
