//! The memory that all state on disk of an application may take, and how it is divided.

const MIB: u64 = 1024 * 1024;

/// How the memory of all stores of an application is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Blocks read from disk.
    pub block_cache_bytes: u64,
    /// Committed rows that are not in a table on disk yet.
    pub write_buffer_bytes: u64,
    /// Clean rows in front of the stores, beside the changes of open transactions.
    pub row_cache_bytes: u64,
}

impl MemoryBudget {
    /// Divides `total_bytes`; at least 16 MiB.
    pub fn of(total_bytes: u64) -> Self {
        let eighth = total_bytes.max(16 * MIB) / 8;
        Self {
            block_cache_bytes: 3 * eighth,
            write_buffer_bytes: 2 * eighth,
            row_cache_bytes: 3 * eighth,
        }
    }
}

impl Default for MemoryBudget {
    /// 96 MiB in all.
    fn default() -> Self {
        Self::of(96 * MIB)
    }
}
