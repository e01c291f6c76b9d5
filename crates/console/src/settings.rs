//! Where the page listens, which Kafka it looks at, and what is mounted into it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::feed::Feed;
use crate::insight::StoreInsight;

/// Where the page listens and which Kafka it looks at.
#[derive(Debug, Clone)]
pub struct ConsoleSettings {
    /// The address to serve the page on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// librdkafka properties, `bootstrap.servers` among them.
    pub kafka: BTreeMap<String, String>,
}

impl ConsoleSettings {
    /// The bootstrap servers, for messages to the reader.
    pub fn bootstrap(&self) -> &str {
        self.kafka
            .get("bootstrap.servers")
            .map_or("(no bootstrap.servers)", String::as_str)
    }
}

/// What is mounted into the page besides Kafka.
#[derive(Clone, Default)]
pub struct ConsoleParts {
    /// The application's events; without it the page shows the store only.
    pub feed: Option<Arc<dyn Feed>>,
    /// What only Headwater's own store knows; without it the page says "not known here".
    pub insight: Option<Arc<dyn StoreInsight>>,
    /// The application's own routes (`/products`, `/orders`). It must not define `/`, `/api`, `/livez`, `/readyz` or the pages.
    pub app: axum::Router,
}
