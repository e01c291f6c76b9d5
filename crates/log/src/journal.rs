//! The journal.

mod position;

pub use position::{Durability, Position};

/// How large the journal is. Sizes are rounded up to 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSizes {
    /// Files to start with.
    pub initial_files: usize,
    /// Bytes of each of these.
    pub initial_file_bytes: u64,
    /// Files to grow to.
    pub files: usize,
    /// Bytes of each of these.
    pub file_bytes: u64,
    /// Bytes that may wait for a commit.
    pub queue_bytes: usize,
}

impl Default for JournalSizes {
    fn default() -> Self {
        Self {
            initial_files: 2,
            initial_file_bytes: 1 << 20,
            files: 8,
            file_bytes: 64 << 20,
            queue_bytes: 64 << 20,
        }
    }
}
