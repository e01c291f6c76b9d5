//! Structs into bytes: the primitives of the protocol and a buffer that does not copy records.
//!
//! Owns the output; never decides what is written in which version.

use bytes::{BufMut, Bytes, BytesMut};

/// Blocks at least this long are kept as they are instead of being copied: below it, one copy
/// costs less than one more entry of a vectored write.
const UNCOPIED_SIZE: usize = 4096;

/// Collects an encoding as a list of chunks, in order.
#[derive(Debug, Default)]
pub struct Encoder {
    chunks: Vec<Bytes>,
    chunked_bytes: usize,
    tail: BytesMut,
}

impl Encoder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            tail: BytesMut::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.chunked_bytes + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding for a vectored write; no chunk is empty.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.close_tail();
        self.chunks
    }

    /// The encoding as one block; copies when records were kept apart.
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.is_empty() {
            return self.tail.freeze();
        }
        let mut whole = BytesMut::with_capacity(self.len());
        self.close_tail();
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        whole.freeze()
    }

    pub fn write_bool(&mut self, value: bool) {
        self.tail.put_u8(u8::from(value));
    }

    pub fn write_i8(&mut self, value: i8) {
        self.tail.put_i8(value);
    }

    pub fn write_i16(&mut self, value: i16) {
        self.tail.put_i16(value);
    }

    pub fn write_i32(&mut self, value: i32) {
        self.tail.put_i32(value);
    }

    pub fn write_i64(&mut self, value: i64) {
        self.tail.put_i64(value);
    }

    pub fn write_u16(&mut self, value: u16) {
        self.tail.put_u16(value);
    }

    pub fn write_u32(&mut self, value: u32) {
        self.tail.put_u32(value);
    }

    pub fn write_f64(&mut self, value: f64) {
        self.tail.put_f64(value);
    }

    /// Seven bits a byte, least significant first, the high bit on all but the last.
    pub fn write_unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    /// Copies.
    pub fn write_slice(&mut self, bytes: &[u8]) {
        self.tail.put_slice(bytes);
    }

    /// Keeps large blocks as they are.
    pub fn write_bytes(&mut self, bytes: &Bytes) {
        if bytes.len() < UNCOPIED_SIZE {
            self.write_slice(bytes);
        } else {
            self.close_tail();
            self.chunked_bytes += bytes.len();
            self.chunks.push(bytes.clone());
        }
    }

    /// Everything that another encoder collected.
    pub fn write_all(&mut self, other: Self) {
        for chunk in other.finish() {
            self.write_bytes(&chunk);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            let chunk = self.tail.split().freeze();
            self.chunked_bytes += chunk.len();
            self.chunks.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_blocks_are_kept_without_copying() {
        let records = Bytes::from(vec![7; UNCOPIED_SIZE]);
        let mut out = Encoder::new();
        out.write_i32(1);
        out.write_bytes(&records);
        out.write_i32(2);
        assert_eq!(out.len(), 8 + UNCOPIED_SIZE);
        let chunks = out.finish();
        let [first, second, third] = chunks.as_slice() else {
            panic!("{} chunks", chunks.len());
        };
        assert_eq!(first.as_ref(), [0, 0, 0, 1]);
        assert_eq!(second.as_ptr(), records.as_ptr());
        assert_eq!(third.as_ref(), [0, 0, 0, 2]);
    }

    #[test]
    fn small_blocks_are_copied_into_one_chunk() {
        let mut out = Encoder::new();
        out.write_bytes(&Bytes::from_static(b"ab"));
        out.write_slice(b"cd");
        assert_eq!(out.finish(), [Bytes::from_static(b"abcd")]);
    }

    #[test]
    fn one_block_is_the_chunks_in_order() {
        let mut out = Encoder::new();
        out.write_i8(1);
        out.write_bytes(&Bytes::from(vec![2; UNCOPIED_SIZE]));
        out.write_i8(3);
        let bytes = out.into_bytes();
        assert_eq!(bytes.len(), UNCOPIED_SIZE + 2);
        assert_eq!((bytes.first(), bytes.last()), (Some(&1), Some(&3)));
    }

    #[test]
    fn varints_take_as_few_bytes_as_they_can() {
        for (value, expected) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 1]),
            (300, vec![0xac, 2]),
            (u32::MAX, vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Encoder::new();
            out.write_unsigned_varint(value);
            assert_eq!(out.into_bytes(), expected, "{value}");
        }
    }
}
