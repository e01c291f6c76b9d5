//! A node's life: recover, replay, serve, stop.
//!
//! The port opens last, when everything acknowledged before is there again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use headwater_log::disk::{Disk, RealDisk};
use headwater_log::{JournalSizes, LogDir, LogDirOptions};
use headwater_protocol::Uuid;
use tempfile::TempDir;
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::budget::Budget;
use crate::cleaner_thread::CleanerThread;
use crate::clock;
use crate::connection::{RequestMemory, Shared};
use crate::context::Context;
use crate::coordinators::{Groups, Transactions};
use crate::error::{StartError, StopError};
use crate::fetch_session::FetchSessions;
use crate::file_handles;
use crate::insight::{Insight, JournalFigures};
use crate::journal_thread::JournalThread;
use crate::maintenance::MaintenanceThread;
use crate::metadata::Metadata;
use crate::partitions::Partitions;
use crate::quotas::Quotas;
use crate::security::Authorizer;
use crate::server;
use crate::settings::{BrokerSettings, Durability, Settings};

/// How long stopping waits for the last task that uses the data directory.
const RELEASE: Duration = Duration::from_secs(5);

/// A running node. Dropping it stops it and waits only for the removal of a temporary directory;
/// [`Broker::stop`] stops it cleanly.
#[must_use = "dropping a broker stops it"]
pub struct Broker {
    local_addr: SocketAddr,
    advertised: Option<(String, u16)>,
    insight: Insight,
    stopping: CancellationToken,
    running: Option<Running>,
}

/// What ends in this order.
struct Running {
    server: JoinHandle<()>,
    store: Store,
}

/// What stands behind the port.
struct Store {
    groups: Arc<Groups>,
    transactions: Arc<Transactions>,
    cleaner: CleanerThread,
    maintenance: MaintenanceThread,
    journal: JournalThread,
    log_dir: Arc<LogDir>,
    /// Removed when nobody uses it any more.
    temporary: Option<TempDir>,
}

/// What recovery leads to.
struct Recovered {
    root: PathBuf,
    context: Context,
    figures: Arc<JournalFigures>,
    store: Store,
}

impl Broker {
    /// Starts a node on the caller's tokio runtime and returns when it answers.
    pub async fn start(settings: BrokerSettings) -> Result<Broker, StartError> {
        Broker::start_on(Arc::new(RealDisk), settings).await
    }

    /// The same with its data on `disk`, which lets a test have it fail.
    pub async fn start_on(
        disk: Arc<dyn Disk>,
        settings: BrokerSettings,
    ) -> Result<Broker, StartError> {
        let started = Instant::now();
        let settings = Arc::new(Settings::new(settings)?);
        file_handles::raise_limit();
        let stopping = CancellationToken::new();
        let recovered = {
            let (settings, stopping) = (Arc::clone(&settings), stopping.clone());
            blocking(move || recover(disk, &settings, &stopping)).await?
        };
        let Recovered {
            root,
            context,
            figures,
            store,
        } = recovered;
        let (listener, local_addr) =
            match server::listen(settings.broker.listen, &settings.limits).await {
                Ok(listening) => listening,
                Err(error) => {
                    drop(context);
                    blocking(move || store.abandon()).await;
                    return Err(error);
                }
            };
        let connections = Arc::new(AtomicUsize::new(0));
        let insight = Insight {
            partitions: Arc::downgrade(&context.partitions),
            metadata: Arc::downgrade(&context.metadata),
            cluster_id: context.partitions.cluster_id().into(),
            durability: context.partitions.durability(),
            data_dir: root.into(),
            journal: figures,
            connections: Arc::clone(&connections),
            started,
        };
        let shared = Arc::new(Shared {
            context,
            requests: RequestMemory::new(
                settings.limits.queued_request_bytes,
                settings.limits.request_bytes,
            ),
            stopping: stopping.clone(),
        });
        let server = tokio::spawn(server::serve(listener, shared, connections));
        info!(%local_addr, millis = started.elapsed().as_millis() as u64, "the event store answers");
        Ok(Broker {
            local_addr,
            advertised: settings.broker.advertised.clone(),
            insight,
            stopping,
            running: Some(Running { server, store }),
        })
    }

