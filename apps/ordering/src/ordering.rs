//! All services in one process, or one of them alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use headwater_console::Feed;
use tokio::net::TcpListener;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::host::Tasks;
use crate::kafka::Cluster;
use crate::service::Service;
use crate::settings::OrderingSettings;
use crate::{analytics, drivers, emails, orders, transactions};

/// How long a shutdown waits for requests that are under way; a client that sends or reads no more is not waited for.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// All services in one process. Dropping it ends them like a kill: nothing is lost, the next start goes on.
pub struct Ordering {
    router: Router,
    feed: Arc<dyn Feed>,
    tasks: Tasks,
    shutdown: CancellationToken,
}

impl Ordering {
    /// Opens the databases and starts all services. Kafka may come later: services wait for it.
    pub async fn start(settings: OrderingSettings, shutdown: CancellationToken) -> Result<Self> {
        let settings = Arc::new(settings);
        let cluster = Arc::new(Cluster::new(Arc::clone(&settings)));
        let mut tasks = Tasks::new();
        let router = orders::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        transactions::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        emails::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        drivers::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        let feed = analytics::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        Ok(Self {
            router,
            feed,
            tasks,
            shutdown,
        })
    }

    /// The orders API: `/products`, `/orders`, `/orders/{id}`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// What the page shows about the ordering system.
    pub fn feed(&self) -> Arc<dyn Feed> {
        Arc::clone(&self.feed)
    }

    /// Waits until all services have stopped: after the shutdown, or at the first failure.
    pub async fn join(self) -> Result<()> {
        join(self.tasks, &self.shutdown).await
    }
}

/// Runs one service until the shutdown. The orders service answers at `settings.http`, the port 8081 by default.
pub async fn run_service(
    service: Service,
    settings: OrderingSettings,
    shutdown: CancellationToken,
) -> Result<()> {
    let settings = Arc::new(settings);
    let cluster = Arc::new(Cluster::new(Arc::clone(&settings)));
    let mut tasks = Tasks::new();
    match service {
        Service::Orders => {
            let router = orders::start(&cluster, &settings, &shutdown, &mut tasks).await?;
            serve(router, &settings, &shutdown, &mut tasks).await?;
        }
        Service::Transactions => {
            transactions::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        }
        Service::Emails => emails::start(&cluster, &settings, &shutdown, &mut tasks).await?,
        Service::Drivers => drivers::start(&cluster, &settings, &shutdown, &mut tasks).await?,
        Service::Analytics => {
            analytics::start(&cluster, &settings, &shutdown, &mut tasks).await?;
        }
    }
    join(tasks, &shutdown).await
}

async fn serve(
    router: Router,
    settings: &OrderingSettings,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<()> {
    let listen = settings
        .http
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8081)));
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen} for the orders API: is the port taken?"))?;
    tracing::info!(
        url = format!("http://{}", listener.local_addr()?),
        "the orders API answers"
    );
    let shutdown = shutdown.clone();
    let router = orders::standalone(router);
    tasks.spawn(async move {
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let too_long = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST_REQUESTS).await;
        };
        tokio::select! {
            served = serving.into_future() => served.context("serve the orders API"),
            () = too_long => Ok(()),
        }
    });
    Ok(())
}

/// Waits for all tasks. The first that fails stops the others.
async fn join(mut tasks: Tasks, shutdown: &CancellationToken) -> Result<()> {
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error: JoinError| Err(error.into()));
        if ended.is_err() {
            shutdown.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}
