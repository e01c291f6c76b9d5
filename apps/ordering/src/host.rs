//! What every service stands on: its directory lock, its database, its relay, its consumer, its housekeeping.
//!
//! Owns how a service starts and stops. Never knows what the service does.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, FRAMEWORK, Schema};
use crate::inbox;
use crate::kafka::{self, BatchHandler, Cluster, ClusterSeen};
use crate::outbox::Relay;
use crate::service::Service;
use crate::settings::OrderingSettings;

const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(30);
const LOCK_ATTEMPTS: u32 = 30;

/// What every service stands on.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) service: Service,
    pub(crate) settings: Arc<OrderingSettings>,
    pub(crate) database: Database,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) shutdown: CancellationToken,
    /// Wakes the relay after a commit that may have filled the outbox.
    pub(crate) outbox: Arc<Notify>,
    /// Held as long as any task of the service lives.
    _lock: Arc<File>,
}

/// The tasks of one process; the first that fails ends it.
pub(crate) type Tasks = JoinSet<Result<()>>;

impl Host {
    /// Takes the service's lock and opens its database.
    pub(crate) async fn open(
        service: Service,
        cluster: &Arc<Cluster>,
        settings: &Arc<OrderingSettings>,
        schemas: &[Schema],
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        std::fs::create_dir_all(&settings.data_dir)
            .with_context(|| format!("make the directory {}", settings.data_dir.display()))?;
        let lock = lock(service, settings).await?;
        let mut all = vec![FRAMEWORK];
        all.extend_from_slice(schemas);
        let database = Database::open(&settings.database(service), &all).await?;
        Ok(Self {
            service,
            settings: Arc::clone(settings),
            database,
            cluster: Arc::clone(cluster),
            shutdown: shutdown.clone(),
            outbox: Arc::new(Notify::new()),
            _lock: Arc::new(lock),
        })
    }

    /// Starts the relay, the consumer and the housekeeping; they wait for Kafka by themselves.
    pub(crate) fn spawn<H: BatchHandler>(&self, handler: H, tasks: &mut Tasks) {
        let host = self.clone();
        tasks.spawn(async move {
            let outcome = host.run(handler).await;
            host.database.close().await;
            outcome.with_context(|| format!("the {} service", host.service))
        });
    }

    async fn run<H: BatchHandler>(&self, handler: H) -> Result<()> {
        let Some(cluster_id) = self.cluster.ready(&self.shutdown).await else {
            return Ok(());
        };
        let seen = self.see_cluster(cluster_id).await?;
        if seen == ClusterSeen::Changed {
            tracing::warn!(
                service = self.service.name(),
                cluster_id,
                data_dir = %self.settings.data_dir.display(),
                "this directory was used with another Kafka cluster: orders that were under way there are not finished \
                 here. Go back to that cluster, or give this one a --data-dir of its own"
            );
        }
        handler.prepare(&self.database, seen).await?;
        let database = self.database.clone();
        let relay = Relay::new(
            self.service,
            Arc::clone(&self.settings),
            database,
            Arc::clone(&self.outbox),
        )?;
        // The relay stops after the consumer, so that what the last batch published still goes out. If either fails,
        // the other stops too.
        let stop = self.shutdown.child_token();
        let consumed = CancellationToken::new();
        let consume = async {
            let handler = Arc::new(handler);
            let outcome =
                kafka::consume(self.service, &self.settings, &self.database, handler, &stop).await;
            consumed.cancel();
            outcome
        };
        let relay = async {
            let outcome = relay.run(&consumed).await;
            stop.cancel();
            outcome
        };
        let (consumer, relay, ()) = tokio::join!(consume, relay, self.keep_house(&consumed));
        consumer.and(relay)
    }

    /// Whether the database was last used with another cluster; remembers this one.
    async fn see_cluster(&self, cluster_id: &str) -> Result<ClusterSeen> {
        let mut tx = self.database.write().await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT value FROM meta WHERE key = 'cluster_id'")
                .fetch_optional(&mut *tx)
                .await?;
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ('cluster_id', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
        )
        .bind(cluster_id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(match known {
            Some(known) if known != cluster_id => ClusterSeen::Changed,
            _ => ClusterSeen::SameAsBefore,
        })
    }

    async fn keep_house(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(HOUSEKEEPING_EVERY) => {}
            }
            loop {
                match inbox::prune(&self.database, self.settings.retention.inbox).await {
                    Ok(true) if !stop.is_cancelled() => tokio::task::yield_now().await,
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(service = self.service.name(), %error, "the inbox was not pruned");
                        break;
                    }
                }
            }
        }
    }
}

/// Two processes on one database would each relay its outbox; the lock also goes with a killed process.
async fn lock(service: Service, settings: &OrderingSettings) -> Result<File> {
    let path = settings.data_dir.join(format!("{service}.lock"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("open the lock {}", path.display()))?;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
    }
    bail!(
        "another process runs the {service} service in {}: stop it, or give this one a data directory of its own",
        settings.data_dir.display()
    )
}
