//! Frames off the socket: four bytes of length, then that many bytes.
//!
//! The length is checked and paid for before anything is read, and memory grows
//! with what arrives, so a length that lies costs nothing but the connection.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use crate::budget::{Budget, Permit};

/// Frames up to this size are copied out of the read buffer, which is then used again.
const BUFFER: usize = 16 << 10;
/// How much of a larger frame is asked of the allocator at a time.
const GROWTH: usize = 1 << 20;
/// A frame that has begun holds memory that others wait for, so it has this long,
const ARRIVAL: Duration = Duration::from_secs(30);
/// and a second more for each of these.
const ARRIVAL_BYTES_PER_SECOND: usize = 256 << 10;

/// Reads frames from one half of a connection.
pub(super) struct FrameReader<R> {
    half: R,
    buffer: BytesMut,
    max_bytes: usize,
    arrival: Duration,
}

/// The memory of requests in all connections. Small requests have their own, so that large ones which are
/// announced and then do not come cannot hold up heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct RequestMemory {
    small: Budget,
    large: Budget,
}

impl RequestMemory {
    /// `queued.max.request.bytes`, a quarter of it for small requests.
    pub(crate) fn new(bytes: usize) -> RequestMemory {
        RequestMemory {
            small: Budget::new((bytes / 4).max(1)),
            large: Budget::new((bytes - bytes / 4).max(1)),
        }
    }

    async fn acquire(&self, announced: usize) -> Permit {
        let budget = if announced <= BUFFER {
            &self.small
        } else {
            &self.large
        };
        budget.acquire(announced).await
    }
}

/// A whole request and the memory it was allowed to take.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) permits: [Permit; 2],
}

/// Why no further frame will come.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error("the announced length {length} is not between 8 and {max} (socket.request.max.bytes)")]
    Length { length: i32, max: usize },
    #[error("a request of {announced} bytes did not arrive in time")]
    Late { announced: usize },
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(half: R, max_bytes: usize) -> FrameReader<R> {
        FrameReader {
            half,
            buffer: BytesMut::new(),
            max_bytes,
            arrival: ARRIVAL,
        }
    }

    /// Waits for the four bytes of the next length; cancel safe.
    pub(super) async fn announced(&mut self) -> Result<usize, FrameError> {
        while self.buffer.len() < 4 {
            self.buffer.reserve(BUFFER);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
        let length = self.buffer.get_i32();
        match usize::try_from(length) {
            // A header is at least key, version and correlation id.
            Ok(bytes) if (8..=self.max_bytes).contains(&bytes) => Ok(bytes),
            _ => Err(FrameError::Length {
                length,
                max: self.max_bytes,
            }),
        }
    }

    /// The frame of `announced` bytes, once both the node and this connection have room for it.
    pub(super) async fn frame(
        &mut self,
        announced: usize,
        node: &RequestMemory,
        own: &Budget,
    ) -> Result<Frame, FrameError> {
        let own = own.acquire(announced).await;
        let permits = [own, node.acquire(announced).await];
        let seconds = announced / ARRIVAL_BYTES_PER_SECOND;
        let in_time = self.arrival + Duration::from_secs(seconds as u64);
        let arrival = async {
            if announced <= BUFFER {
                self.small(announced).await
            } else {
                self.large(announced).await
            }
        };
        match timeout(in_time, arrival).await {
            Ok(bytes) => Ok(Frame {
                bytes: bytes?,
                permits,
            }),
            Err(_) => Err(FrameError::Late { announced }),
        }
    }

    async fn small(&mut self, announced: usize) -> Result<Bytes, FrameError> {
        while self.buffer.len() < announced {
            self.buffer.reserve(BUFFER);
            receive(&mut self.half, &mut self.buffer).await?;
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[..announced]);
        self.buffer.advance(announced);
        Ok(bytes)
    }

    async fn large(&mut self, announced: usize) -> Result<Bytes, FrameError> {
        let buffered = self.buffer.len().min(announced);
        let mut frame = BytesMut::with_capacity(announced.min(GROWTH));
        frame.extend_from_slice(&self.buffer[..buffered]);
        self.buffer.advance(buffered);
        while frame.len() < announced {
            let missing = announced - frame.len();
            if frame.capacity() == frame.len() {
                // Doubling keeps copying linear, and nothing is asked for past the end of this frame.
                let mut larger = BytesMut::with_capacity(announced.min(2 * frame.len()));
                larger.extend_from_slice(&frame);
                frame = larger;
            }
            let mut rest = (&mut self.half).take(missing as u64);
            receive(&mut rest, &mut frame).await?;
        }
        Ok(frame.freeze())
    }
}

