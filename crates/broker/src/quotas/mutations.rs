//! How many topics and partitions a client may make, grow and delete (KIP-599).

use std::sync::Arc;

use headwater_protocol::ErrorCode;

use super::{Mute, Quota, Quotas, user_of};
use crate::clock;
use crate::context::ConnectionInfo;
use crate::metadata::Refused;

/// What happens above the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// What is asked for is refused, for clients that know the error.
    Refuse,
    /// It is done, and the client has to wait.
    Wait,
}

impl Strictness {
    /// What is told to clients that speak `version`, if those know the error from `first` on.
    pub(crate) fn since(first: i16, version: i16) -> Strictness {
        if version >= first {
            Strictness::Refuse
        } else {
            Strictness::Wait
        }
    }
}

/// The changes of one request.
pub(crate) struct Mutations {
    quotas: Arc<Quotas>,
    strictness: Strictness,
    user: Arc<str>,
    client_id: Arc<str>,
    mute: Mute,
    throttle_ms: i64,
}

impl Mutations {
    pub(super) fn new(
        quotas: Arc<Quotas>,
        connection: &ConnectionInfo,
        strictness: Strictness,
    ) -> Mutations {
        Mutations {
            quotas,
            strictness,
            user: user_of(connection),
            client_id: Arc::clone(&connection.client_id),
            mute: connection.mute.clone(),
            throttle_ms: 0,
        }
    }

    /// Counts partitions to be made or deleted, or refuses the change. `count` tells how many, or
    /// why the change cannot be made at all; it is not asked where there is no quota.
    pub(crate) fn allow(
        &mut self,
        count: impl FnOnce() -> Result<usize, Refused>,
    ) -> Result<(), Refused> {
        let quotas = Arc::clone(&self.quotas);
        let image = quotas.metadata.image();
        let quota = Quota::ControllerMutationRate;
        let limited = image
            .client_quotas()
            .limit(quota, &self.user, &self.client_id);
        let Some(limited) = limited else {
            return Ok(());
        };
        let partitions = count()?;
        let (window, limit) = (quotas.controller_window, limited.limit);
        let now_ms = clock::steady_ms();
        let mut tracked = quotas.tracked();
        let bucket = tracked.bucket(quota, &limited, window, now_ms);
        if self.strictness == Strictness::Refuse {
            let throttle_ms = bucket.throttle_ms(window, now_ms, limit);
            if throttle_ms > 0 {
                self.throttle_ms = self.throttle_ms.max(throttle_ms);
                return Err(Refused::new(
                    ErrorCode::ThrottlingQuotaExceeded,
                    "The throttling quota has been exceeded.",
                ));
            }
        }
        bucket.take(window, now_ms, limit, partitions as f64);
        if self.strictness == Strictness::Wait {
            let throttle_ms = bucket.throttle_ms(window, now_ms, limit);
            self.throttle_ms = self.throttle_ms.max(throttle_ms);
        }
        Ok(())
    }

    /// How long the client has to wait, which its connection does from now on.
    pub(crate) fn throttle_time_ms(&self) -> i32 {
        if self.throttle_ms > 0 {
            self.mute.for_ms(self.throttle_ms);
        }
        i32::try_from(self.throttle_ms).unwrap_or(i32::MAX)
    }
}
