//! The memory that all state on disk of an application may take, and how it is divided.

const MIB: u64 = 1024 * 1024;

/// How the memory of all stores of an application is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Blocks read from disk.
    pub block_cache_bytes: u64,
    /// Committed rows that are not in a table on disk yet.
    pub write_buffer_bytes: u64,
    /// Clean rows in front of the stores, beside the changes of open transactions, and what is remembered of which
    /// keys have rows at all.
    pub row_cache_bytes: u64,
    /// Results of aggregations with a cache that wait for a commit to be handed on.
    pub result_cache_bytes: u64,
    /// On top: changes and results at which the workers, together, commit before it is time.
    pub uncommitted_bytes: u64,
}

impl MemoryBudget {
    /// Divides `total_bytes`; at least 16 MiB.
    pub fn of(total_bytes: u64) -> Self {
        let total = total_bytes.max(16 * MIB);
        let results = total / 8;
        let eighth = (total - results) / 8;
        Self {
            block_cache_bytes: 3 * eighth,
            write_buffer_bytes: 2 * eighth,
            row_cache_bytes: 3 * eighth,
            result_cache_bytes: results,
            // A commit lays what it writes out once more, and then into the write buffers.
            uncommitted_bytes: total / 3,
        }
    }
}

impl Default for MemoryBudget {
    /// 96 MiB in all.
    fn default() -> Self {
        Self::of(96 * MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_budget_are_no_more_than_the_whole() {
        for total in [16 * MIB, 96 * MIB, 1024 * MIB + 7] {
            let budget = MemoryBudget::of(total);
            let parts = [
                budget.block_cache_bytes,
                budget.write_buffer_bytes,
                budget.row_cache_bytes,
                budget.result_cache_bytes,
            ];
            let sum: u64 = parts.iter().sum();
            assert!(sum <= total && sum > total - 16, "{budget:?}");
        }
        assert_eq!(MemoryBudget::of(0), MemoryBudget::of(16 * MIB));
    }
}
