//! The unit of durability: entries that were written and synced together.

use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes};

use super::entry::{Change, Entry};

/// Commits begin at multiples of this, so that writing one touches no block of the one before.
pub(crate) const BLOCK: u64 = 4096;
const MAGIC: [u8; 8] = *b"HWCOMMIT";
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
/// Where what the CRC covers begins.
const CRC_FROM: usize = 12;
/// Batches below this are copied next to their entry's head; larger ones are written from where they are.
const COPY_BELOW: usize = 4096;

/// Where in the chain of commits a commit stands. Nobody can write one that fits without knowing the incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Drawn at random at each start.
    pub(crate) incarnation: u128,
    /// Counts commits from 1 within an incarnation.
    pub(crate) sequence: u64,
    /// CRC of the commit before, 0 for the first.
    pub(crate) previous_crc: u32,
}

impl Chain {
    /// The place after a commit with this CRC.
    pub(crate) fn after(self, crc: u32) -> Self {
        Self {
            sequence: self.sequence + 1,
            previous_crc: crc,
            ..self
        }
    }
}

/// The head of a commit, all integers big-endian:
///
/// ```text
///  0 magic         8 bytes  "HWCOMMIT"
///  8 crc           u32      CRC-32C of all from 12 to the end of the entries
/// 12 previous_crc  u32      of the commit before
/// 16 incarnation   u128
/// 32 sequence      u64
/// 40 length        u32      bytes of the entries
/// 44 count         u32      number of the entries
/// 48 entries
///    zeros to the next multiple of 4096
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommitHeader {
    pub(crate) crc: u32,
    pub(crate) chain: Chain,
    pub(crate) length: u32,
    pub(crate) count: u32,
}

impl CommitHeader {
    pub(crate) const SIZE: usize = 48;

    fn encode_covered(&self, out: &mut Vec<u8>) {
        out.put_u32(self.chain.previous_crc);
        out.put_u128(self.chain.incarnation);
        out.put_u64(self.chain.sequence);
        out.put_u32(self.length);
        out.put_u32(self.count);
    }

    /// Reads a head; `None` where there is none. What it says is not checked.
    pub(crate) fn decode(mut input: &[u8]) -> Option<Self> {
        let mut magic = [0; 8];
        input.try_copy_to_slice(&mut magic).ok()?;
        if magic != MAGIC {
            return None;
        }
        Some(Self {
            crc: input.try_get_u32().ok()?,
            chain: Chain {
                previous_crc: input.try_get_u32().ok()?,
                incarnation: input.try_get_u128().ok()?,
                sequence: input.try_get_u64().ok()?,
            },
            length: input.try_get_u32().ok()?,
            count: input.try_get_u32().ok()?,
        })
    }

    /// Bytes that the commit takes in its file.
    pub(crate) fn blocks_in_bytes(&self) -> u64 {
        padded(Self::SIZE + self.length as usize)
    }

    /// Whether `commit`, head and entries, has the CRC that the head says.
    pub(crate) fn matches(&self, commit: &[u8]) -> bool {
        commit
            .get(CRC_FROM..Self::SIZE + self.length as usize)
            .is_some_and(|covered| crc32c::crc32c(covered) == self.crc)
    }
}

/// `size` rounded up to whole blocks.
pub(crate) fn padded(size: usize) -> u64 {
    (size as u64).next_multiple_of(BLOCK)
}

/// A commit laid out for one vectored write, sharing the memory of large batches.
#[derive(Debug)]
pub(crate) struct Commit {
    parts: Vec<Bytes>,
    /// Its CRC, for the chain.
    pub(crate) crc: u32,
    /// Bytes with padding.
    pub(crate) size_in_bytes: u64,
}

