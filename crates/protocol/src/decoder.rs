//! Bytes into structs: the primitives of the protocol, each checked against what is left.
//!
//! Owns the input and the memory that decoding may take; never allocates on a length it has not
//! checked, and never decides what is read in which version.

use bytes::{Buf, Bytes, TryGetError};

use crate::error::{DecodeError, DecodeProblem};

/// What decoded arrays may take however short the input is.
const MEMORY_FLOOR: usize = 1 << 20;
/// What decoded arrays may take for each byte of input. Elements are larger in memory than on the
/// wire (an empty string is 1 byte there and 24 here), so that a hostile frame could otherwise ask
/// for many times its own size; real requests stay below 7.
const MEMORY_PER_BYTE: usize = 8;

/// Reads a block from front to back. Byte fields are slices of the block, not copies.
#[derive(Debug)]
pub struct Decoder {
    input: Bytes,
    memory_left: usize,
}

impl Decoder {
    /// Arrays decoded from the block may take 1 MiB and 8 bytes per byte of the block.
    pub fn new(input: Bytes) -> Self {
        let memory_left = MEMORY_FLOOR.saturating_add(input.len().saturating_mul(MEMORY_PER_BYTE));
        Self { input, memory_left }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.input.len()
    }

    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Refuses bytes left over.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(DecodeProblem::TrailingBytes(self.remaining()).into())
        }
    }

    pub fn read_bool(&mut self) -> Result<bool, DecodeError> {
        match self.input.try_get_u8()? {
            0 => Ok(false),
            // Kafka reads any other byte as true.
            _ => Ok(true),
        }
    }

    pub fn read_i8(&mut self) -> Result<i8, DecodeError> {
        Ok(self.input.try_get_i8()?)
    }

    pub fn read_i16(&mut self) -> Result<i16, DecodeError> {
        Ok(self.input.try_get_i16()?)
    }

    pub fn read_i32(&mut self) -> Result<i32, DecodeError> {
        Ok(self.input.try_get_i32()?)
    }

    pub fn read_i64(&mut self) -> Result<i64, DecodeError> {
        Ok(self.input.try_get_i64()?)
    }

    pub fn read_u16(&mut self) -> Result<u16, DecodeError> {
        Ok(self.input.try_get_u16()?)
    }

    pub fn read_u32(&mut self) -> Result<u32, DecodeError> {
        Ok(self.input.try_get_u32()?)
    }

    pub fn read_f64(&mut self) -> Result<f64, DecodeError> {
        Ok(self.input.try_get_f64()?)
    }

    pub fn read_u128(&mut self) -> Result<u128, DecodeError> {
        Ok(self.input.try_get_u128()?)
    }

    /// At most five bytes, and no bit above the 32nd.
    pub fn read_unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.input.try_get_u8()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeProblem::OversizedVarint.into())
    }

    /// The next `length` bytes, shared with the input.
    pub fn read_bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.remaining() {
            return Err(DecodeProblem::Truncated {
                needed: length,
                remaining: self.remaining(),
            }
            .into());
        }
        Ok(self.input.split_to(length))
    }

    /// All that is left, shared with the input.
    pub fn read_rest(&mut self) -> Bytes {
        self.input.split_off(0)
    }

    /// The next `length` bytes as text.
    pub(crate) fn read_text(&mut self, length: usize) -> Result<String, DecodeError> {
        let Some(bytes) = self.input.get(..length) else {
            return Err(DecodeProblem::Truncated {
                needed: length,
                remaining: self.remaining(),
            }
            .into());
        };
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeProblem::InvalidUtf8)?;
        let text = text.to_owned();
        self.input.advance(length);
        Ok(text)
    }

    /// Accepts a count of elements: refused unless that many of `wire_size` can be in what is left
    /// and that many of `memory_size` are within the memory allowed.
    pub(crate) fn admit(
        &mut self,
        length: usize,
        wire_size: usize,
        memory_size: usize,
    ) -> Result<(), DecodeError> {
        if length > self.remaining() / wire_size.max(1) {
            return Err(DecodeProblem::ImpossibleCount {
                length,
                remaining: self.remaining(),
            }
            .into());
        }
        self.memory_left = length
            .checked_mul(memory_size)
            .and_then(|needed| self.memory_left.checked_sub(needed))
            .ok_or(DecodeProblem::MemoryLimit)?;
        Ok(())
    }

    /// Reads the next `length` bytes with `read`, which has to use them up. The memory allowed is
    /// one for both.
    pub(crate) fn within<T>(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut part = Self {
            input: self.read_bytes(length)?,
            memory_left: self.memory_left,
        };
        let value = read(&mut part)?;
        self.memory_left = part.memory_left;
        part.finish()?;
        Ok(value)
    }
}

impl From<TryGetError> for DecodeError {
    fn from(error: TryGetError) -> Self {
        DecodeProblem::Truncated {
            needed: error.requested,
            remaining: error.available,
        }
        .into()
    }
}
