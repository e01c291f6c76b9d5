//! Quotas of clients (KIP-13, KIP-219, KIP-546, KIP-599, KIP-612): how much a user, a client id or
//! an address may use, and how long whoever used more has to wait.
//!
//! Owns the entities and their limits, the measuring, and the wait that follows. Limits are kept by
//! `metadata`; what was measured is soft and lost with the process, as in Kafka. Nothing here waits:
//! a connection asks [`Mute`] how long it is not to be read.

mod alter;
mod client_quotas;
mod entity;
mod filter;
mod meter;
mod mutations;
mod mute;
mod rate;
mod record;
mod throttled;
mod token_bucket;
mod tracked;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use self::alter::{Alteration, alter};
pub(crate) use self::client_quotas::ClientQuotas;
pub(crate) use self::entity::{Entity, EntityType};
pub(crate) use self::filter::{Filter, Match};
pub(crate) use self::meter::{Meter, Settled};
pub(crate) use self::mutations::{Mutations, Strictness};
pub(crate) use self::mute::Mute;
pub(crate) use self::record::ClientQuotaRecord;
pub(crate) use self::throttled::Throttled;

use self::rate::Window;
use self::tracked::Tracked;
use crate::clock;
use crate::context::ConnectionInfo;
use crate::metadata::Metadata;

/// What a quota limits, by its key in `AlterClientQuotas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Quota {
    /// Bytes a second of produce requests.
    ProducerByteRate,
    /// Bytes a second of fetch replies.
    ConsumerByteRate,
    /// Per cent of one thread's time.
    RequestPercentage,
    /// Partitions made or deleted a second.
    ControllerMutationRate,
    /// Connections a second from one address.
    ConnectionCreationRate,
}

impl Quota {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Quota::ProducerByteRate => "producer_byte_rate",
            Quota::ConsumerByteRate => "consumer_byte_rate",
            Quota::RequestPercentage => "request_percentage",
            Quota::ControllerMutationRate => "controller_mutation_rate",
            Quota::ConnectionCreationRate => "connection_creation_rate",
        }
    }
}

/// Measures clients and tells how long they have to wait.
pub(crate) struct Quotas {
    metadata: Arc<Metadata>,
    window: Window,
    controller_window: Window,
    tracked: Mutex<Tracked>,
}

impl Quotas {
    pub(crate) fn new(metadata: &Arc<Metadata>) -> Quotas {
        let window = |num, seconds| Window {
            samples: metadata.number(num).clamp(1, 1_000) as usize,
            sample_ms: metadata.number(seconds).clamp(1, 86_400) * 1_000,
        };
        Quotas {
            metadata: Arc::clone(metadata),
            window: window("quota.window.num", "quota.window.size.seconds"),
            controller_window: window(
                "controller.quota.window.num",
                "controller.quota.window.size.seconds",
            ),
            tracked: Mutex::default(),
        }
    }

    /// Measures one request of the connection's client. `None`: there are no quotas at all.
    pub(crate) fn meter(self: &Arc<Self>, connection: &ConnectionInfo) -> Option<Meter> {
        if self.metadata.image().client_quotas().is_empty() {
            return None;
        }
        Some(Meter::new(Arc::clone(self), connection))
    }

    /// The most bytes one fetch may ask for, so that its reply can pass at all.
    pub(crate) fn max_fetch_bytes(&self, connection: &ConnectionInfo) -> usize {
        let image = self.metadata.image();
        let (user, client_id) = (&*user_of(connection), &*connection.client_id);
        match image
            .client_quotas()
            .limit(Quota::ConsumerByteRate, user, client_id)
        {
            Some(limited) => {
                let whole_window = (self.window.samples.max(2) - 1) as f64
                    * (self.window.sample_ms as f64 / 1_000.0);
                (limited.limit * whole_window) as usize
            }
            None => usize::MAX,
        }
    }

    /// The topics that one request of the connection's client may make, grow or delete.
    pub(crate) fn mutations(
        self: &Arc<Self>,
        connection: &ConnectionInfo,
        strictness: Strictness,
    ) -> Mutations {
        Mutations::new(Arc::clone(self), connection, strictness)
    }

    /// A client connects. How long it has to wait, to be closed then, if its address connects too
    /// often.
    pub(crate) fn connected(&self, address: IpAddr) -> Option<Duration> {
        let image = self.metadata.image();
        let limit = image.client_quotas().connection_limit(address)?;
        let now_ms = clock::steady_ms();
        let mut tracked = self.tracked();
        let rate = tracked.rate_of_address(address, self.window, now_ms);
        rate.record(self.window, now_ms, 1.0);
        let throttle_ms = rate.throttle_ms(self.window, now_ms, limit);
        if throttle_ms == 0 {
            return None;
        }
        // What is turned away does not count.
        rate.record(self.window, now_ms, -1.0);
        Some(Duration::from_millis(
            throttle_ms.min(self.window.sample_ms).unsigned_abs(),
        ))
    }

    /// Records what the client used of a quota, if it has one, and tells how long it has to wait.
    fn record(&self, quota: Quota, user: &str, client_id: &str, value: f64) -> Recorded {
        let image = self.metadata.image();
        let Some(limited) = image.client_quotas().limit(quota, user, client_id) else {
            return Recorded::default();
        };
        let now_ms = clock::steady_ms();
        let mut tracked = self.tracked();
        let rate = tracked.rate(quota, &limited, self.window, now_ms);
        let after_a_pause = rate.is_idle(self.window, now_ms);
        rate.record(self.window, now_ms, value);
        Recorded {
            throttle_ms: rate.throttle_ms(self.window, now_ms, limited.limit),
            after_a_pause,
        }
    }

    fn tracked(&self) -> MutexGuard<'_, Tracked> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of recording something.
#[derive(Clone, Copy, Debug, Default)]
struct Recorded {
    throttle_ms: i64,
    /// The client had used nothing for a whole window.
    after_a_pause: bool,
}

/// Whose quotas apply to the connection: its user, or the anonymous one.
fn user_of(connection: &ConnectionInfo) -> Arc<str> {
    connection.session.user()
}
