//! Clients of librdkafka, closed on a thread of their own.
//!
//! Closing a client waits for its threads and, in a group, for the broker. A task that is cancelled drops its client
//! wherever it runs, and must not hold up a runtime that the broker may be running on, too.

use std::ops::Deref;

/// A client that is closed on a thread of its own.
pub(crate) struct OwnThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OwnThread<T> {
    pub(crate) const fn new(client: T) -> Self {
        Self(Some(client))
    }

    /// Takes the client out, to be closed by the caller.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T: Send + 'static> Deref for OwnThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
            .as_ref()
            .expect("a client is only taken out of a value that is consumed")
    }
}

impl<T: Send + 'static> Drop for OwnThread<T> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            // Without a thread to spare, the client is closed right here.
            let _ = std::thread::Builder::new()
                .name("kafka-close".to_owned())
                .spawn(move || drop(client));
        }
    }
}
