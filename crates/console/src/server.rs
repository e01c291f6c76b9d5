//! The page's HTTP server: binds, mounts and stops.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::ConsoleError;
use crate::settings::{ConsoleParts, ConsoleSettings};

/// The running page.
#[derive(Debug)]
pub struct Console {
    /// Where it is served.
    pub local_addr: SocketAddr,
    server: JoinHandle<Result<(), std::io::Error>>,
}

/// Serves the page until `shutdown`. Kafka need not be reachable: the page says so itself.
pub async fn start(
    settings: ConsoleSettings,
    parts: ConsoleParts,
    shutdown: CancellationToken,
) -> Result<Console, ConsoleError> {
    let listen = settings.listen;
    let listener = TcpListener::bind(listen).await.map_err(|source| ConsoleError::Bind { listen, source })?;
    let local_addr = listener.local_addr().map_err(|source| ConsoleError::Bind { listen, source })?;
    let router = parts.app;
    let server = tokio::spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(async move { shutdown.cancelled().await }).await
    });
    Ok(Console { local_addr, server })
}

impl Console {
    /// Waits until the server has ended.
    pub async fn join(self) -> Result<(), ConsoleError> {
        let listen = self.local_addr;
        match self.server.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(ConsoleError::Serve { listen, source }),
            Err(ended) => Err(ConsoleError::Serve { listen, source: std::io::Error::other(ended) }),
        }
    }
}
