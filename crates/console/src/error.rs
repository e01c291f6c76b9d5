//! Why the page could not be served.

use std::net::SocketAddr;

/// Why [`crate::start`] or [`crate::Console::join`] failed.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The address is taken or not ours.
    #[error(
        "cannot serve the page on {listen}: {source}; stop what listens there or choose another port"
    )]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the page's server on {listen} ended: {source}")]
    Serve {
        /// The address it served on.
        listen: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}
