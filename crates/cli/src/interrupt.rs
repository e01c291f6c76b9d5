//! SIGINT and SIGTERM as a value passed down.

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Result;

/// A token that is cancelled at the first SIGINT or SIGTERM. A second one ends the process at once.
pub(crate) fn watch(runtime: &Runtime) -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(guard);
    let cancelled = token.clone();
    runtime.spawn(async move {
        for attempt in 0.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if attempt > 0 {
                // What a shell reports for a process ended by SIGINT.
                std::process::exit(130);
            }
            cancelled.cancel();
        }
    });
    Ok(token)
}
