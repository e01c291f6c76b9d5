//! The drivers service: gives each processed order to a driver and brings it.
//!
//! Owns drivers and assignments. Reads `order_processed`, writes `driver_assigned` and `order_delivered`. A delivery is a
//! due time in the database, so it survives a restart; orders wait in line while no driver is free.

mod dispatch;
mod names;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use sqlx::SqliteConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::contracts::{Event, Topic, now_ms};
use crate::database::Schema;
use crate::host::{Host, Tasks};
use crate::inbox::{EventHandler, Inbox, Received, Verdict};
use crate::kafka::Cluster;
use crate::service::Service;
use crate::settings::OrderingSettings;

use dispatch::Dispatch;

pub(crate) const SCHEMA: Schema = Schema {
    name: "drivers",
    versions: &[include_str!("../../schema/drivers_1.sql")],
};

/// Starts the service.
pub(crate) async fn start(
    cluster: &Arc<Cluster>,
    settings: &Arc<OrderingSettings>,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<()> {
    let host = Host::open(Service::Drivers, cluster, settings, &[SCHEMA], shutdown).await?;
    dispatch::employ(&host.database, settings.drivers.pool).await?;
    let waiting = Arc::new(Notify::new());
    let dispatch = Dispatch::new(&host, Arc::clone(&waiting));
    tasks.spawn(async move {
        dispatch.run().await;
        Ok(())
    });
    host.spawn(Inbox(Queueing { waiting }), tasks);
    Ok(())
}

/// Puts processed orders in line, in the transaction of the inbox.
struct Queueing {
    waiting: Arc<Notify>,
}

#[async_trait]
impl EventHandler for Queueing {
    type Effect = ();

    fn topics(&self) -> &'static [Topic] {
        &[Topic::OrderProcessed]
    }

    async fn handle(
        &self,
        connection: &mut SqliteConnection,
        received: &Received<'_>,
    ) -> sqlx::Result<Verdict<()>> {
        let Event::OrderProcessed(order) = &received.event else {
            return Ok(Verdict::Done(None));
        };
        let context = serde_json::to_string(&received.context)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "INSERT INTO assignments (order_id, customer_id, state, context, created_at_ms) \
             VALUES (?, ?, 'queued', ?, ?) ON CONFLICT (order_id) DO NOTHING",
        )
        .bind(&order.order_id)
        .bind(&order.customer_id)
        .bind(context)
        .bind(now_ms())
        .execute(connection)
        .await?;
        Ok(Verdict::Done(Some(())))
    }

    fn committed(&self, _: Vec<()>) {
        self.waiting.notify_one();
    }
}
