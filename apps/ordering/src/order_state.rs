//! The states of an order and the transitions between them.
//!
//! Events of one order come from several topics, so a later one may be seen first: the order then takes the later state,
//! because it implies the earlier ones, and what comes late changes nothing. What can never be is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::contracts::Event;

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Taken, not yet paid.
    Received,
    /// Paid.
    Confirmed,
    /// Not carried out. Final.
    Rejected,
    /// The customer was told; it can be driven out.
    Processed,
    /// A driver is on the way.
    Assigned,
    /// With the customer. Final.
    Delivered,
}

/// What an event does to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It enters this state.
    To(OrderState),
    /// Nothing: the order is there or further already.
    Late,
    /// Nothing: this can not follow, such as a rejection of what was paid.
    Impossible,
}

impl OrderState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Received,
        Self::Confirmed,
        Self::Rejected,
        Self::Processed,
        Self::Assigned,
        Self::Delivered,
    ];

    /// As in JSON, queries and databases.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Processed => "processed",
            Self::Assigned => "assigned",
            Self::Delivered => "delivered",
        }
    }

    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Delivered)
    }

    /// The state that an event tells of.
    pub const fn told_by(event: &Event) -> Self {
        match event {
            Event::OrderReceived(_) => Self::Received,
            Event::OrderConfirmed(_) => Self::Confirmed,
            Event::OrderRejected(_) => Self::Rejected,
            Event::OrderProcessed(_) => Self::Processed,
            Event::DriverAssigned(_) => Self::Assigned,
            Event::OrderDelivered(_) => Self::Delivered,
        }
    }

    /// What being told of `next` does to an order in this state.
    pub const fn transition(self, next: Self) -> Transition {
        match (self, next) {
            (Self::Rejected, Self::Rejected | Self::Received) => Transition::Late,
            (Self::Received, Self::Rejected) => Transition::To(next),
            (Self::Rejected, _) | (_, Self::Rejected) => Transition::Impossible,
            _ if next.step() > self.step() => Transition::To(next),
            _ => Transition::Late,
        }
    }

    /// Whether an order in this state has been in `wanted`, or can never be.
    pub const fn has_reached(self, wanted: Self) -> bool {
        if self.is_final() || matches!(wanted, Self::Rejected) {
            self.is_final()
        } else {
            self.step() >= wanted.step()
        }
    }

    const fn step(self) -> u8 {
        match self {
            Self::Received => 0,
            Self::Confirmed | Self::Rejected => 1,
            Self::Processed => 2,
            Self::Assigned => 3,
            Self::Delivered => 4,
        }
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No state has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no state is called {0:?}: there are received, confirmed, rejected, processed, assigned and delivered"
)]
pub struct UnknownState(pub String);

impl FromStr for OrderState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| UnknownState(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::OrderState::{self, Assigned, Confirmed, Delivered, Processed, Received, Rejected};
    use super::Transition::{Impossible, Late, To};

    #[test]
    fn an_order_goes_forward_only() {
        assert_eq!(Received.transition(Confirmed), To(Confirmed));
        assert_eq!(Received.transition(Rejected), To(Rejected));
        assert_eq!(Confirmed.transition(Confirmed), Late);
        assert_eq!(Delivered.transition(Assigned), Late);
        for state in [Confirmed, Processed, Assigned, Delivered] {
            assert_eq!(
                state.transition(Rejected),
                Impossible,
                "paid orders are not rejected: {state}"
            );
            assert_eq!(
                Rejected.transition(state),
                Impossible,
                "rejected orders go nowhere: {state}"
            );
        }
    }

    #[test]
    fn every_order_of_arrival_ends_in_the_same_state() {
        let events = [Confirmed, Processed, Assigned, Delivered];
        let mut order = [0, 1, 2, 3];
        permutations(&mut order, 0, &mut |order| {
            let end =
                order
                    .iter()
                    .fold(Received, |state, at| match state.transition(events[*at]) {
                        To(next) => next,
                        Late => state,
                        Impossible => panic!("{state} refused {}", events[*at]),
                    });
            assert_eq!(end, Delivered);
        });
    }

    fn permutations(items: &mut [usize; 4], from: usize, visit: &mut impl FnMut(&[usize; 4])) {
        if from == items.len() {
            return visit(items);
        }
        for at in from..items.len() {
            items.swap(from, at);
            permutations(items, from + 1, visit);
            items.swap(from, at);
        }
    }

    #[test]
    fn waiting_ends_when_a_state_was_passed_or_cannot_come() {
        assert!(Assigned.has_reached(Confirmed));
        assert!(!Confirmed.has_reached(Assigned));
        assert!(Rejected.has_reached(Delivered));
        assert!(!Assigned.has_reached(Rejected));
        assert!(Delivered.has_reached(Rejected));
    }

    #[test]
    fn states_are_found_by_their_names() {
        for state in OrderState::ALL {
            assert_eq!(state.name().parse::<OrderState>(), Ok(state));
        }
        assert!("lost".parse::<OrderState>().is_err());
    }
}