impl Commit {
    /// Lays out `entries` as the commit at `chain`.
    pub(crate) fn lay_out<'a>(chain: Chain, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut parts = Vec::new();
        let mut buffer = Vec::new();
        let mut count = 0;
        for entry in entries {
            count += 1;
            entry.encode_head(&mut buffer);
            let Change::Append { batches, .. } = &entry.change else {
                continue;
            };
            for part in batches {
                if part.len() < COPY_BELOW {
                    buffer.extend_from_slice(part);
                } else {
                    parts.push(Bytes::from(std::mem::take(&mut buffer)));
                    parts.push(part.clone());
                }
            }
        }
        parts.push(Bytes::from(buffer));
        Self::seal(chain, count, parts)
    }

    fn seal(chain: Chain, count: u32, entries: Vec<Bytes>) -> Self {
        let length: usize = entries.iter().map(Bytes::len).sum();
        let mut header = CommitHeader {
            crc: 0,
            chain,
            length: length as u32,
            count,
        };
        let mut covered = Vec::with_capacity(CommitHeader::SIZE);
        header.encode_covered(&mut covered);
        header.crc = entries.iter().fold(crc32c::crc32c(&covered), |crc, part| {
            crc32c::crc32c_append(crc, part)
        });
        let mut head = Vec::with_capacity(CommitHeader::SIZE);
        head.put_slice(&MAGIC);
        head.put_u32(header.crc);
        head.put_slice(&covered);
        let size_in_bytes = header.blocks_in_bytes();
        let padding = size_in_bytes as usize - CommitHeader::SIZE - length;
        let mut parts = Vec::with_capacity(entries.len() + 2);
        parts.push(Bytes::from(head));
        parts.extend(entries.into_iter().filter(|part| !part.is_empty()));
        parts.push(Bytes::from_static(&ZEROS).slice(..padding));
        Self {
            parts,
            crc: header.crc,
            size_in_bytes,
        }
    }

    /// The bytes, in order.
    pub(crate) fn slices(&self) -> Vec<IoSlice<'_>> {
        self.parts.iter().map(|part| IoSlice::new(part)).collect()
    }
}

/// The entries of a commit. `None` where they are not what the head says, which a right CRC excludes.
pub(crate) fn decode_entries(header: &CommitHeader, commit: &Bytes) -> Option<Vec<Entry>> {
    let end = CommitHeader::SIZE + header.length as usize;
    if end > commit.len() {
        return None;
    }
    let mut input = commit.slice(CommitHeader::SIZE..end);
    let mut entries = Vec::new();
    for _ in 0..header.count {
        entries.push(Entry::decode(&mut input)?);
    }
    input.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartitionId;
    use crate::journal::entry::Place;
    use proptest::prelude::*;

    fn entry(partition: i32, bytes: Vec<u8>) -> Entry {
        Entry {
            partition: PartitionId {
                topic_id: [7; 16],
                partition,
            },
            change: Change::Append {
                place: Place {
                    base_offset: 3,
                    segment_base: 0,
                    position: 99,
                },
                batches: vec![Bytes::from(bytes)],
            },
        }
    }

    fn written(commit: &Commit) -> Bytes {
        let bytes: Vec<u8> = commit
            .slices()
            .iter()
            .flat_map(|part| part.to_vec())
            .collect();
        Bytes::from(bytes)
    }

    const CHAIN: Chain = Chain {
        incarnation: 0xfeed,
        sequence: 5,
        previous_crc: 77,
    };

    proptest! {
        #[test]
        fn commits_read_back(sizes in proptest::collection::vec(0_usize..10_000, 0..8)) {
            let entries: Vec<_> = sizes.iter().map(|size| entry(1, vec![9; *size])).collect();
            let commit = Commit::lay_out(CHAIN, entries.iter());
            let bytes = written(&commit);
            prop_assert_eq!(bytes.len() as u64, commit.size_in_bytes);
            prop_assert_eq!(bytes.len() % BLOCK as usize, 0);
            let header = CommitHeader::decode(&bytes).unwrap();
            prop_assert_eq!(header.chain, CHAIN);
            prop_assert!(header.matches(&bytes));
            prop_assert_eq!(decode_entries(&header, &bytes), Some(entries));
        }

        #[test]
        fn a_flipped_bit_is_noticed(at in 0_usize..148, bit in 0_u8..8) {
            let bytes = written(&Commit::lay_out(CHAIN, [entry(1, vec![1; 55])].iter()));
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1 << bit;
            let noticed = CommitHeader::decode(&bytes).is_none_or(|header| !header.matches(&bytes));
            prop_assert!(noticed);
        }
    }
}
