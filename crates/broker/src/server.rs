//! The listener: accepts connections up to its limits and lets them end when the node stops.
//!
//! The limits are broker configs that may change at any moment, and hold for the next connection:
//! one that is too many is closed at once, and too many in one second wait for the next.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use self::admission::{Admission, Refusal};
use crate::connection::{self, Shared};
use crate::context::ConnectionInfo;
use crate::error::StartError;
use crate::quotas::Mute;
use crate::security::Session;
use crate::settings::Limits;
use crate::throttle::Throttle;

mod admission;

/// How long accepting pauses when the system has no file handle left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a connection does not come to be.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Trouble {
    Refused(Refusal),
    Accepting,
}

static REFUSED: Throttle<Trouble> = Throttle::new();

/// How long a stopping node waits for its connections; a disk that hangs must not keep it for ever.
const LAST_REPLIES: Duration = Duration::from_secs(20);

/// Opens the port, and tells which it is.
pub(crate) async fn listen(
    address: SocketAddr,
    limits: &Limits,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = async {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // Accepted connections inherit both.
        if let Some(bytes) = limits.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = limits.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        let listener = socket.listen(limits.listen_backlog)?;
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
    let mut admission = Admission::new(Arc::clone(&shared.context.metadata));
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
            accepted = accept(&listener, &mut admission) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Err(refusal) => {
                    drop(stream);
                    if let Some(held_back) = REFUSED.pass(Trouble::Refused(refusal)) {
                        warn!(%peer, held_back, "connection refused: {refusal}");
                    }
                }
                Ok(admitted) => match info(&stream, peer, &shared) {
                    Ok(info) => {
                        let counted = Counted::new(&connections);
                        let shared = Arc::clone(&shared);
                        let turned_away = shared.context.quotas.connected(peer.ip());
                        open.spawn(async move {
                            match turned_away {
                                None => connection::serve(stream, info, shared).await,
                                Some(wait) => turn_away(stream, wait, &shared).await,
                            }
                            drop((counted, admitted));
                        });
                    }
                    Err(failure) => debug!(%peer, "connection lost before it began: {failure}"),
                },
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

/// The next connection, as soon as the rate allows one.
async fn accept(
    listener: &TcpListener,
    admission: &mut Admission,
) -> io::Result<(TcpStream, SocketAddr)> {
    admission.turn().await;
    listener.accept().await
}

/// Closes a connection that came too soon after others from its address (KIP-612), not before its
/// time: a client that is told at once tries again at once.
async fn turn_away(stream: TcpStream, wait: Duration, shared: &Shared) {
    tokio::select! {
        () = shared.stopping.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
    drop(stream);
}

fn info(stream: &TcpStream, peer: SocketAddr, shared: &Shared) -> io::Result<ConnectionInfo> {
    stream.set_nodelay(true)?;
    Ok(ConnectionInfo {
        peer,
        local: stream.local_addr()?,
        client_id: "".into(),
        mute: Mute::default(),
        session: Arc::new(Session::new(shared.context.settings.security.protocol)),
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
