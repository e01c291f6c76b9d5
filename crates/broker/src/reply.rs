//! The ways a handler can answer.
//!
//! `begin` never awaits and runs in the order of requests, so whatever has to
//! happen in that order (an append, a group's state change) happens there. A
//! [`Reply::Later`] only waits for a result: the connection polls it when every
//! reply before it has been written, and drops it when the client goes away.

use futures::future::BoxFuture;

/// What a handler's `begin` returns.
pub(crate) enum Reply<R> {
    /// The answer is known.
    Now(R),
    /// The answer comes when the future resolves. It may not be polled before its turn, so it must not carry work that others depend on.
    Later(BoxFuture<'static, R>),
    /// Not one byte is sent: `acks=0`.
    Silent,
    /// Not one byte is sent and the connection is closed, which is how an `acks=0` producer learns of an error.
    Close(String),
}

impl<R> Reply<R> {
    /// A reply that waits for `future`.
    pub(crate) fn later(future: impl Future<Output = R> + Send + 'static) -> Reply<R> {
        Reply::Later(Box::pin(future))
    }
}
