//! What one request costs its client.

use std::sync::Arc;
use std::time::Duration;

use super::{Mute, Quota, Quotas, user_of};
use crate::context::ConnectionInfo;

/// From the request's first byte to the last of its reply.
pub(crate) struct Meter {
    quotas: Arc<Quotas>,
    user: String,
    client_id: Arc<str>,
    mute: Mute,
    spent: Duration,
    throttle_ms: i64,
}

impl Meter {
    pub(super) fn new(quotas: Arc<Quotas>, connection: &ConnectionInfo) -> Meter {
        Meter {
            quotas,
            user: (*user_of(connection)).to_owned(),
            client_id: Arc::clone(&connection.client_id),
            mute: connection.mute.clone(),
            spent: Duration::ZERO,
            throttle_ms: 0,
        }
    }

    /// A produce request of that size came in.
    pub(crate) fn produced(&mut self, bytes: usize) {
        let throttle_ms = self.record(Quota::ProducerByteRate, bytes as f64);
        self.throttle(throttle_ms);
    }

    /// A thread worked on it that long.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// The reply is there, `fetched` bytes of it a client's records. Tells how long the client has
    /// to wait, and has its connection do so. A fetch that has to wait gets nothing: its bytes are
    /// not counted.
    pub(crate) fn settle(&mut self, fetched: Option<usize>) -> i32 {
        let percent = self.spent.as_secs_f64() * 100.0;
        let throttle_ms = self.record(Quota::RequestPercentage, percent);
        // As in Kafka, never longer than a sample: one slow request does not lock a client out.
        self.throttle(throttle_ms.min(self.quotas.window.sample_ms));
        if let Some(bytes) = fetched {
            let throttle_ms = self.record(Quota::ConsumerByteRate, bytes as f64);
            self.throttle(throttle_ms);
            if self.throttle_ms > 0 {
                self.record(Quota::ConsumerByteRate, -(bytes as f64));
            }
        }
        if self.throttle_ms > 0 {
            self.mute.for_ms(self.throttle_ms);
        }
        i32::try_from(self.throttle_ms).unwrap_or(i32::MAX)
    }

    fn record(&self, quota: Quota, value: f64) -> i64 {
        self.quotas
            .record(quota, &self.user, &self.client_id, value)
    }

    fn throttle(&mut self, throttle_ms: i64) {
        self.throttle_ms = self.throttle_ms.max(throttle_ms);
    }
}
