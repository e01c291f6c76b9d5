//! The orders service: takes orders over HTTP and follows them to their final state.
//!
//! Owns the orders and their states. Publishes `order_received`; everything else it learns from the topics.

mod changes;
mod http;
mod problem;
mod request;
mod store;
mod tracking;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::database::Schema;
use crate::host::{Host, Tasks};
use crate::kafka::Cluster;
use crate::service::Service;
use crate::settings::OrderingSettings;

pub(crate) use http::standalone;
pub use store::Order;

use changes::Changes;
use tracking::Tracking;

pub(crate) const SCHEMA: Schema = Schema {
    name: "orders",
    versions: &[include_str!("../../schema/orders_1.sql")],
};

/// Starts the service and gives its HTTP API.
pub(crate) async fn start(
    cluster: &Arc<Cluster>,
    settings: &Arc<OrderingSettings>,
    shutdown: &CancellationToken,
    tasks: &mut Tasks,
) -> Result<Router> {
    let host = Host::open(Service::Orders, cluster, settings, &[SCHEMA], shutdown).await?;
    let changes = Changes::new();
    let router = http::router(http::Api::new(
        host.database.clone(),
        Arc::clone(&host.outbox),
        changes.clone(),
        shutdown.clone(),
    ));
    let tracking = Tracking::new(changes, Arc::clone(&host.outbox));
    host.spawn(crate::inbox::Inbox(tracking), tasks);
    Ok(router)
}
