//! Replies onto the socket, in the order of requests.
//!
//! One reply is waited for at a time, and whatever else is ready by then goes
//! out with it in one vectored write. So a client that does not read holds one
//! batch of replies and stops its own connection, nobody else's.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::request_memory::RequestPermit;
use crate::dispatch::Refusal;

/// Replies are gathered up to this size before they are written.
const GATHER: usize = 256 << 10;
/// Slices in one vectored write.
const SLICES: usize = 64;

/// A request's place in the order of replies.
pub(super) struct Pending {
    pub(super) reply: PendingReply,
    /// The request's memory, held until its reply is written.
    pub(super) permit: RequestPermit,
}

/// The bytes of a reply, or the wait for them.
pub(super) enum PendingReply {
    Ready(Vec<Bytes>),
    Later(BoxFuture<'static, Result<Vec<Bytes>, Refusal>>),
}

/// Why writing ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("writing failed: {0}")]
    Io(#[from] io::Error),
}

/// Writes every reply of `pending` until its sender is gone; tells `written` how many went out.
/// A client that takes no byte for as long as `stall` is given up.
pub(super) async fn write_replies<W: AsyncWrite + Unpin>(
    mut half: W,
    pending: &mut Receiver<Pending>,
    stall: Duration,
    written: impl Fn(usize),
) -> Result<(), WriteError> {
    let mut parked: Option<Pending> = None;
    loop {
        let first = match parked.take() {
            Some(first) => first,
            None => match pending.recv().await {
                Some(first) => first,
                None => return Ok(()),
            },
        };
        let mut gathered = Gathered::default();
        let reply = match first.reply {
            PendingReply::Ready(chunks) => chunks,
            PendingReply::Later(future) => future.await?,
        };
        gathered.add(reply, first.permit);
        while gathered.bytes < GATHER {
            let Ok(mut next) = pending.try_recv() else {
                break;
            };
            let ready = match &mut next.reply {
                PendingReply::Ready(chunks) => Some(std::mem::take(chunks)),
                PendingReply::Later(future) => future.now_or_never().transpose()?,
            };
            let Some(chunks) = ready else {
                parked = Some(next);
                break;
            };
            gathered.add(chunks, next.permit);
        }
        let replies = gathered.permits.len();
        gathered.write(&mut half, stall).await?;
        written(replies);
    }
}

#[derive(Default)]
struct Gathered {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    permits: Vec<RequestPermit>,
}

impl Gathered {
    fn add(&mut self, chunks: Vec<Bytes>, permit: RequestPermit) {
        self.bytes += chunks.iter().map(Bytes::len).sum::<usize>();
        self.chunks.extend(chunks);
        self.permits.push(permit);
    }

    async fn write<W: AsyncWrite + Unpin>(
        mut self,
        half: &mut W,
        stall: Duration,
    ) -> io::Result<()> {
        while !self.chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
                *slice = IoSlice::new(chunk);
            }
            let used = self.chunks.len().min(SLICES);
            let mut written = timeout(stall, half.write_vectored(&slices[..used])).await??;
            if written == 0 && self.bytes > 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            while let Some(front) = self.chunks.front_mut() {
                if written < front.len() {
                    front.advance(written);
                    break;
                }
                written -= front.len();
                self.chunks.pop_front();
            }
        }
        Ok(())
    }
}
