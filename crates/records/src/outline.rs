//! A walk over the records of a batch that looks at their frames only.
//!
//! Keys, values and headers are skipped, and compressed records come out of the codec piece by piece, so that checking
//! what a producer sent takes a few KiB of memory, however far its batch unpacks.

use std::io::{self, BufRead, BufReader};

use crate::{Compression, HEADER_SIZE, RecordBatch, RecordError, varint};

/// What comes out of a codec at a time.
const PIECE_BYTES: usize = 16 * 1024;
/// Bytes that hold any variable-length integer.
const LONGEST_VARINT: usize = 10;

/// What a record says of itself besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordOutline {
    /// Position in the batch, from 0.
    pub index: i32,
    /// Distance to the batch's base offset, as written.
    pub offset_delta: i32,
    /// Milliseconds since the epoch, as written: the batch may say that its time of append counts instead.
    pub timestamp: i64,
    /// Whether it has a key.
    pub has_key: bool,
}

impl RecordBatch {
    /// Shows every record's outline to `visit` and checks all lengths. At most `max_uncompressed_bytes` are unpacked.
    ///
    /// # Errors
    /// Those of the codec; `TooLarge` beyond the limit; `MalformedRecord` where lengths and counts contradict each other.
    pub fn outlines(
        &self,
        max_uncompressed_bytes: usize,
        visit: impl FnMut(RecordOutline),
    ) -> Result<(), RecordError> {
        let payload = self.bytes.slice(HEADER_SIZE..);
        let codec = self.header.attributes.compression()?;
        let limit = max_uncompressed_bytes;
        let result = match codec {
            Compression::None => self.walk(payload.as_ref(), usize::MAX, visit),
            Compression::Gzip => {
                let decoder = flate2::bufread::MultiGzDecoder::new(payload.as_ref());
                self.walk(BufReader::with_capacity(PIECE_BYTES, decoder), limit, visit)
            }
            // Its blocks are small, or there is one, which has to be unpacked as a whole.
            Compression::Snappy => {
                let unpacked = codec.decompress(&payload, limit)?;
                self.walk(unpacked.as_slice(), limit, visit)
            }
            Compression::Lz4 => {
                let decoder = lz4_flex::frame::FrameDecoder::new(payload.as_ref());
                self.walk(decoder, limit, visit)
            }
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(payload.as_ref());
                let decoder = decoder.map_err(|error| RecordError::Decompression {
                    codec,
                    reason: error.to_string(),
                })?;
                self.walk(BufReader::with_capacity(PIECE_BYTES, decoder), limit, visit)
            }
        };
        result.map_err(|(index, fault)| match fault {
            Fault::Malformed(reason) => RecordError::MalformedRecord { index, reason },
            Fault::Codec(error) => RecordError::Decompression {
                codec,
                reason: error.to_string(),
            },
            Fault::TooLarge => RecordError::TooLarge { codec, limit },
        })
    }

    fn walk(
        &self,
        reader: impl BufRead,
        limit: usize,
        mut visit: impl FnMut(RecordOutline),
    ) -> Result<(), (i32, Fault)> {
        let mut source = Source {
            reader,
            read: 0,
            limit,
        };
        for index in 0..self.header.record_count {
            let mut outline = source.outline(index).map_err(|fault| (index, fault))?;
            outline.timestamp = self.header.base_timestamp.saturating_add(outline.timestamp);
            visit(outline);
        }
        let end = source.reader.fill_buf();
        let end = end.map_err(|error| (self.header.record_count, Fault::Codec(error)))?;
        if end.is_empty() {
            return Ok(());
        }
        let left_over = Fault::Malformed("bytes are left over behind the last record");
        Err((self.header.record_count, left_over))
    }
}

/// What ends a walk.
enum Fault {
    Malformed(&'static str),
    Codec(io::Error),
    TooLarge,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Codec(error)
    }
}

/// Unpacked records, as they come.
struct Source<R> {
    reader: R,
    /// Bytes taken so far.
    read: usize,
    limit: usize,
}

impl<R: BufRead> Source<R> {
    /// The next record's outline, its timestamp still relative.
    fn outline(&mut self, index: i32) -> Result<RecordOutline, Fault> {
        let length = self.length("its length is not a number of bytes")?;
        let length = length.ok_or(Fault::Malformed("its length is not a number of bytes"))?;
        let end = self.read.saturating_add(length);
        self.skip(1)?;
        let timestamp = self.varint("its timestamp is cut short")?;
        let offset_delta = self.varint("its offset is cut short")?;
        let offset_delta =
            i32::try_from(offset_delta).map_err(|_| Fault::Malformed("its offset is cut short"))?;
        let key = self.length("its key is cut short")?;
        self.skip_within(key.unwrap_or(0), end)?;
        let value = self.length("its value is cut short")?;
        self.skip_within(value.unwrap_or(0), end)?;
        let headers = self.varint("its header count is no count")?;
        if headers < 0 {
            return Err(Fault::Malformed("its header count is no count"));
        }
        for _ in 0..headers {
            let key = self.length("a header's key is cut short")?;
            let key = key.ok_or(Fault::Malformed("a header has no key"))?;
            self.skip_within(key, end)?;
            let value = self.length("a header's value is cut short")?;
            self.skip_within(value.unwrap_or(0), end)?;
        }
        if self.read != end {
            return Err(Fault::Malformed("its length is not that of what it holds"));
        }
        Ok(RecordOutline {
            index,
            offset_delta,
            timestamp,
            has_key: key.is_some(),
        })
    }

