//! The journal's files, used in turn.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commit::{BLOCK, Chain};
use super::{JournalSizes, Position};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::{JournalStep, LogError};

const SUFFIX: &str = ".journal";
const UNFINISHED: &str = ".journal.tmp";
/// While commits go on, zeros are written and synced in pieces of this size. A sync takes all with it that waits for the
/// disk: were a file of 64 MiB synced at once, the commits of that time would wait for all of it.
const GROWTH_STEP_BYTES: usize = 256 << 10;
/// A new file has at most this many times the size of the largest before, so that the first steps are quick.
const GROWTH: u64 = 8;
/// Room that growing leaves for everything else.
const KEEP_FREE_BYTES: u64 = 256 << 20;

/// A file of the ring.
#[derive(Debug, Clone)]
pub(crate) struct RingFile {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) size: u64,
    /// What the last commit in it made durable; free once that is checkpointed.
    last_position: Position,
    /// The checkpoint names it, so that its loss is noticed: before that nothing is written into it.
    named: bool,
}

/// A file as the checkpoint names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JournalFile {
    pub(crate) number: u32,
    pub(crate) size: u64,
}

/// Where the next commit goes, and with what in its header.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) offset: u64,
    /// Bytes from `offset` to the end of the file.
    pub(crate) room: u64,
    /// Size of the file.
    pub(crate) file_size: u64,
    pub(crate) chain: Chain,
}

/// Where recovery begins to read: kept in the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestartPoint {
    pub(crate) file_number: u32,
    pub(crate) offset: u64,
    pub(crate) chain: Chain,
}

/// Files of fixed size, filled with zeros ahead of time so that a commit changes no metadata.
#[derive(Debug)]
pub(crate) struct Ring {
    dir: PathBuf,
    files: Vec<RingFile>,
    /// Number of the file in use.
    current: u32,
    offset: u64,
    chain: Chain,
    checkpointed: Position,
    /// Files too small for a commit, which only damage makes. They may be needed until the next checkpoint.
    unusable: Vec<PathBuf>,
}

impl Ring {
    /// Opens the files of `dir`, none of which holds anything needed once the next checkpoint is written, and makes
    /// those that are missing. Nothing is written into a file that was there before that checkpoint.
    pub(crate) fn begin(
        disk: &dyn Disk,
        dir: &Path,
        sizes: &JournalSizes,
        incarnation: u128,
    ) -> Result<Self, LogError> {
        let smallest = sizes.initial_file_bytes.min(sizes.file_bytes);
        let smallest = smallest.next_multiple_of(BLOCK).max(BLOCK);
        let found = open_files(disk, dir)?;
        // A process that was killed may have left a name that is not durable yet; the checkpoint relies on it.
        disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        let mut number = found.iter().map(|file| file.number + 1).max().unwrap_or(0);
        let (mut files, unusable): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|file| file.size >= smallest);
        while files.len() < sizes.initial_files.max(1) {
            let size = sizes.initial_file_bytes;
            files.push(make_file(disk, dir, number, size, Filling::AtOnce)?);
            number += 1;
        }
        let current = files.iter().max_by_key(|file| file.size);
        let current = current.map_or(0, |file| file.number);
        Ok(Self {
            dir: dir.to_path_buf(),
            files,
            current,
            offset: 0,
            chain: Chain {
                incarnation,
                sequence: 1,
                previous_crc: 0,
            },
            checkpointed: Position::ZERO,
            unusable: unusable.into_iter().map(|file| file.path).collect(),
        })
    }

    /// The files too small to be used.
    pub(crate) fn take_unusable(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.unusable)
    }

    /// All files, for the checkpoint.
    pub(crate) fn list(&self) -> Vec<JournalFile> {
        let files = self.files.iter();
        files
            .map(|file| JournalFile {
                number: file.number,
                size: file.size,
            })
            .collect()
    }

    /// Where the next commit begins if it fits.
    pub(crate) fn slot(&self) -> Slot {
        let file = self.current_file();
        Slot {
            path: file.path.clone(),
            file: Arc::clone(&file.file),
            offset: self.offset,
            room: file.size - self.offset,
            file_size: file.size,
            chain: self.chain,
        }
    }

    /// Goes on to a free file, the largest there is. False if all are needed still.
    pub(crate) fn turn(&mut self) -> bool {
        let free = self
            .files
            .iter()
            .filter(|file| file.named && file.last_position <= self.checkpointed)
            .filter(|file| file.number != self.current || self.offset > 0)
            .max_by_key(|file| (file.size, std::cmp::Reverse(file.last_position)));
        let Some(number) = free.map(|file| file.number) else {
            return false;
        };
        self.current = number;
        self.offset = 0;
        true
    }

    /// Notes that a commit of `size` bytes, ending at `position`, is durable at the slot.
    pub(crate) fn advance(&mut self, size: u64, crc: u32, position: Position) {
        assert_eq!(size % BLOCK, 0, "commits are whole blocks");
        self.offset += size;
        self.chain = self.chain.after(crc);
        let current = self.current;
        let file = self.files.iter_mut().find(|file| file.number == current);
        let file = file.expect("the current file stays in the ring");
        assert!(self.offset <= file.size, "a commit fits in its file");
        file.last_position = position;
    }

    /// Where recovery has to begin once everything so far is checkpointed.
    pub(crate) fn restart_point(&self) -> RestartPoint {
        RestartPoint {
            file_number: self.current,
            offset: self.offset,
            chain: self.chain,
        }
    }

    /// Everything up to `position` is in the checkpoint: files that hold nothing later are free, if it names them.
    pub(crate) fn release(&mut self, position: Position, named: &[JournalFile]) {
        self.checkpointed = self.checkpointed.max(position);
        for file in &mut self.files {
            file.named |= named.iter().any(|named| named.number == file.number);
        }
    }

    /// Number and size for the next file, if the ring has not its full size.
    pub(crate) fn next_growth(&self, sizes: &JournalSizes) -> Option<(u32, u64)> {
        let full = sizes.file_bytes.next_multiple_of(BLOCK);
        let large = self.files.iter().filter(|file| file.size >= full).count();
        if large >= sizes.files {
            return None;
        }
        let largest = self
            .files
            .iter()
            .map(|file| file.size)
            .max()
            .unwrap_or(full);
        let number = self
            .files
            .iter()
            .map(|file| file.number + 1)
            .max()
            .unwrap_or(0);
        Some((number, full.min(largest.saturating_mul(GROWTH))))
    }

    /// Takes in a file made by [`make_file`].
    pub(crate) fn add(&mut self, file: RingFile) {
        self.files.push(file);
    }

    /// Takes out a file that is free and smaller than the full size, once there are enough of that.
    pub(crate) fn take_small(&mut self, sizes: &JournalSizes) -> Option<RingFile> {
        let full = sizes.file_bytes.next_multiple_of(BLOCK);
        let at = self.files.iter().position(|file| {
            file.size < full
                && file.number != self.current
                && file.last_position <= self.checkpointed
        })?;
        Some(self.files.swap_remove(at))
    }

    /// Whether only files of the full size are left.
    pub(crate) fn is_full_size(&self, sizes: &JournalSizes) -> bool {
        let full = sizes.file_bytes.next_multiple_of(BLOCK);
        self.next_growth(sizes).is_none() && self.files.iter().all(|file| file.size >= full)
    }

    fn current_file(&self) -> &RingFile {
        self.files
            .iter()
            .find(|file| file.number == self.current)
            .expect("the current file stays in the ring")
    }
}

