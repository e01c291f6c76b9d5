//! Frames off the socket: four bytes of length, then that many bytes.
//!
//! The length is checked before anything is read, and memory is paid for and grows
//! with what arrives, so a length that lies costs nothing but the connection.

use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::request_memory::{RequestMemory, RequestPermit};
use crate::budget::Budget;

/// Frames up to this size are copied out of the read buffer, which is then used again.
const BUFFER: usize = 16 << 10;
/// A larger frame pays for as much again as has arrived, from this
const FIRST_STEP: usize = 64 << 10;
/// up to this.
const LONGEST_STEP: usize = 1 << 20;
/// A frame that has begun holds memory that others wait for, so it may rest this long,
const REST: Duration = Duration::from_secs(30);
/// of which this many bytes win a second back.
const BYTES_PER_SECOND: u32 = 256 << 10;

/// Reads frames from one half of a connection.
pub(super) struct FrameReader<R> {
    half: R,
    buffer: BytesMut,
    rest: Duration,
}

/// A whole request and the memory it was allowed to take.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) permit: RequestPermit,
}

/// Why no further frame will come.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the client closed the connection")]
    Closed,
    #[error(
        "the announced length {length} is not between {least} and {most} (socket.request.max.bytes)"
    )]
    Length {
        length: i32,
        least: usize,
        most: usize,
    },
    #[error("a request of {announced} bytes did not arrive in time")]
    Late { announced: usize },
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(half: R) -> FrameReader<R> {
        FrameReader {
            half,
            buffer: BytesMut::new(),
            rest: REST,
        }
    }

    /// Waits for the four bytes of the next length, which is to be one of `lengths`; cancel safe.
    pub(super) async fn announced(
        &mut self,
        lengths: &RangeInclusive<usize>,
    ) -> Result<usize, FrameError> {
        while self.buffer.len() < 4 {
            self.buffer.reserve(BUFFER);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
        let length = self.buffer.get_i32();
        match usize::try_from(length) {
            Ok(bytes) if lengths.contains(&bytes) => Ok(bytes),
            _ => Err(FrameError::Length {
                length,
                least: *lengths.start(),
                most: *lengths.end(),
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
        let pace = Pace {
            announced,
            most: self.rest,
            left: self.rest,
        };
        if announced <= BUFFER {
            let permit = node.small(own, announced).await;
            let bytes = self.small(pace).await?;
            return Ok(Frame { bytes, permit });
        }
        let mut permit = RequestPermit::new(own);
        let bytes = self.large(pace, node, &mut permit).await?;
        Ok(Frame { bytes, permit })
    }

    async fn small(&mut self, mut pace: Pace) -> Result<Bytes, FrameError> {
        let announced = pace.announced;
        while self.buffer.len() < announced {
            self.buffer.reserve(BUFFER);
            pace.receive(&mut self.half, &mut self.buffer).await?;
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[..announced]);
        self.buffer.advance(announced);
        Ok(bytes)
    }

    async fn large(
        &mut self,
        mut pace: Pace,
        node: &RequestMemory,
        permit: &mut RequestPermit,
    ) -> Result<Bytes, FrameError> {
        let announced = pace.announced;
        let mut frame = Vec::new();
        let mut paid = 0;
        while paid < announced {
            let step = paid.clamp(FIRST_STEP, LONGEST_STEP).min(announced - paid);
            node.step(permit, step).await;
            paid += step;
            if frame.capacity() < paid {
                // Doubling keeps copying linear, and nothing is asked for past the end of this frame.
                let capacity = announced.min(paid.max(2 * frame.capacity()));
                frame.reserve_exact(capacity - frame.len());
            }
            let buffered = self.buffer.len().min(paid - frame.len());
            frame.extend_from_slice(&self.buffer[..buffered]);
            self.buffer.advance(buffered);
            while frame.len() < paid {
                let mut rest = (&mut self.half).take((paid - frame.len()) as u64);
                pace.receive(&mut rest, &mut frame).await?;
            }
        }
        Ok(frame.into())
    }
}

/// How long a frame may keep others waiting. Waiting for memory itself does not count.
struct Pace {
    announced: usize,
    most: Duration,
    left: Duration,
}

impl Pace {
    async fn receive<R: AsyncRead + Unpin>(
        &mut self,
        half: &mut R,
        into: &mut impl BufMut,
    ) -> Result<(), FrameError> {
        let begun = Instant::now();
        let received = match timeout(self.left, half.read_buf(into)).await {
            Ok(received) => received?,
            Err(_) => {
                return Err(FrameError::Late {
                    announced: self.announced,
                });
            }
        };
        if received == 0 {
            return Err(FrameError::Closed);
        }
        let won = Duration::from_secs(received as u64) / BYTES_PER_SECOND;
        self.left = (self.left.saturating_sub(begun.elapsed()) + won).min(self.most);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read_all(mut bytes: &[u8], max_bytes: usize) -> (Vec<Bytes>, FrameError) {
        let mut reader = FrameReader::new(&mut bytes);
        let (node, own) = (RequestMemory::new(1 << 30, max_bytes), Budget::new(1 << 30));
        let mut frames = Vec::new();
        loop {
            let announced = match reader.announced(&(8..=max_bytes)).await {
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
        let sizes = [8, 100, BUFFER, BUFFER + 1, 3 * LONGEST_STEP + 17, 9];
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
    async fn a_frame_that_stops_arriving_ends_the_connection() {
        let (mut client, server) = tokio::io::duplex(1_000);
        client.write_all(&[0, 0, 1, 0, 9]).await.unwrap();
        let mut reader = FrameReader::new(server);
        reader.rest = Duration::from_millis(1);
        let announced = reader.announced(&(8..=1_000)).await.unwrap();
        let (node, own) = (RequestMemory::new(1 << 20, 1 << 20), Budget::new(1 << 20));
        let end = reader.frame(announced, &node, &own).await.err().unwrap();
        assert!(matches!(end, FrameError::Late { announced: 256 }), "{end}");
    }

    #[tokio::test]
    async fn frames_that_are_half_there_and_together_exceed_the_memory_all_arrive() {
        const SIZE: usize = 3 << 20;
        let memory = RequestMemory::new(4 << 20, SIZE);
        let frames = (0..5).map(|_| async {
            let (mut client, server) = tokio::io::duplex(BUFFER);
            let mut reader = FrameReader::new(server);
            let own = Budget::new(SIZE);
            // In small pieces, so that all advance together.
            let sending = async {
                for piece in framed(&[SIZE]).chunks(BUFFER) {
                    client.write_all(piece).await.unwrap();
                }
            };
            let receiving = async {
                let announced = reader.announced(&(8..=SIZE)).await.unwrap();
                let frame = reader.frame(announced, &memory, &own).await.unwrap();
                frame.bytes.len()
            };
            futures::join!(sending, receiving).1
        });
        assert_eq!(futures::future::join_all(frames).await, [SIZE; 5]);
    }

    #[tokio::test]
    async fn a_frame_cut_short_ends_the_connection() {
        let mut bytes = framed(&[100, LONGEST_STEP]);
        bytes.truncate(bytes.len() - 1);
        let (frames, end) = read_all(&bytes, 100 << 20).await;
        assert_eq!(frames.len(), 1);
        assert!(matches!(end, FrameError::Closed), "{end}");
    }
}