    /// A node for a test or for throw-away data: any free port, a temporary directory, acknowledgements
    /// from the page cache, and groups that do not wait for late members.
    pub async fn ephemeral() -> Result<Broker, StartError> {
        let settings = BrokerSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            durability: Durability::Relaxed,
            overrides: [(
                "group.initial.rebalance.delay.ms".to_owned(),
                "0".to_owned(),
            )]
            .into(),
            ..BrokerSettings::default()
        };
        Broker::start(settings).await
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What to put into `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        match &self.advertised {
            Some((host, port)) => format!("{host}:{port}"),
            None => self.local_addr.to_string(),
        }
    }

    /// A handle on its figures.
    pub fn insight(&self) -> Insight {
        self.insight.clone()
    }

    /// Stops accepting, answers what is parked, and leaves the clean mark.
    pub async fn stop(mut self) -> Result<(), StopError> {
        self.stopping.cancel();
        let Some(Running { server, store }) = self.running.take() else {
            return Ok(());
        };
        store.stop_coordinators();
        let served = server.await;
        blocking(move || store.close()).await?;
        served.map_err(|_| StopError::Thread { thread: "server" })
    }

    /// Ends at once, as a crash would: nothing parked is answered and no clean mark is left.
    /// Returns when the data directory is free again.
    pub async fn abandon(mut self) {
        self.stopping.cancel();
        if let Some(Running { server, store }) = self.running.take() {
            server.abort();
            let _ = server.await;
            blocking(move || store.abandon()).await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stopping.cancel();
        if let Some(Running { server, store }) = self.running.take() {
            server.abort();
            store.stop_coordinators();
            if store.temporary.is_some() {
                store.remove();
            }
        }
    }
}

impl Store {
    /// Transactions first, since they end in groups.
    fn stop_coordinators(&self) {
        self.transactions.stop();
        self.groups.stop();
    }

    /// Ends the threads and leaves the clean mark. Blocking.
    fn close(self) -> Result<(), StopError> {
        self.stop_coordinators();
        let threads = [
            ("cleaner", self.cleaner.stop()),
            ("maintenance", self.maintenance.stop()),
            ("journal", self.journal.stop()),
        ];
        drop((self.transactions, self.groups));
        let closed = self.log_dir.close(clock::now_ms());
        release(self.log_dir, self.temporary);
        closed?;
        match threads.into_iter().find(|(_, ended_well)| !ended_well) {
            Some((thread, _)) => Err(StopError::Thread { thread }),
            None => Ok(()),
        }
    }

    /// Ends the threads and removes a temporary directory, which whoever still appends must not fill again. Blocking.
    fn remove(self) {
        self.cleaner.stop();
        self.maintenance.stop();
        self.journal.stop();
        if let Err(failure) = self.log_dir.close(clock::now_ms()) {
            debug!("closing what is removed: {failure}");
        }
        drop(self.temporary);
    }

    /// Ends the threads and leaves everything else as it is. Blocking.
    fn abandon(self) {
        self.stop_coordinators();
        self.cleaner.stop();
        self.maintenance.stop();
        self.journal.stop();
        drop((self.transactions, self.groups));
        release(self.log_dir, self.temporary);
    }
}

/// Tasks let go of the directory as they end; with the last of them goes its lock, and only then may
/// the next node open it or a temporary one be removed. Blocking.
fn release(log_dir: Arc<LogDir>, temporary: Option<TempDir>) {
    let begun = Instant::now();
    while Arc::strong_count(&log_dir) > 1 && begun.elapsed() < RELEASE {
        thread::sleep(Duration::from_millis(1));
    }
    drop((log_dir, temporary));
}

/// Runs `work` off the runtime's threads; its panic is the caller's.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, so nobody will poll this again.
            Err(_) => std::future::pending().await,
        },
    }
}

fn recover(
    disk: Arc<dyn Disk>,
    settings: &Arc<Settings>,
    stopping: &CancellationToken,
) -> Result<Recovered, StartError> {
    let (root, temporary) = data_dir(&settings.broker)?;
    let options = LogDirOptions {
        root: root.clone(),
        durability: settings.broker.durability,
        incarnation: rand::random(),
        new_cluster_id: Uuid(*uuid::Uuid::new_v4().as_bytes()).to_string(),
        now_ms: clock::now_ms(),
        journal: JournalSizes::default(),
    };
    let (log_dir, report) = LogDir::open(disk, options)?;
    info!(?report, "recovered");
    for loss in &report.accepted_losses {
        warn!("started without data that may have been acknowledged: {loss}");
    }
    if !report.accepted_losses.is_empty() {
        for cut in &report.cut {
            warn!(?cut, "a partition was cut");
        }
    }
    let log_dir = Arc::new(log_dir);
    let reading = Budget::new(settings.limits.queued_response_bytes);
    let partitions = Partitions::new(Arc::clone(&log_dir), stopping.clone(), reading);
    let partitions = Arc::new(partitions);
    let figures = Arc::new(JournalFigures::default());
    let journal = JournalThread::start(&log_dir, Arc::clone(&partitions), Arc::clone(&figures))?;
    let metadata = Metadata::open(&partitions, settings)?;
    let maintenance = MaintenanceThread::start(
        Arc::clone(&log_dir),
        Arc::clone(&partitions),
        settings.limits.retention_check_interval,
        Arc::clone(&figures),
    )?;
    let cleaner = CleanerThread::start(&log_dir, &metadata)?;
    let groups = Groups::start(&partitions, &metadata);
    let transactions = Transactions::start(&partitions, &metadata, &groups);
    let quotas = Arc::new(Quotas::new(&metadata));
    let authorizer = Authorizer::new(Arc::clone(&metadata), Arc::clone(settings));
    let context = Context {
        partitions,
        metadata,
        groups: Arc::clone(&groups),
        transactions: Arc::clone(&transactions),
        settings: Arc::clone(settings),
        fetch_sessions: Arc::new(FetchSessions::new(settings.limits.fetch_session_slots)),
        quotas,
        authorizer: Arc::new(authorizer),
    };
    let store = Store {
        groups,
        transactions,
        cleaner,
        maintenance,
        journal,
        log_dir,
        temporary,
    };
    Ok(Recovered {
        root,
        context,
        figures,
        store,
    })
}

fn data_dir(settings: &BrokerSettings) -> Result<(PathBuf, Option<TempDir>), StartError> {
    if let Some(root) = &settings.data_dir {
        return Ok((root.clone(), None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("headwater-")
        .tempdir()
        .map_err(|source| StartError::System {
            action: "make a temporary data directory",
            source,
        })?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// A context on a disk in memory, for tests of what needs no socket. It lives as long as the second part.
#[cfg(test)]
pub(crate) async fn context_in_memory() -> (Context, impl Sized) {
    let broker = BrokerSettings {
        data_dir: Some(PathBuf::from("/data")),
        ..BrokerSettings::default()
    };
    let settings = Arc::new(Settings::new(broker).expect("settings"));
    let disk = Arc::new(headwater_log::disk::FaultyDisk::new());
    let recovered =
        task::spawn_blocking(move || recover(disk, &settings, &CancellationToken::new()));
    let recovered = recovered.await.expect("no panic").expect("recovers");
    (recovered.context.clone(), recovered)
}
