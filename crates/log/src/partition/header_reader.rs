//! Walking the batch headers of a segment file.

use std::path::Path;

use bytes::Bytes;
use headwater_records::{BatchHeader, HEADER_SIZE};

use super::segment::SegmentFile;
use crate::LogError;
use crate::disk::DiskFile;

/// Read ahead in pieces of this size: what lies between two index entries, and a little more.
const BLOCK_BYTES: usize = 8 * 1024;

/// Whether offsets may be missing between the batches of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offsets {
    /// Each batch begins where the one before ends.
    Contiguous,
    /// The cleaner has taken batches out: each begins at the end of the one before or later.
    WithGaps,
}

impl Offsets {
    /// Whether a batch with base offset `found` may follow where the one before ends at `expected`.
    pub(crate) fn admit(self, found: i64, expected: i64) -> bool {
        match self {
            Self::Contiguous => found == expected,
            Self::WithGaps => found >= expected,
        }
    }
}

/// Reads header after header, skipping the records.
#[derive(Debug)]
pub(crate) struct HeaderReader<'a> {
    source: &'a SegmentFile,
    position: u64,
    end: u64,
    /// Base offset that the next batch must have, or at least where the cleaner was.
    next_offset: Option<i64>,
    block: Vec<u8>,
    block_at: u64,
}

/// A header and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    pub(crate) header: BatchHeader,
    pub(crate) position: u64,
}

impl Located {
    /// Position behind the batch.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.header.size_in_bytes() as u64
    }

    /// Reads the whole batch.
    pub(crate) fn read(&self, file: &dyn DiskFile, path: &Path) -> Result<Bytes, LogError> {
        read_exactly(file, path, self.position, self.header.size_in_bytes())
    }
}

impl<'a> HeaderReader<'a> {
    /// A walk from a batch at `position`, whose base offset is `next_offset` if that is known, to the batch that ends
    /// at `end`.
    pub(crate) fn new(
        source: &'a SegmentFile,
        position: u64,
        end: u64,
        next_offset: Option<i64>,
    ) -> Self {
        Self {
            source,
            position,
            end,
            next_offset,
            block: Vec::new(),
            block_at: 0,
        }
    }

    /// The next header; `None` at the end. What is not a batch there, has another offset than its place says, or
    /// reaches beyond the end, is an error.
    pub(crate) fn next(&mut self) -> Result<Option<Located>, LogError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let position = self.position;
        let path = &self.source.path;
        let header = BatchHeader::parse(self.header_bytes()?)
            .map_err(|error| LogError::corrupt(path, position, error.to_string()))?;
        let located = Located { header, position };
        if located.end() > self.end {
            let reason = "a batch reaches beyond the end of the segment";
            return Err(LogError::corrupt(path, position, reason));
        }
        let found = header.base_offset;
        let offsets = self.source.offsets;
        if let Some(expected) = self.next_offset.filter(|next| !offsets.admit(found, *next)) {
            return Err(misplaced(path, position, found, expected));
        }
        self.position = located.end();
        self.next_offset = Some(header.next_offset());
        Ok(Some(located))
    }

    fn header_bytes(&mut self) -> Result<&[u8], LogError> {
        let offset = self.position.wrapping_sub(self.block_at) as usize;
        let cached = self.position >= self.block_at && offset + HEADER_SIZE <= self.block.len();
        if !cached {
            let wanted = BLOCK_BYTES.min((self.end - self.position) as usize);
            self.block.resize(wanted, 0);
            let source = self.source;
            let read = source
                .file
                .read_at(&mut self.block, self.position)
                .map_err(LogError::io("read", &source.path))?;
            self.block.truncate(read);
            self.block_at = self.position;
        }
        let offset = (self.position - self.block_at) as usize;
        let end = self.block.len().min(offset + HEADER_SIZE);
        Ok(self.block.get(offset..end).unwrap_or_default())
    }
}

/// A batch with an offset that does not belong where it lies.
pub(crate) fn misplaced(path: &Path, position: u64, found: i64, expected: i64) -> LogError {
    let reason =
        format!("the batch here has base offset {found}, the one before ends at {expected}");
    LogError::corrupt(path, position, reason)
}

/// Reads `length` bytes, all of which must be there.
pub(crate) fn read_exactly(
    file: &dyn DiskFile,
    path: &Path,
    position: u64,
    length: usize,
) -> Result<Bytes, LogError> {
    let mut bytes = vec![0; length];
    let read = file
        .read_at(&mut bytes, position)
        .map_err(LogError::io("read", path))?;
    if read < length {
        return Err(LogError::corrupt(
            path,
            position + read as u64,
            "the segment is shorter than it was",
        ));
    }
    Ok(Bytes::from(bytes))
}
