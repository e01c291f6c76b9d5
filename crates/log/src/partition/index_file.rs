//! What offset and time index have in common: entries of fixed size, sorted, searched on disk without loading them.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::header_reader::read_exactly;
use crate::LogError;
use crate::disk::{Disk, OpenMode};

/// Entries kept in memory before they are written: recovery makes them again, so they need not be on disk earlier.
/// They are also where readers of the tail find their place without touching the file.
const PENDING_ENTRIES: usize = 512;

/// An entry of `N` bytes with a key by which the file is sorted.
pub(crate) trait IndexEntry<const N: usize>: Copy + std::fmt::Debug {
    /// What entries are sorted by.
    type Key: PartialOrd;
    fn key(&self) -> Self::Key;
    /// Whether it may come behind `before`: both of its numbers are greater.
    fn follows(&self, before: &Self) -> bool;
    fn encode(&self) -> [u8; N];
    fn decode(bytes: [u8; N]) -> Self;
}

/// A sorted file of entries. It is opened for each use and not held open: segments are many, uses are few.
#[derive(Debug)]
pub(crate) struct IndexFile<E, const N: usize> {
    path: PathBuf,
    /// Entries in the file.
    flushed: usize,
    /// Whether there is a file: small segments have none until they are sealed.
    on_disk: bool,
    pending: Vec<E>,
    last: Option<E>,
}

impl<E: IndexEntry<N>, const N: usize> IndexFile<E, N> {
    /// The index of a new segment; the file is made at the first flush.
    pub(crate) fn empty(path: PathBuf) -> Self {
        Self {
            path,
            flushed: 0,
            on_disk: false,
            pending: Vec::new(),
            last: None,
        }
    }

    /// The index of a segment that is not written to any more. `None` if it cannot be a whole one.
    pub(crate) fn open_sealed(disk: &dyn Disk, path: PathBuf) -> Result<Option<Self>, LogError> {
        let Some(file) = open_existing(disk, &path)? else {
            return Ok(None);
        };
        let length = file.len().map_err(LogError::io("stat", &path))? as usize;
        if !length.is_multiple_of(N) {
            return Ok(None);
        }
        let mut index = Self::empty(path);
        index.flushed = length / N;
        index.on_disk = true;
        if let Some(last) = index.flushed.checked_sub(1) {
            index.last = Some(index.read_entry(file.as_ref(), last)?);
        }
        Ok(Some(index))
    }

