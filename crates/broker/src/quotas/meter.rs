//! What one request costs its client.

use std::sync::Arc;
use std::time::Duration;

use super::{Mute, Quota, Quotas, Recorded, user_of};
use crate::context::ConnectionInfo;

/// What a reply is to say of quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Free,
    /// The client has to wait before it asks again.
    Throttled {
        throttle_time_ms: i32,
    },
    /// It has to wait, and gets its records only when it asks then.
    HeldBack {
        throttle_time_ms: i32,
    },
}

/// From the request's first byte to the last of its reply.
pub(crate) struct Meter {
    quotas: Arc<Quotas>,
    user: Arc<str>,
    client_id: Arc<str>,
    mute: Mute,
    spent: Duration,
    throttle_ms: i64,
}

impl Meter {
    pub(super) fn new(quotas: Arc<Quotas>, connection: &ConnectionInfo) -> Meter {
        Meter {
            quotas,
            user: user_of(connection),
            client_id: Arc::clone(&connection.client_id),
            mute: connection.mute.clone(),
            spent: Duration::ZERO,
            throttle_ms: 0,
        }
    }

    /// A produce request of that size came in.
    pub(crate) fn produced(&mut self, bytes: usize) {
        let recorded = self.record(Quota::ProducerByteRate, bytes as f64);
        self.throttle(recorded.throttle_ms);
    }

    /// A thread worked on it that long.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    /// The reply is there, `fetched` bytes of it a client's records. Tells how long the client has
    /// to wait, and has its connection do so.
    ///
    /// A fetch that has to wait gets nothing, and its bytes are not counted. Unless the client had
    /// paused: what it asks for may be a batch that is larger than the quota of a whole window, and
    /// however long it waited, that would not get smaller.
    pub(crate) fn settle(&mut self, fetched: Option<usize>) -> Settled {
        let percent = self.spent.as_secs_f64() * 100.0;
        let recorded = self.record(Quota::RequestPercentage, percent);
        // As in Kafka, never longer than a sample: one slow request does not lock a client out.
        self.throttle(recorded.throttle_ms.min(self.quotas.window.sample_ms));
        let mut holds_back = false;
        if let Some(bytes) = fetched {
            let recorded = self.record(Quota::ConsumerByteRate, bytes as f64);
            holds_back = recorded.throttle_ms > 0 && !recorded.after_a_pause;
            self.throttle(recorded.throttle_ms);
            if holds_back {
                self.record(Quota::ConsumerByteRate, -(bytes as f64));
            }
        }
        if self.throttle_ms == 0 {
            return Settled::Free;
        }
        self.mute.for_ms(self.throttle_ms);
        let throttle_time_ms = i32::try_from(self.throttle_ms).unwrap_or(i32::MAX);
        if holds_back {
            Settled::HeldBack { throttle_time_ms }
        } else {
            Settled::Throttled { throttle_time_ms }
        }
    }

    fn record(&self, quota: Quota, value: f64) -> Recorded {
        self.quotas
            .record(quota, &self.user, &self.client_id, value)
    }

    fn throttle(&mut self, throttle_ms: i64) {
        self.throttle_ms = self.throttle_ms.max(throttle_ms);
    }
}
