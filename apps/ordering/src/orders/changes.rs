//! Who waits for an order is woken when it changes.

use tokio::sync::broadcast;

use crate::order_state::OrderState;

/// Room for this many changes; a waiter that falls behind looks into the database instead.
const CAPACITY: usize = 1024;

/// An order entered a state.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) order_id: String,
    pub(super) state: OrderState,
}

/// The changes of all orders, as they are committed.
#[derive(Debug, Clone)]
pub(super) struct Changes(broadcast::Sender<Change>);

/// One who waits.
pub(super) struct Waiter(broadcast::Receiver<Change>);

impl Changes {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    pub(super) fn publish(&self, change: Change) {
        // Nobody waiting is no error.
        let _ = self.0.send(change);
    }

    /// Sees every change from here on.
    pub(super) fn waiter(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

impl Waiter {
    /// Returns when this order has reached the state, or may have.
    pub(super) async fn reached(&mut self, order_id: &str, wanted: OrderState) {
        loop {
            match self.0.recv().await {
                Ok(change) if change.order_id == order_id && change.state.has_reached(wanted) => {
                    return;
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CAPACITY, Change, Changes};
    use crate::order_state::OrderState;

    #[tokio::test]
    async fn a_waiter_is_woken_by_its_own_order_or_by_lagging() {
        let changes = Changes::new();
        let mut waiter = changes.waiter();
        let change = |id: &str, state| Change {
            order_id: id.to_owned(),
            state,
        };
        changes.publish(change("other", OrderState::Delivered));
        changes.publish(change("mine", OrderState::Confirmed));
        changes.publish(change("mine", OrderState::Processed));
        waiter.reached("mine", OrderState::Processed).await;
        let mut slow = changes.waiter();
        for _ in 0..=CAPACITY {
            changes.publish(change("other", OrderState::Delivered));
        }
        slow.reached("mine", OrderState::Delivered).await;
    }
}
