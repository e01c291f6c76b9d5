//! The analytics service: every event of all topics, exactly once, and what follows from them.
//!
//! Owns the facts and the rollups. One sink writes both in one transaction with the offsets, so neither a kill nor a
//! redelivery counts anything twice. Publishes nothing.

mod feed;
mod rollup;
mod sink;
mod view;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use headwater_console::Feed;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::contracts::now_ms;
use crate::database::{Database, Schema};
use crate::host::{Host, Tasks};
use crate::kafka::Cluster;
use crate::service::Service;
use crate::settings::OrderingSettings;

use feed::AnalyticsFeed;
use sink::Sink;

pub(crate) const SCHEMA: Schema = Schema {
    name: "analytics",
    versions: &[include_str!("../../schema/analytics_1.sql")],
};

const CHANGES: usize = 1024;
const PRUNE: i64 = 2000;
const PRUNE_EVERY: Duration = Duration::from_secs(20);
const KEEP_MINUTES_MS: i64 = 30 * 24 * 3_600_000;

/// Starts the service and gives its live view.
pub(crate) async fn start(
    cluster: &Arc<Cluster>,
    settings: &Arc<OrderingSettings>,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<Arc<dyn Feed>> {
    let host = Host::open(Service::Analytics, cluster, settings, &[SCHEMA], shutdown).await?;
    let changes = broadcast::Sender::new(CHANGES);
    let feed = Arc::new(AnalyticsFeed::new(host.database.clone(), changes.clone()));
    if let Some(keep) = settings.retention.facts {
        let (database, shutdown) = (host.database.clone(), shutdown.clone());
        tasks.spawn(async move {
            prune_until(&database, keep, &shutdown).await;
            Ok(())
        });
    }
    host.spawn(Sink::new(changes), tasks);
    Ok(feed)
}

async fn prune_until(database: &Database, keep: Duration, shutdown: &CancellationToken) {
    let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 2);
    loop {
        let pause = match prune(database, now_ms() - keep_ms).await {
            Ok(0) => PRUNE_EVERY,
            // 20,000 a second at most: more than are written, and writers come between.
            Ok(_) => Duration::from_millis(100),
            Err(error) => {
                tracing::warn!(%error, "analytics were not pruned");
                PRUNE_EVERY
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Forgets a bounded number of facts and finished orders from before this time. Rollups stay.
async fn prune(database: &Database, before_ms: i64) -> sqlx::Result<u64> {
    let facts = sqlx::query(
        "DELETE FROM facts WHERE id IN (SELECT id FROM facts WHERE timestamp_ms < ? LIMIT ?)",
    )
    .bind(before_ms)
    .bind(PRUNE)
    .execute(database.relaxed())
    .await?;
    let orders = sqlx::query(
        "DELETE FROM order_view WHERE id IN (SELECT id FROM order_view WHERE is_final = 1 AND updated_at_ms < ? LIMIT ?)",
    )
    .bind(before_ms)
    .bind(PRUNE)
    .execute(database.relaxed())
    .await?;
    sqlx::query("DELETE FROM minutes WHERE minute_ms < ?")
        .bind(now_ms() - KEEP_MINUTES_MS)
        .execute(database.relaxed())
        .await?;
    Ok(facts.rows_affected() + orders.rows_affected())
}
