//! What all requests share: the Kafka client, the two refreshed values, and the limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::feed::{Feed, Overview};
use crate::kafka::client::Kafka;
use crate::kafka::store::{StoreReader, StoreView};
use crate::problem::Problem;
use crate::settings::{ConsoleParts, ConsoleSettings};
use crate::watched::Watched;

/// Event streams at once, over all tabs.
const MAX_STREAMS: usize = 128;
/// Live tails at once; each takes a client and a thread.
const MAX_TAILS: usize = 16;
/// Pages of records read at once; each takes a client and a thread.
const MAX_READS: usize = 4;

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) kafka: Kafka,
    pub(crate) feed: Option<Arc<dyn Feed>>,
    pub(crate) has_insight: bool,
    pub(crate) overview: Watched<Overview>,
    pub(crate) store: Watched<StoreView>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) tails: Arc<Semaphore>,
    pub(crate) reads: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    pub(crate) fn new(
        settings: &ConsoleSettings,
        parts: &ConsoleParts,
        shutdown: &CancellationToken,
    ) -> Self {
        let kafka = Kafka::new(settings);
        let reader = Arc::new(Mutex::new(StoreReader::new(kafka.clone())));
        let insight = parts.insight.clone();
        let store = Watched::start(Duration::from_secs(2), shutdown.clone(), move || {
            let (reader, insight) = (Arc::clone(&reader), insight.clone());
            async move {
                blocking(move || {
                    let snapshot = insight.map(|insight| insight.snapshot());
                    reader.lock().map_err(|_| ended())?.read(snapshot)
                })
                .await
            }
        });
        let feed = parts.feed.clone();
        let overview = Watched::start(Duration::from_secs(1), shutdown.clone(), move || {
            let feed = feed.clone();
            async move { Ok(feed.ok_or_else(no_feed)?.overview().await?) }
        });
        Self {
            kafka,
            feed: parts.feed.clone(),
            has_insight: parts.insight.is_some(),
            overview,
            store,
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            tails: Arc::new(Semaphore::new(MAX_TAILS)),
            reads: Arc::new(Semaphore::new(MAX_READS)),
            shutdown: shutdown.clone(),
        }
    }

    /// The application's feed, or why there is none.
    pub(crate) fn feed(&self) -> Result<&Arc<dyn Feed>, Problem> {
        self.feed.as_ref().ok_or_else(no_feed)
    }
}

/// Runs what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(ended()))
}

fn no_feed() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "No ordering system here",
        "this page was started for a store alone",
        "Start `headwater demo` to see the ordering system, or look at the store",
    )
}

fn ended() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The page's own work ended early",
        "a task of the page's server panicked or was stopped",
        "Reload; when it happens again, the server's log on stderr says why",
    )
}
