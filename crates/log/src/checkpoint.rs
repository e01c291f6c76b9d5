//! The checkpoint: up to where each partition is in its synced segments, so that recovery starts there and the journal
//! before it may be overwritten.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use bytes::{Buf, BufMut, Bytes};

use crate::disk::{Disk, OpenMode};
use crate::journal::{Chain, Durability, JournalFile, Place, RestartPoint};
use crate::{LogError, PartitionId};

const MAGIC: [u8; 8] = *b"HWCKPOIN";
const VERSION: u32 = 1;
const NO_SNAPSHOT: i64 = -1;

/// One partition in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionCheckpoint {
    pub(crate) id: PartitionId,
    pub(crate) log_start: i64,
    /// Recovery point: everything before is in synced segments. Never above the high watermark.
    pub(crate) recovery_point: Place,
    /// Offset in the name of the producer snapshot, which holds for the recovery point.
    pub(crate) snapshot: Option<i64>,
}

/// How the program that wrote the checkpoint went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// It kept running: there may be more in the journal or in the segments.
    Running,
    /// It ended: there is nothing else.
    Clean,
}

/// The file `checkpoint`, all integers big-endian. It is replaced as a whole by renaming.
///
/// ```text
///  0 magic          8 bytes  "HWCKPOIN"
///  8 version        u32      1
/// 12 shutdown       u8       0 running, 1 clean
/// 13 durability     u8       0 relaxed, 1 fsync: how to read what was written after this checkpoint
/// 14 incarnation    u128     of the journal
/// 30 sequence       u64      of the first commit needed
/// 38 previous_crc   u32      of the commit before it
/// 42 file_number    u32      where it is, unless it went to the beginning of another file
/// 46 offset         u64
/// 54 count          u32      partitions
///    topic_id 16 bytes, partition i32, log_start i64, recovery point: offset i64, segment_base i64, position u32,
///    snapshot i64 (-1: none)
///    files          u32      of the journal; all of them must be there after a crash
///    number u32, size u64
///    crc            u32      CRC-32C of all before
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) shutdown: Shutdown,
    pub(crate) durability: Durability,
    pub(crate) restart: RestartPoint,
    /// None where a version before this list wrote the checkpoint, and in relaxed mode.
    pub(crate) journal_files: Vec<JournalFile>,
    pub(crate) partitions: Vec<PartitionCheckpoint>,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.partitions.len() * 56);
        out.put_slice(&MAGIC);
        out.put_u32(VERSION);
        out.put_u8(u8::from(self.shutdown == Shutdown::Clean));
        out.put_u8(u8::from(self.durability == Durability::Fsync));
        out.put_u128(self.restart.chain.incarnation);
        out.put_u64(self.restart.chain.sequence);
        out.put_u32(self.restart.chain.previous_crc);
        out.put_u32(self.restart.file_number);
        out.put_u64(self.restart.offset);
        out.put_u32(self.partitions.len() as u32);
        for partition in &self.partitions {
            out.put_slice(&partition.id.topic_id);
            out.put_i32(partition.id.partition);
            out.put_i64(partition.log_start);
            out.put_i64(partition.recovery_point.base_offset);
            out.put_i64(partition.recovery_point.segment_base);
            out.put_u32(partition.recovery_point.position);
            out.put_i64(partition.snapshot.unwrap_or(NO_SNAPSHOT));
        }
        out.put_u32(self.journal_files.len() as u32);
        for file in &self.journal_files {
            out.put_u32(file.number);
            out.put_u64(file.size);
        }
        let crc = crc32c::crc32c(&out);
        out.put_u32(crc);
        out
    }

    /// `None` where the bytes are damaged; the version if it is not known.
    fn decode(bytes: &[u8]) -> Result<Option<Self>, u32> {
        let Some((covered, crc)) = bytes.split_last_chunk::<4>() else {
            return Ok(None);
        };
        if crc32c::crc32c(covered) != u32::from_be_bytes(*crc) {
            return Ok(None);
        }
        let mut input = Bytes::copy_from_slice(covered);
        let mut magic = [0; 8];
        if input.try_copy_to_slice(&mut magic).is_err() || magic != MAGIC {
            return Ok(None);
        }
        match input.try_get_u32() {
            Ok(VERSION) => Ok(Self::decode_body(input)),
            Ok(version) => Err(version),
            Err(_) => Ok(None),
        }
    }

    fn decode_body(mut input: Bytes) -> Option<Self> {
        let shutdown = match input.try_get_u8().ok()? {
            0 => Shutdown::Running,
            _ => Shutdown::Clean,
        };
        let durability = match input.try_get_u8().ok()? {
            0 => Durability::Relaxed,
            _ => Durability::Fsync,
        };
        let chain = Chain {
            incarnation: input.try_get_u128().ok()?,
            sequence: input.try_get_u64().ok()?,
            previous_crc: input.try_get_u32().ok()?,
        };
        let restart = RestartPoint {
            chain,
            file_number: input.try_get_u32().ok()?,
            offset: input.try_get_u64().ok()?,
        };
        let mut partitions = Vec::new();
        for _ in 0..input.try_get_u32().ok()? {
            partitions.push(decode_partition(&mut input)?);
        }
        let mut journal_files = Vec::new();
        for _ in 0..input.try_get_u32().unwrap_or(0) {
            journal_files.push(JournalFile {
                number: input.try_get_u32().ok()?,
                size: input.try_get_u64().ok()?,
            });
        }
        Some(Self {
            shutdown,
            durability,
            restart,
            journal_files,
            partitions,
        })
    }

    /// Reads the checkpoint of a log directory; `None` if there is none yet.
    pub(crate) fn read(disk: &dyn Disk, root: &Path) -> Result<Option<Self>, LogError> {
        let path = path(root);
        let Some(bytes) = read_small_file(disk, &path)? else {
            return Ok(None);
        };
        match Self::decode(&bytes) {
            Ok(Some(checkpoint)) => Ok(Some(checkpoint)),
            Ok(None) => Err(LogError::corrupt(&path, 0, "the checkpoint is damaged")),
            Err(found) => Err(LogError::UnsupportedFormat {
                path,
                found,
                supported: VERSION,
            }),
        }
    }

    /// Replaces the checkpoint; it is durable on return.
    pub(crate) fn write(&self, disk: &dyn Disk, root: &Path) -> Result<(), LogError> {
        replace_file(disk, &path(root), &self.encode())
    }
}

