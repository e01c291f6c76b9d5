//! One batch with its bytes, and a walk over several.

use bytes::Bytes;

use crate::header::at;
use crate::{BatchHeader, Compression, HEADER_SIZE, RecordError, Records};

/// A batch: its parsed head and all of its bytes, head included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// The head as it stands in `bytes`.
    pub header: BatchHeader,
    /// The whole batch, exactly `header.size_in_bytes()` long.
    pub bytes: Bytes,
}

impl RecordBatch {
    /// Takes the batch at the front of `bytes`; what follows it is ignored. The CRC is not checked.
    ///
    /// # Errors
    /// Those of [`BatchHeader::parse`], and `Truncated` where the records are not all there.
    pub fn parse(bytes: &Bytes) -> Result<Self, RecordError> {
        let header = BatchHeader::parse(bytes)?;
        let size = header.size_in_bytes();
        if size > bytes.len() {
            return Err(RecordError::Truncated {
                needed: size,
                available: bytes.len(),
            });
        }
        Ok(Self {
            header,
            bytes: bytes.slice(..size),
        })
    }

    /// Compares the checksum in the head with that of the bytes it covers (CRC-32C, attributes onward).
    ///
    /// # Errors
    /// `BadCrc`.
    pub fn check_crc(&self) -> Result<(), RecordError> {
        let computed = covered_crc(&self.bytes);
        if computed == self.header.crc {
            return Ok(());
        }
        Err(RecordError::BadCrc {
            base_offset: self.header.base_offset,
            expected: self.header.crc,
            computed,
        })
    }

    /// The records, decompressed where needed into at most `max_uncompressed_bytes`.
    ///
    /// # Errors
    /// Those of the codec; `TooLarge` beyond the limit; `MalformedRecord` for an impossible count.
    pub fn records(&self, max_uncompressed_bytes: usize) -> Result<Records, RecordError> {
        let payload = self.bytes.slice(HEADER_SIZE..);
        let codec = self.header.attributes.compression()?;
        let payload = match codec {
            Compression::None => payload,
            codec => Bytes::from(codec.decompress(&payload, max_uncompressed_bytes)?),
        };
        Records::new(&self.header, payload)
    }
}

/// CRC-32C of what the head's checksum covers: attributes to the end of `batch`.
pub(crate) fn covered_crc(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(at::ATTRIBUTES..).unwrap_or_default())
}

/// Walks batches that lie one behind the other. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// A walk over `bytes`, which begin with a batch or are empty.
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = RecordBatch::parse(&self.rest);
        self.rest = match &batch {
            Ok(batch) => self.rest.slice(batch.bytes.len()..),
            Err(_) => Bytes::new(),
        };
        Some(batch)
    }
}