/// Where the file of that number is.
pub(crate) fn file_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}{SUFFIX}"))
}

/// How a new file comes to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// With one sync: nothing else goes on.
    AtOnce,
    /// With many syncs, each of them short: commits go on in between.
    InSteps,
}

/// Makes a file full of zeros and gives it its name only once it is complete and durable.
pub(crate) fn make_file(
    disk: &dyn Disk,
    dir: &Path,
    number: u32,
    size: u64,
    filling: Filling,
) -> Result<RingFile, LogError> {
    let size = size.next_multiple_of(BLOCK);
    let unfinished = dir.join(format!("{number:010}{UNFINISHED}"));
    let path = file_path(dir, number);
    let file = disk
        .open(&unfinished, OpenMode::Truncated)
        .map_err(LogError::io("create", &unfinished))?;
    let zeros = vec![0; GROWTH_STEP_BYTES.min(size as usize)];
    let mut filled = 0;
    while filled < size {
        if filled > 0 && filling == Filling::InSteps {
            file.sync().map_err(LogError::io("sync", &unfinished))?;
        }
        let piece = zeros.len().min((size - filled) as usize);
        let piece = zeros.get(..piece).unwrap_or_default();
        file.write_at(&[IoSlice::new(piece)], filled)
            .map_err(LogError::io("write", &unfinished))?;
        filled += piece.len() as u64;
    }
    file.sync().map_err(LogError::io("sync", &unfinished))?;
    disk.rename(&unfinished, &path)
        .map_err(LogError::io("rename", &unfinished))?;
    disk.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    Ok(RingFile {
        number,
        path,
        file,
        size,
        last_position: Position::ZERO,
        named: false,
    })
}

/// Opens what is there, ordered by number; files that were never finished are removed.
pub(crate) fn open_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<RingFile>, LogError> {
    let mut files = Vec::new();
    for name in disk.list(dir).map_err(LogError::io("list", dir))? {
        let path = dir.join(&name);
        if name.ends_with(UNFINISHED) {
            disk.remove_file(&path)
                .map_err(LogError::io("remove", &path))?;
            continue;
        }
        let number = name
            .strip_suffix(SUFFIX)
            .and_then(|number| number.parse().ok());
        let Some(number) = number else { continue };
        let file = disk
            .open(&path, OpenMode::Existing)
            .map_err(LogError::io("open", &path))?;
        let size = file.len().map_err(LogError::io("stat", &path))?;
        files.push(RingFile {
            number,
            path,
            file,
            size: size - size % BLOCK,
            last_position: Position::ZERO,
            named: false,
        });
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Whether there is room on the disk for a file of this size.
pub(crate) fn may_grow(disk: &dyn Disk, dir: &Path, size: u64) -> Result<bool, LogError> {
    let free = disk.free_bytes(dir).map_err(LogError::io("stat", dir))?;
    Ok(free >= size.saturating_add(KEEP_FREE_BYTES))
}

impl Ring {
    /// The directory of the files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether growing is over.
    pub(crate) fn step(&self, sizes: &JournalSizes) -> JournalStep {
        if self.is_full_size(sizes) {
            JournalStep::Done
        } else {
            JournalStep::More
        }
    }
}