    /// The longest sorted run of entries from the front of the file for which `keep` holds; the rest is forgotten,
    /// and overwritten as entries are pushed.
    pub(crate) fn open_prefix(
        disk: &dyn Disk,
        path: PathBuf,
        keep: impl Fn(&E) -> bool,
    ) -> Result<Self, LogError> {
        let mut index = Self::empty(path);
        let Some(file) = open_existing(disk, &index.path)? else {
            return Ok(index);
        };
        index.on_disk = true;
        let length = file.len().map_err(LogError::io("stat", &index.path))? as usize;
        let mut bytes = vec![0; length];
        file.read_at(&mut bytes, 0)
            .map_err(LogError::io("read", &index.path))?;
        for chunk in bytes.chunks_exact(N) {
            let entry = E::decode(chunk.try_into().unwrap_or([0; N]));
            let sorted = index.last.is_none_or(|last| entry.follows(&last));
            if !sorted || !keep(&entry) {
                break;
            }
            index.flushed += 1;
            index.last = Some(entry);
        }
        Ok(index)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the file has another name now.
    pub(crate) fn rename(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Entries in all.
    pub(crate) fn len(&self) -> usize {
        self.flushed + self.pending.len()
    }

    pub(crate) fn last(&self) -> Option<E> {
        self.last
    }

    /// Adds an entry with a greater key than any before.
    pub(crate) fn push(&mut self, entry: E) {
        debug_assert!(self.last.is_none_or(|last| entry.follows(&last)));
        self.pending.push(entry);
        self.last = Some(entry);
    }

    /// Entries that are not in the file yet.
    pub(crate) fn pending(&self) -> &[E] {
        &self.pending
    }

    /// The entries in the file.
    pub(crate) fn flushed(&self) -> Flushed {
        Flushed {
            path: self.path.clone(),
            entries: self.flushed,
        }
    }

    /// Cuts off entries of before a crash that were not pushed again. Whether the file changed.
    pub(crate) fn cut_behind(&mut self, disk: &dyn Disk) -> Result<bool, LogError> {
        let Some(file) = open_existing(disk, &self.path)? else {
            return Ok(false);
        };
        let length = file.len().map_err(LogError::io("stat", &self.path))?;
        self.on_disk = true;
        if length <= (self.flushed * N) as u64 {
            return Ok(false);
        }
        self.flush(disk)?;
        Ok(true)
    }

    /// Whether it should be flushed before more is pushed.
    pub(crate) fn is_pending_full(&self) -> bool {
        self.pending.len() >= PENDING_ENTRIES
    }

    /// Writes what is pending if there is anything; then there is a file to sync, whose path is returned.
    pub(crate) fn flush_pending(&mut self, disk: &dyn Disk) -> Result<Option<PathBuf>, LogError> {
        if !self.pending.is_empty() {
            self.flush(disk)?;
        }
        Ok(self.on_disk.then(|| self.path.clone()))
    }

    /// Writes what is pending; there is a file afterwards even if it is empty.
    pub(crate) fn flush(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        let file = disk
            .open(&self.path, OpenMode::OrCreate)
            .map_err(LogError::io("open", &self.path))?;
        let bytes: Vec<u8> = self.pending.iter().flat_map(IndexEntry::encode).collect();
        file.write_at(&[IoSlice::new(&bytes)], (self.flushed * N) as u64)
            .map_err(LogError::io("write", &self.path))?;
        // What lies behind is from before a crash.
        let length = ((self.flushed + self.pending.len()) * N) as u64;
        if file.len().map_err(LogError::io("stat", &self.path))? > length {
            file.set_len(length)
                .map_err(LogError::io("truncate", &self.path))?;
        }
        self.on_disk = true;
        self.flushed += self.pending.len();
        self.pending.clear();
        Ok(())
    }

    /// Finds the last entry whose key is at most `key`, in memory if it is there.
    pub(crate) fn lookup(&self, key: &E::Key) -> Lookup<E> {
        let after = self.pending.partition_point(|entry| entry.key() <= *key);
        if let Some(entry) = after.checked_sub(1).and_then(|at| self.pending.get(at)) {
            return Lookup::Found(*entry);
        }
        if self.flushed == 0 {
            return Lookup::Before;
        }
        Lookup::Search(Search {
            path: self.path.clone(),
            entries: self.flushed,
        })
    }

    fn read_entry(&self, file: &dyn crate::disk::DiskFile, at: usize) -> Result<E, LogError> {
        read_entry::<E, N>(file, &self.path, at)
    }
}

/// Where a lookup ended.
#[derive(Debug)]
pub(crate) enum Lookup<E> {
    /// In memory.
    Found(E),
    /// All keys are greater.
    Before,
    /// It takes a search in the file, for which no lock is needed.
    Search(Search),
}

/// Entries in a file. They never change, so they can be read while others are added.
#[derive(Debug)]
pub(crate) struct Flushed {
    path: PathBuf,
    entries: usize,
}

impl Flushed {
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// Number of the first entry whose key is at least `key`; that behind the last if there is none.
    pub(crate) fn first_at_least<E: IndexEntry<N>, const N: usize>(
        &self,
        disk: &dyn Disk,
        key: &E::Key,
    ) -> Result<usize, LogError> {
        let (mut low, mut high) = (0, self.entries);
        if high == 0 {
            return Ok(0);
        }
        let file = disk
            .open(&self.path, OpenMode::Existing)
            .map_err(LogError::io("open", &self.path))?;
        while low < high {
            let middle = usize::midpoint(low, high);
            let entry = read_entry::<E, N>(file.as_ref(), &self.path, middle)?;
            if entry.key() < *key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The entries from number `from` on, `count` at most. They must all be there.
    pub(crate) fn read<E: IndexEntry<N>, const N: usize>(
        &self,
        disk: &dyn Disk,
        from: usize,
        count: usize,
    ) -> Result<Vec<E>, LogError> {
        let count = count.min(self.entries.saturating_sub(from));
        let file = disk
            .open(&self.path, OpenMode::Existing)
            .map_err(LogError::io("open", &self.path))?;
        let position = (from * N) as u64;
        let bytes = read_exactly(file.as_ref(), &self.path, position, count * N)?;
        let entries = bytes.chunks_exact(N);
        Ok(entries
            .map(|chunk| E::decode(chunk.try_into().unwrap_or([0; N])))
            .collect())
    }
}

/// A search in the flushed entries. They never change, so it can run while others are added.
#[derive(Debug)]
pub(crate) struct Search {
    path: PathBuf,
    entries: usize,
}

impl Search {
    /// The last entry whose key is at most `key`.
    pub(crate) fn run<E: IndexEntry<N>, const N: usize>(
        &self,
        disk: &dyn Disk,
        key: &E::Key,
    ) -> Result<Option<E>, LogError> {
        let file = disk
            .open(&self.path, OpenMode::Existing)
            .map_err(LogError::io("open", &self.path))?;
        let (mut low, mut high) = (0, self.entries);
        let mut found = None;
        while low < high {
            let middle = usize::midpoint(low, high);
            let entry = read_entry::<E, N>(file.as_ref(), &self.path, middle)?;
            if entry.key() <= *key {
                found = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }
}

fn read_entry<E: IndexEntry<N>, const N: usize>(
    file: &dyn crate::disk::DiskFile,
    path: &Path,
    at: usize,
) -> Result<E, LogError> {
    let mut bytes = [0; N];
    let read = file
        .read_at(&mut bytes, (at * N) as u64)
        .map_err(LogError::io("read", path))?;
    if read < N {
        return Err(LogError::corrupt(
            path,
            (at * N) as u64,
            "the index is shorter than it was",
        ));
    }
    Ok(E::decode(bytes))
}

fn open_existing(
    disk: &dyn Disk,
    path: &Path,
) -> Result<Option<Arc<dyn crate::disk::DiskFile>>, LogError> {
    match disk.open(path, OpenMode::Existing) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("open", path)(error)),
    }
}
