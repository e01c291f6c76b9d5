//! The disk as the log sees it: few operations, each of which can fail, passed in so that tests can make them fail.

mod faulty;
mod real;

pub use faulty::{FaultyDisk, Survival};
pub use real::RealDisk;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must be there.
    Existing,
    /// It is made, empty, if it is not there.
    OrCreate,
    /// It is made, or emptied if it is there.
    Truncated,
}

/// A file system. Nothing written is durable before it is synced: a file's bytes and length by [`DiskFile::sync`],
/// its name and a removal or renaming by [`Disk::sync_dir`] of the directory.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a directory and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Renames a file, replacing what had the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles keep working.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Begins to bring everything to stable storage that was written where `path` lies, all at once. It promises nothing:
    /// each file still has to be synced, which is then quick.
    fn write_back(&self, path: &Path) {
        let _ = path;
    }
    /// Takes an exclusive lock on a file, made if need be; `None` if another process has it. Dropping it unlocks.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
    /// Bytes free for an ordinary user where `path` lies.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Bytes that the volume holds in all where `path` lies.
    fn total_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// Held as long as the lock is.
pub trait DiskLock: Debug + Send + Sync {}

/// An open file. All of its operations say where, so that readers and the writer share it without a lock.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length of a file in bytes, which can fail"
)]
pub trait DiskFile: Debug + Send + Sync {
    /// Reads into `buffer` from `position` on; fewer bytes than it holds only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of the buffers one behind the other from `position` on.
    fn write_at(&self, buffers: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Returns once bytes and length are on stable storage. After an error nothing is known; it is never retried.
    fn sync(&self) -> io::Result<()>;
}
