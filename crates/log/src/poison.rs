//! The memory of a failed sync: Linux marks the pages clean and forgets the error, so this program must not.

use std::sync::OnceLock;

use crate::LogError;

/// Set once, for good.
#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<String>);

impl Poison {
    /// An error if it is set.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(LogError::Poisoned { reason }),
        }
    }

    /// The first failure.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.get().cloned()
    }

    /// Remembers a failed sync; hands any error back.
    pub(crate) fn set_if_sync(&self, error: LogError) -> LogError {
        if error.is_sync() {
            self.set(error)
        } else {
            error
        }
    }

    /// Remembers `error` unless there was one before, and hands it back.
    pub(crate) fn set(&self, error: LogError) -> LogError {
        self.0.get_or_init(|| error.to_string());
        error
    }
}
