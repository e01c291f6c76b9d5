//! The memory of requests in all connections.
//!
//! Small requests have their own, so that large ones that are announced and then do
//! not come cannot hold up heartbeats. Large ones take theirs as they arrive, so that
//! an announcement costs next to nothing. Several that are half there may together
//! want more than there is; therefore what one whole request needs is set aside, and
//! whoever has that turn waits for no other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::budget::{Budget, Permit};

/// The memory of requests in all connections; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct RequestMemory {
    small: Budget,
    large: Budget,
    /// One permit: the right to what is set aside.
    turn: Arc<Semaphore>,
}

/// What one request has taken, given back on drop.
#[derive(Debug)]
pub(super) struct RequestPermit {
    /// Out of what its connection may hold.
    _own: Permit,
    steps: Option<Permit>,
    turn: Option<OwnedSemaphorePermit>,
}

impl RequestMemory {
    /// `queued.max.request.bytes`: a quarter for small requests, the rest for large ones. Of that up to half is set
    /// aside for the one request whose turn it is; such a one is let in even if it alone is larger.
    pub(crate) fn new(bytes: usize, max_request_bytes: usize) -> RequestMemory {
        let small = bytes / 4;
        let large = bytes - small;
        let set_aside = max_request_bytes.min(large / 2);
        RequestMemory {
            small: Budget::new(small.max(1)),
            large: Budget::new((large - set_aside).max(1)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for all the memory of a small request.
    pub(super) async fn small(&self, own: Permit, bytes: usize) -> RequestPermit {
        RequestPermit {
            steps: Some(self.small.acquire(bytes).await),
            ..RequestPermit::new(own)
        }
    }

    /// Waits for memory for the next `bytes` of a large request.
    pub(super) async fn step(&self, request: &mut RequestPermit, bytes: usize) {
        if request.turn.is_some() {
            return;
        }
        tokio::select! {
            biased;
            step = self.large.acquire(bytes) => match &mut request.steps {
                Some(steps) => steps.merge(step),
                None => request.steps = Some(step),
            },
            turn = Arc::clone(&self.turn).acquire_owned() => {
                request.turn = Some(turn.expect("the semaphore is never closed"));
            }
        }
    }
}

impl RequestPermit {
    /// A large request of which nothing has arrived.
    pub(super) fn new(own: Permit) -> RequestPermit {
        RequestPermit {
            _own: own,
            steps: None,
            turn: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn large_request() -> RequestPermit {
        RequestPermit::new(Budget::new(1).acquire(1).await)
    }

    #[tokio::test]
    async fn large_requests_that_do_not_come_leave_room_for_small_ones() {
        let memory = RequestMemory::new(1 << 20, 1 << 20);
        let (mut first, mut second) = (large_request().await, large_request().await);
        memory.step(&mut first, 10 << 20).await;
        memory.step(&mut second, 10 << 20).await;
        let own = Budget::new(1_000).acquire(1_000).await;
        drop(memory.small(own, 1_000).await);
    }

    #[tokio::test]
    async fn of_large_requests_that_want_more_than_there_is_one_has_its_turn() {
        let memory = RequestMemory::new(4_000, 1_000);
        let (mut first, mut second) = (large_request().await, large_request().await);
        memory.step(&mut first, 1_000).await;
        memory.step(&mut second, 1_000).await;
        for _ in 0..3 {
            memory.step(&mut first, 1_000).await;
        }
        assert!(memory.step(&mut second, 1_000).now_or_never().is_none());
        drop(first);
        for _ in 0..3 {
            memory.step(&mut second, 1_000).await;
        }
    }
}
