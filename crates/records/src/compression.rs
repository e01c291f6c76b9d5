//! The four codecs of Kafka, in the framings its clients use.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use crate::RecordError;

/// How snappy-java, and with it every Java client, opens a stream of blocks: magic, version 1, compatible with 1.
const XERIAL_HEADER: [u8; 16] = [
    0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
];
/// Bytes of the magic alone: the versions behind it are not looked at when reading.
const XERIAL_MAGIC: usize = 8;
/// snappy-java's own block size.
const XERIAL_BLOCK: usize = 32 * 1024;

/// Codec of a batch's records; the discriminant is the one in the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// Raw Snappy or blocks in snappy-java's framing.
    Snappy = 2,
    /// The LZ4 frame format.
    Lz4 = 3,
    /// RFC 8878 (KIP-110).
    Zstd = 4,
}

/// How hard each codec tries, as in Kafka's `compression.<codec>.level` (KIP-390). Snappy has no levels, and neither
/// has this project's LZ4, which compresses as Kafka's does at its lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionLevels {
    /// 1 to 9, or -1 for the codec's own default.
    pub gzip: i32,
    /// -131072 to 22.
    pub zstd: i32,
}

impl Default for CompressionLevels {
    fn default() -> Self {
        Self {
            gzip: -1,
            zstd: zstd::DEFAULT_COMPRESSION_LEVEL,
        }
    }
}

impl Compression {
    /// All codecs, in the order of their ids.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec's id in the attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec of that id.
    ///
    /// # Errors
    /// `UnknownCompression` above 4.
    pub fn from_id(id: u8) -> Result<Self, RecordError> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.id() == id)
            .ok_or(RecordError::UnknownCompression(id))
    }

    /// Kafka's name for it, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Compresses `payload` at the level given for the codec.
    pub fn compress(self, payload: &[u8], levels: CompressionLevels) -> Vec<u8> {
        let compressed = match self {
            Self::None => Ok(payload.to_vec()),
            Self::Gzip => gzip(payload, levels.gzip),
            Self::Snappy => snappy_blocks(payload),
            Self::Lz4 => lz4_frame(payload),
            Self::Zstd => zstd::bulk::compress(payload, levels.zstd),
        };
        compressed.expect("compressing from memory to memory cannot fail")
    }

    /// Decompresses `payload` into at most `limit` bytes; memory grows only as data comes out of the codec.
    ///
    /// # Errors
    /// `Decompression` for damaged input, `TooLarge` beyond the limit.
    pub fn decompress(self, payload: &[u8], limit: usize) -> Result<Vec<u8>, RecordError> {
        match self {
            Self::None => self.read_bounded(payload, limit),
            Self::Gzip => self.read_bounded(flate2::read::MultiGzDecoder::new(payload), limit),
            Self::Snappy if payload.starts_with(XERIAL_HEADER.split_at(XERIAL_MAGIC).0) => {
                self.read_snappy_blocks(payload, limit)
            }
            Self::Snappy => {
                let mut out = Vec::new();
                self.read_snappy_block(payload, limit, &mut out)?;
                Ok(out)
            }
            Self::Lz4 => self.read_bounded(lz4_flex::frame::FrameDecoder::new(payload), limit),
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(payload)
                    .map_err(|error| self.failed(&error))?;
                self.read_bounded(decoder, limit)
            }
        }
    }

    fn read_bounded(self, source: impl Read, limit: usize) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::new();
        source
            .take(limit as u64 + 1)
            .read_to_end(&mut out)
            .map_err(|error| self.failed(&error))?;
        if out.len() > limit {
            return Err(RecordError::TooLarge { codec: self, limit });
        }
        Ok(out)
    }

    fn read_snappy_blocks(self, payload: &[u8], limit: usize) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::new();
        let mut rest = payload
            .get(XERIAL_HEADER.len()..)
            .ok_or_else(|| self.failed(&"framing cut short"))?;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (block, after) = after
                .split_at_checked(length)
                .ok_or_else(|| self.failed(&"a block reaches beyond the batch"))?;
            self.read_snappy_block(block, limit, &mut out)?;
            rest = after;
        }
        if rest.is_empty() {
            Ok(out)
        } else {
            Err(self.failed(&"bytes left over behind the last block"))
        }
    }

    fn read_snappy_block(
        self,
        block: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        // The length is the block's own claim: it is held against the limit before memory is given to it.
        let length = snap::raw::decompress_len(block).map_err(|error| self.failed(&error))?;
        if length > limit.saturating_sub(out.len()) {
            return Err(RecordError::TooLarge { codec: self, limit });
        }
        let decoded = snap::raw::Decoder::new()
            .decompress_vec(block)
            .map_err(|error| self.failed(&error))?;
        out.extend_from_slice(&decoded);
        Ok(())
    }

    fn failed(self, reason: &dyn fmt::Display) -> RecordError {
        RecordError::Decompression {
            codec: self,
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name() == name)
            .ok_or_else(|| {
                format!("unknown compression `{name}`: one of none, gzip, snappy, lz4, zstd")
            })
    }
}

fn gzip(payload: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = u32::try_from(level).map_or(flate2::Compression::default(), |level| {
        flate2::Compression::new(level.min(9))
    });
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(payload)?;
    encoder.finish()
}

fn snappy_blocks(payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in payload.chunks(XERIAL_BLOCK) {
        let block = encoder.compress_vec(block)?;
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(out)
}

fn lz4_frame(payload: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(payload)?;
    Ok(encoder.finish()?)
}
