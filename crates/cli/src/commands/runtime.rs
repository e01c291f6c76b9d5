//! The tokio runtimes of commands.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Result;

/// For a tool: one thread beside the main one.
pub(crate) fn tool() -> Result<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?)
}

/// For a service: a thread per core.
pub(crate) fn service() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}