async fn receive<R: AsyncRead + Unpin>(
    half: &mut R,
    into: &mut BytesMut,
) -> Result<(), FrameError> {
    match half.read_buf(into).await? {
        0 => Err(FrameError::Closed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_all(mut bytes: &[u8], max_bytes: usize) -> (Vec<Bytes>, FrameError) {
        let mut reader = FrameReader::new(&mut bytes, max_bytes);
        let (node, own) = (RequestMemory::new(1 << 30), Budget::new(1 << 30));
        let mut frames = Vec::new();
        loop {
            let announced = match reader.announced().await {
                Ok(announced) => announced,
                Err(error) => return (frames, error),
            };
            match reader.frame(announced, &node, &own).await {
                Ok(frame) => frames.push(frame.bytes),
                Err(error) => return (frames, error),
            }
        }
    }

    fn framed(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            bytes.extend_from_slice(&i32::try_from(*size).unwrap().to_be_bytes());
            bytes.extend(std::iter::repeat_n(index as u8 + 1, *size));
        }
        bytes
    }

    #[tokio::test]
    async fn small_and_large_frames_come_out_whole_and_in_order() {
        let sizes = [8, 100, BUFFER, BUFFER + 1, 3 * GROWTH + 17, 9];
        let (frames, end) = read_all(&framed(&sizes), 100 << 20).await;
        assert!(matches!(end, FrameError::Closed), "{end}");
        assert_eq!(frames.iter().map(Bytes::len).collect::<Vec<_>>(), sizes);
        for (index, frame) in frames.iter().enumerate() {
            assert!(frame.iter().all(|byte| usize::from(*byte) == index + 1));
        }
    }

    #[tokio::test]
    async fn a_length_out_of_bounds_is_refused_before_anything_is_read() {
        for length in [-1, 0, 7, 1_001, i32::MAX] {
            let (frames, end) = read_all(&length.to_be_bytes(), 1_000).await;
            assert!(frames.is_empty());
            assert!(matches!(end, FrameError::Length { .. }), "{length}: {end}");
        }
    }

    #[tokio::test]
    async fn large_requests_that_do_not_come_leave_room_for_small_ones() {
        let memory = RequestMemory::new(1 << 20);
        let large = memory.acquire(10 << 20).await;
        drop(memory.acquire(1_000).await);
        drop(large);
    }

    #[tokio::test]
    async fn a_frame_that_stops_arriving_ends_the_connection() {
        let (mut client, server) = tokio::io::duplex(1_000);
        tokio::io::AsyncWriteExt::write_all(&mut client, &[0, 0, 1, 0, 9])
            .await
            .unwrap();
        let mut reader = FrameReader::new(server, 1_000);
        reader.arrival = Duration::from_millis(1);
        let announced = reader.announced().await.unwrap();
        let (node, own) = (RequestMemory::new(1 << 20), Budget::new(1 << 20));
        let end = reader.frame(announced, &node, &own).await.err().unwrap();
        assert!(matches!(end, FrameError::Late { announced: 256 }), "{end}");
    }

    #[tokio::test]
    async fn a_frame_cut_short_ends_the_connection() {
        let mut bytes = framed(&[100, GROWTH]);
        bytes.truncate(bytes.len() - 1);
        let (frames, end) = read_all(&bytes, 100 << 20).await;
        assert_eq!(frames.len(), 1);
        assert!(matches!(end, FrameError::Closed), "{end}");
    }
}
