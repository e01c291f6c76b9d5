//! One client's connection, from its first byte to its last.
//!
//! Requests are begun in order as they arrive; replies are written in the same
//! order. At most [`IN_FLIGHT`] replies are outstanding, then reading stops and
//! TCP tells the client. What a request means is `dispatch`'s business.

mod frame_reader;
mod reply_writer;
mod request_memory;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::frame_reader::{FrameError, FrameReader};
use self::reply_writer::{Pending, PendingReply, WriteError, write_replies};
pub(crate) use self::request_memory::RequestMemory;
use crate::budget::Budget;
use crate::context::{ConnectionInfo, Context};
use crate::dispatch::{self, Answer, Refusal};

/// A header is at least key, version and correlation id.
const SMALLEST_REQUEST: usize = 8;
/// What a client may send at once before it is known: `sasl.server.max.receive.size`.
const UNAUTHENTICATED_BYTES: usize = 512 << 10;
/// Replies outstanding on one connection.
const IN_FLIGHT: usize = 64;
/// How long a connection that ends, whoever ended it, waits for its last replies and for the client to take them.
const DRAIN: Duration = Duration::from_secs(5);

/// What every connection of a node shares.
pub(crate) struct Shared {
    pub(crate) context: Context,
    /// `queued.max.request.bytes`.
    pub(crate) requests: RequestMemory,
    /// Cancelled when the node stops: no further request is read, what is parked is answered.
    pub(crate) stopping: CancellationToken,
}

/// Why a connection ended, other than by its client's wish.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
}

/// What keeps a connection from being idle, shared by its two directions.
struct Activity {
    latest: Mutex<Instant>,
    /// Replies owed to the client.
    owed: AtomicUsize,
}

impl Activity {
    fn new() -> Activity {
        Activity {
            latest: Mutex::new(Instant::now()),
            owed: AtomicUsize::new(0),
        }
    }

    fn touch(&self) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn owes(&self) {
        self.owed.fetch_add(1, Ordering::Relaxed);
    }

    fn wrote(&self, replies: usize) {
        self.touch();
        self.owed.fetch_sub(replies, Ordering::Relaxed);
    }

    /// Since when nothing is owed and nothing happened.
    fn idle_for(&self) -> Duration {
        if self.owed.load(Ordering::Relaxed) > 0 {
            self.touch();
        }
        self.latest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }
}

/// Serves `stream` until the client leaves, misbehaves or the node stops.
pub(crate) async fn serve(mut stream: TcpStream, mut info: ConnectionInfo, shared: Arc<Shared>) {
    let peer = info.peer;
    let (read_half, write_half) = stream.split();
    let activity = Activity::new();
    let (sender, mut pending) = mpsc::channel(IN_FLIGHT);
    let mut writing = pin!(write_replies(
        write_half,
        &mut pending,
        shared.context.settings.limits.connections_max_idle,
        |replies| activity.wrote(replies)
    ));
    let end = {
        let limits = &shared.context.settings.limits;
        let requests = Requests {
            frames: FrameReader::new(read_half),
            own: Budget::new(limits.request_bytes),
            sender,
            activity: &activity,
        };
        tokio::select! {
            begun = requests.begin_all(&mut info, &shared) => {
                // The sender is gone: what was begun is still answered, whoever ended this.
                match begun {
                    Err(End::Frame(FrameError::Io(_))) => begun,
                    begun => {
                        let drained = timeout(DRAIN, &mut writing).await;
                        begun.and(drained.unwrap_or(Ok(())).map_err(End::from))
                    }
                }
            }
            written = &mut writing => written.map_err(End::from),
        }
    };
    match end {
        Ok(())
        | Err(End::Frame(FrameError::Closed | FrameError::Io(_)) | End::Write(WriteError::Io(_))) =>
        {
            debug!(%peer, "connection closed");
        }
        Err(End::Idle) => debug!(%peer, "connection closed: {}", End::Idle),
        Err(end) => warn!(%peer, "connection closed: {end}"),
    }
}

struct Requests<'a, R> {
    frames: FrameReader<R>,
    /// The memory one connection may hold, so that it cannot take the node's.
    own: Budget,
    sender: mpsc::Sender<Pending>,
    activity: &'a Activity,
}

impl<R: tokio::io::AsyncRead + Unpin> Requests<'_, R> {
    /// Begins one request after the other; `Ok` when the node stops.
    async fn begin_all(mut self, info: &mut ConnectionInfo, shared: &Shared) -> Result<(), End> {
        loop {
            // A place in the order of replies first: without one nothing is read.
            let Ok(place) = self.sender.clone().reserve_owned().await else {
                return Ok(());
            };
            let announced = tokio::select! {
                biased;
                () = shared.stopping.cancelled() => return Ok(()),
                announced = self.announced(shared, info) => announced?,
            };
            // What a client sends beyond its quotas stays in its own buffers (KIP-219).
            while let Some(left) = info.mute.left() {
                tokio::select! {
                    biased;
                    () = shared.stopping.cancelled() => return Ok(()),
                    () = tokio::time::sleep(left) => self.activity.touch(),
                }
            }
            let frame = tokio::select! {
                biased;
                () = shared.stopping.cancelled() => return Ok(()),
                frame = self.frames.frame(announced, &shared.requests, &self.own) => frame?,
            };
            self.activity.touch();
            if dispatch::is_produce(&frame.bytes) {
                shared.context.partitions.room().await;
            }
            let reply = match dispatch::begin(&shared.context, info, frame.bytes)? {
                Answer::Ready(chunks) => PendingReply::Ready(chunks),
                Answer::Later(future) => PendingReply::Later(future),
                Answer::Silent => continue,
            };
            self.activity.owes();
            place.send(Pending {
                reply,
                permit: frame.permit,
            });
            if info.session.has_failed() {
                return Err(Refusal::Authentication("authentication failed".to_owned()).into());
            }
            // A client that never pauses must let other connections have the thread.
            tokio::task::consume_budget().await;
        }
    }

    async fn announced(&mut self, shared: &Shared, info: &ConnectionInfo) -> Result<usize, End> {
        let lengths = if info.session.is_known() {
            SMALLEST_REQUEST..=shared.context.settings.limits.request_bytes
        } else if info.session.expects_raw_token() {
            0..=UNAUTHENTICATED_BYTES
        } else {
            SMALLEST_REQUEST..=UNAUTHENTICATED_BYTES
        };
        let max_idle = shared.context.settings.limits.connections_max_idle;
        loop {
            let left = max_idle.saturating_sub(self.activity.idle_for());
            if left.is_zero() {
                return Err(End::Idle);
            }
            if let Ok(announced) = timeout(left, self.frames.announced(&lengths)).await {
                return Ok(announced?);
            }
        }
    }
}
