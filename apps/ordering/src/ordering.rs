//! All services in one process, or one of them alone.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use headwater_console::Feed;
use tokio_util::sync::CancellationToken;

use crate::{OrderingSettings, Service};

/// All services in one process.
pub struct Ordering {
    router: Router,
    feed: Arc<dyn Feed>,
}

impl Ordering {
    /// Opens the databases and starts all services. Kafka may come later: services wait for it.
    pub async fn start(_settings: OrderingSettings, _shutdown: CancellationToken) -> Result<Self> {
        std::future::ready(Err(anyhow::anyhow!("not yet"))).await
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
        std::future::ready(Ok(())).await
    }
}

/// Runs one service until the shutdown.
pub async fn run_service(
    _service: Service,
    _settings: OrderingSettings,
    _shutdown: CancellationToken,
) -> Result<()> {
    std::future::ready(Ok(())).await
}
