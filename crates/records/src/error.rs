//! What can be wrong with the bytes of a batch.

use crate::Compression;

/// Why bytes are not a record batch of format v2, or not one that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the batch does: a torn write, or a fetch cut off at its limit.
    #[error("record batch is cut short: {needed} bytes needed, {available} there")]
    Truncated {
        /// Bytes that the batch says it has.
        needed: usize,
        /// Bytes that there are.
        available: usize,
    },
    /// The length field cannot be that of a batch.
    #[error("record batch at offset {base_offset} has the impossible length {length}")]
    BadLength {
        /// Base offset as found.
        base_offset: i64,
        /// Length field as found.
        length: i32,
    },
    /// Format v0 or v1, which Kafka 4 no longer accepts, or none at all.
    #[error("record batch has magic {0}: only format 2 is supported (producers since Kafka 0.11)")]
    UnsupportedMagic(i8),
    /// The checksum does not match: the bytes were changed or damaged on their way.
    #[error(
        "record batch at offset {base_offset} has CRC {computed:#010x}, its header says {expected:#010x}"
    )]
    BadCrc {
        /// Base offset as found.
        base_offset: i64,
        /// CRC in the header.
        expected: u32,
        /// CRC of the bytes.
        computed: u32,
    },
    /// Attribute bits 0 to 2 name no codec.
    #[error("unknown compression codec {0}: Kafka knows 0 (none) to 4 (zstd)")]
    UnknownCompression(u8),
    /// The compressed payload could not be read.
    #[error("records could not be decompressed with {codec}: {reason}")]
    Decompression {
        /// Codec named in the attributes.
        codec: Compression,
        /// The codec's own words.
        reason: String,
    },
    /// The records would not fit in the memory allowed for them.
    #[error("records are larger than {limit} bytes when decompressed with {codec}")]
    TooLarge {
        /// Codec named in the attributes.
        codec: Compression,
        /// Limit in bytes that was passed in.
        limit: usize,
    },
    /// A record's own fields contradict each other or the batch.
    #[error("record {index} of the batch is malformed: {reason}")]
    MalformedRecord {
        /// Position in the batch, from 0.
        index: i32,
        /// What is wrong.
        reason: &'static str,
    },
}