fn decode_partition(input: &mut Bytes) -> Option<PartitionCheckpoint> {
    let mut topic_id = [0; 16];
    input.try_copy_to_slice(&mut topic_id).ok()?;
    Some(PartitionCheckpoint {
        id: PartitionId {
            topic_id,
            partition: input.try_get_i32().ok()?,
        },
        log_start: input.try_get_i64().ok()?,
        recovery_point: Place {
            base_offset: input.try_get_i64().ok()?,
            segment_base: input.try_get_i64().ok()?,
            position: input.try_get_u32().ok()?,
        },
        snapshot: Some(input.try_get_i64().ok()?).filter(|offset| *offset != NO_SNAPSHOT),
    })
}

fn path(root: &Path) -> PathBuf {
    root.join("checkpoint")
}

/// Replaces a small file as a whole: written beside it, synced, renamed, directory synced.
pub(crate) fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    write_beside(disk, path, bytes)?;
    rename_into_place(disk, path)?;
    let dir = path.parent().unwrap_or(Path::new("."));
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))
}

/// The first step: the file is written beside the one it is to replace.
pub(crate) fn write_beside(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let unfinished = unfinished(path);
    let file = disk
        .open(&unfinished, OpenMode::Truncated)
        .map_err(LogError::io("create", &unfinished))?;
    file.write_at(&[IoSlice::new(bytes)], 0)
        .map_err(LogError::io("write", &unfinished))
}

/// The second step: it is synced and renamed. The directory is left to the caller, who may have several such files.
pub(crate) fn rename_into_place(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let unfinished = unfinished(path);
    sync_file(disk, &unfinished)?;
    disk.rename(&unfinished, path)
        .map_err(LogError::io("rename", &unfinished))
}

/// Syncs a file by its name.
pub(crate) fn sync_file(disk: &dyn Disk, path: &Path) -> Result<(), LogError> {
    let file = disk
        .open(path, OpenMode::Existing)
        .map_err(LogError::io("open", path))?;
    file.sync().map_err(LogError::io("sync", path))
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("tmp")
}

/// Reads a file that fits in memory; `None` if it is not there.
pub(crate) fn read_small_file(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, LogError> {
    let file = match disk.open(path, OpenMode::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("open", path)(error)),
    };
    let length = file.len().map_err(LogError::io("stat", path))?;
    let mut bytes = vec![0; length as usize];
    let read = file
        .read_at(&mut bytes, 0)
        .map_err(LogError::io("read", path))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places() -> impl Strategy<Value = Place> {
        (any::<i64>(), any::<i64>(), any::<u32>()).prop_map(
            |(base_offset, segment_base, position)| Place {
                base_offset,
                segment_base,
                position,
            },
        )
    }

    fn partitions() -> impl Strategy<Value = PartitionCheckpoint> {
        let id = (any::<[u8; 16]>(), any::<i32>());
        (
            id,
            any::<i64>(),
            places(),
            proptest::option::of(0..i64::MAX),
        )
            .prop_map(
                |((topic_id, partition), log_start, recovery_point, snapshot)| {
                    PartitionCheckpoint {
                        id: PartitionId {
                            topic_id,
                            partition,
                        },
                        log_start,
                        recovery_point,
                        snapshot,
                    }
                },
            )
    }

    fn checkpoints() -> impl Strategy<Value = Checkpoint> {
        let partitions = proptest::collection::vec(partitions(), 0..5);
        let files = (any::<u32>(), any::<u64>());
        let files = files.prop_map(|(number, size)| JournalFile { number, size });
        (
            any::<[bool; 2]>(),
            any::<(u128, u64, u32, u32, u64)>(),
            partitions,
            proptest::collection::vec(files, 0..4),
        )
            .prop_map(
                |(
                    [clean, fsync],
                    (incarnation, sequence, previous_crc, file_number, offset),
                    partitions,
                    journal_files,
                )| {
                    Checkpoint {
                        shutdown: if clean {
                            Shutdown::Clean
                        } else {
                            Shutdown::Running
                        },
                        durability: if fsync {
                            Durability::Fsync
                        } else {
                            Durability::Relaxed
                        },
                        restart: RestartPoint {
                            file_number,
                            offset,
                            chain: Chain {
                                incarnation,
                                sequence,
                                previous_crc,
                            },
                        },
                        journal_files,
                        partitions,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn checkpoints_read_back(checkpoint in checkpoints()) {
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Ok(Some(checkpoint)));
        }

        #[test]
        fn a_flipped_bit_is_noticed(checkpoint in checkpoints(), at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = checkpoint.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Checkpoint::decode(&bytes), Ok(None));
        }
    }
}
