//! The listener: accepts connections up to a limit and lets them end when the node stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::connection::{self, Shared};
use crate::context::ConnectionInfo;
use crate::error::StartError;
use crate::file_handles;
use crate::throttle::Throttle;

/// How long accepting pauses when the system has no file handle left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a connection does not come to be.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Trouble {
    TooMany,
    Accepting,
}

static REFUSED: Throttle<Trouble> = Throttle::new();

/// How long a stopping node waits for its connections; a disk that hangs must not keep it for ever.
const LAST_REPLIES: Duration = Duration::from_secs(20);

/// Opens the port, and tells which it is.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let local_addr = listener.local_addr()?;
        Ok((listener, local_addr))
    };
    listening
        .await
        .map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { address },
            _ => StartError::Listen { address, source },
        })
}

/// Serves connections until the node stops, and returns when the last has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
) {
    let max_connections = shared.context.settings.limits.max_connections;
    let max_connections = max_connections.min(file_handles::max_connections());
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            Some(ended) = open.join_next() => {
                if let Err(panic) = ended {
                    warn!("a connection's task ended abnormally: {panic}");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if open.len() >= max_connections => {
                drop(stream);
                if let Some(held_back) = REFUSED.pass(Trouble::TooMany) {
                    warn!(%peer, max_connections, held_back, "connection refused: the node has as many as max.connections and its limit on open files allow");
                }
            }
            Ok((stream, peer)) => match info(&stream, peer) {
                Ok(info) => {
                    let counted = Counted::new(&connections);
                    let shared = Arc::clone(&shared);
                    open.spawn(async move {
                        connection::serve(stream, info, shared).await;
                        drop(counted);
                    });
                }
                Err(failure) => debug!(%peer, "connection lost before it began: {failure}"),
            },
            Err(failure) => {
                if let Some(held_back) = REFUSED.pass(Trouble::Accepting) {
                    warn!(held_back, "accepting failed: {failure}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while open.join_next().await.is_some() {} };
    if timeout(LAST_REPLIES, ended).await.is_err() {
        warn!("connections that did not end are cut off");
        open.shutdown().await;
    }
}

fn info(stream: &TcpStream, peer: SocketAddr) -> io::Result<ConnectionInfo> {
    stream.set_nodelay(true)?;
    Ok(ConnectionInfo {
        peer,
        local: stream.local_addr()?,
        client_id: "".into(),
    })
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(connections: &Arc<AtomicUsize>) -> Counted {
        connections.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