    /// A length; -1 means that there is no value.
    fn length(&mut self, fault: &'static str) -> Result<Option<usize>, Fault> {
        match self.varint(fault)? {
            -1 => Ok(None),
            length => i32::try_from(length)
                .ok()
                .and_then(|length| usize::try_from(length).ok())
                .map(Some)
                .ok_or(Fault::Malformed(fault)),
        }
    }

    fn varint(&mut self, fault: &'static str) -> Result<i64, Fault> {
        let buffer = self.reader.fill_buf()?;
        if buffer.len() >= LONGEST_VARINT {
            let mut rest = buffer;
            let value = varint::take_i64(&mut rest).ok_or(Fault::Malformed(fault))?;
            let taken = buffer.len() - rest.len();
            self.take(taken)?;
            return Ok(value);
        }
        // Near the end of a piece: byte by byte, across it.
        let mut bytes = [0; LONGEST_VARINT];
        for at in 0..LONGEST_VARINT {
            let buffer = self.reader.fill_buf()?;
            let byte = *buffer.first().ok_or(Fault::Malformed(fault))?;
            self.take(1)?;
            if let Some(to) = bytes.get_mut(at) {
                *to = byte;
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
        varint::take_i64(&mut bytes.as_slice()).ok_or(Fault::Malformed(fault))
    }

    fn skip_within(&mut self, count: usize, end: usize) -> Result<(), Fault> {
        if count > end.saturating_sub(self.read) {
            return Err(Fault::Malformed("a part of it reaches beyond its length"));
        }
        self.skip(count)
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        let mut left = count;
        while left > 0 {
            let here = self.reader.fill_buf()?.len().min(left);
            if here == 0 {
                return Err(Fault::Malformed("it reaches beyond the batch"));
            }
            self.take(here)?;
            left -= here;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<(), Fault> {
        self.reader.consume(count);
        self.read += count;
        if self.read > self.limit {
            return Err(Fault::TooLarge);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Header};

    fn batch(codec: Compression) -> RecordBatch {
        let header = Header {
            key: "name".into(),
            value: None,
        };
        let mut builder = BatchBuilder::new().compression(codec);
        for n in 0..500_i64 {
            let key = (n % 3 > 0).then_some(b"key".as_slice());
            let value = vec![n as u8; (n * n % 700) as usize];
            let headers = std::slice::from_ref(&header);
            builder.append(1_000 - n, key, Some(&value), headers);
        }
        RecordBatch::parse(&builder.build(0)).unwrap()
    }

    #[test]
    fn outlines_say_what_the_records_say() {
        for codec in Compression::ALL {
            let batch = batch(codec);
            let mut outlines = Vec::new();
            batch
                .outlines(1 << 20, |outline| outlines.push(outline))
                .unwrap();
            let records = batch.records(1 << 20).unwrap().map(Result::unwrap);
            let expected: Vec<_> = (0..)
                .zip(records)
                .map(|(index, record)| RecordOutline {
                    index,
                    offset_delta: record.offset as i32,
                    timestamp: record.timestamp,
                    has_key: record.key.is_some(),
                })
                .collect();
            assert_eq!(outlines, expected, "{codec}");
        }
    }

    #[test]
    fn no_more_is_unpacked_than_allowed() {
        for codec in Compression::ALL.into_iter().skip(1) {
            let result = batch(codec).outlines(10_000, |_| {});
            let too_large = matches!(result, Err(RecordError::TooLarge { limit: 10_000, .. }));
            assert!(too_large, "{codec}: {result:?}");
        }
    }

    #[test]
    fn what_the_reading_walk_refuses_this_one_refuses_too() {
        let batch = batch(Compression::None);
        for at in HEADER_SIZE..HEADER_SIZE + 400 {
            for bit in 0..8 {
                let mut bytes = batch.bytes.to_vec();
                bytes[at] ^= 1 << bit;
                let changed = RecordBatch::parse(&bytes.into()).unwrap();
                let read = changed
                    .records(1 << 20)
                    .unwrap()
                    .all(|record| record.is_ok());
                let walked = changed.outlines(1 << 20, |_| {}).is_ok();
                // A negative offset is left to the caller, who compares it with the record's position.
                assert!(read <= walked, "byte {at} bit {bit}");
            }
        }
        let mut short = batch.bytes.to_vec();
        short[60] = short[60].wrapping_sub(1);
        let short = RecordBatch::parse(&short.into()).unwrap();
        assert!(short.outlines(1 << 20, |_| {}).is_err());
    }
}
