//! What an application is doing: Kafka Streams' `KafkaStreams.State`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::error::StreamsError;

/// What an application is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is being started.
    Created,
    /// Tasks come and go, or are being restored.
    Rebalancing,
    /// All its tasks run.
    Running,
    /// It was asked to stop, and commits and closes.
    PendingShutdown,
    /// It failed, and closes.
    PendingError,
    /// It has failed.
    Error,
    /// It has stopped.
    NotRunning,
}

impl State {
    /// Whether it will not change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Error | Self::NotRunning)
    }

    fn may_become(self, next: Self) -> bool {
        match self {
            Self::Created | Self::Rebalancing | Self::Running => next != Self::Created,
            Self::PendingShutdown => next == Self::NotRunning,
            Self::PendingError => next == Self::Error,
            Self::Error | Self::NotRunning => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Where an application's state is kept and looked at.
#[derive(Debug)]
pub(crate) struct RunState {
    state: watch::Sender<State>,
    error: std::sync::Mutex<Option<Arc<StreamsError>>>,
    again: AtomicBool,
}

impl RunState {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Created),
            error: std::sync::Mutex::default(),
            again: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self) -> State {
        *self.state.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Goes to another state, where that is possible from this one.
    pub(crate) fn set(&self, next: State) {
        let changed = self.state.send_if_modified(|state| {
            let moves = *state != next && state.may_become(next);
            if moves {
                *state = next;
            }
            moves
        });
        if changed {
            tracing::info!(state = %next, "streams application");
        }
    }

    /// The application stops, to be started again.
    pub(crate) fn begin_again(&self) {
        self.again.store(true, Ordering::Release);
        self.set(State::PendingShutdown);
    }

    /// Whether it stops, or has stopped, to be started again.
    pub(crate) fn begins_again(&self) -> bool {
        self.again.load(Ordering::Acquire)
    }

    /// The application fails with this error; the first one is kept.
    pub(crate) fn fail(&self, error: StreamsError) {
        let mut kept = self
            .error
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        tracing::error!(%error, "streams application fails");
        kept.get_or_insert(Arc::new(error));
        drop(kept);
        self.set(State::PendingError);
    }

    /// What it failed with.
    pub(crate) fn error(&self) -> Option<Arc<StreamsError>> {
        self.error
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_application_stays_stopped_and_a_failed_one_failed() {
        let state = RunState::new();
        for next in [
            State::Rebalancing,
            State::Running,
            State::Rebalancing,
            State::PendingShutdown,
        ] {
            state.set(next);
            assert_eq!(state.get(), next);
        }
        state.set(State::Running);
        assert_eq!(state.get(), State::PendingShutdown);
        state.set(State::NotRunning);
        state.set(State::Rebalancing);
        assert_eq!(state.get(), State::NotRunning);

        let failing = RunState::new();
        failing.fail(StreamsError::Settings("first".to_owned()));
        failing.fail(StreamsError::Settings("second".to_owned()));
        failing.set(State::NotRunning);
        failing.set(State::Error);
        assert_eq!(failing.get(), State::Error);
        assert_eq!(failing.error().unwrap().to_string(), "first");
    }
}
