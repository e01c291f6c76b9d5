//! Bytes in memory, bounded: requests wait for room, fetches make do with less.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that may be held at once by everybody who shares this budget.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    semaphore: Arc<Semaphore>,
    total: u32,
}

/// Bytes taken from a [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    held: OwnedSemaphorePermit,
}

/// Room for a fetch: what it may read, part of it perhaps above the budget.
#[derive(Debug)]
pub(crate) struct Share {
    held: OwnedSemaphorePermit,
    bytes: usize,
}

impl Budget {
    /// A budget of `bytes`, at most 4 GiB.
    pub(crate) fn new(bytes: usize) -> Budget {
        let total = u32::try_from(bytes).unwrap_or(u32::MAX);
        Budget {
            semaphore: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits until `bytes` are free. More than the whole budget counts as the whole budget.
    pub(crate) async fn acquire(&self, bytes: usize) -> Permit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.total);
        let permit = Arc::clone(&self.semaphore).acquire_many_owned(wanted).await;
        Permit {
            held: permit.expect("the semaphore is never closed"),
        }
    }

    /// Takes `wanted` bytes or what is left of them, but never less than `floor`:
    /// a slow reader that sits on the budget must not starve the others.
    pub(crate) fn share(&self, wanted: usize, floor: usize) -> Share {
        let mut asked = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.total);
        loop {
            match Arc::clone(&self.semaphore).try_acquire_many_owned(asked) {
                Ok(held) => {
                    return Share {
                        held,
                        bytes: (asked as usize).max(floor.min(wanted)),
                    };
                }
                Err(_) => asked = asked.saturating_sub(1).min(self.available()),
            }
        }
    }

    fn available(&self) -> u32 {
        u32::try_from(self.semaphore.available_permits()).unwrap_or(u32::MAX)
    }
}

impl Permit {
    /// Adds what was taken from the same budget.
    pub(crate) fn merge(&mut self, other: Permit) {
        self.held.merge(other.held);
    }
}

impl Share {
    /// How much may be read.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ties a part of this share to `records`: given back when their last slice is gone, that is once they are written to the socket.
    pub(crate) fn attach(&mut self, records: Bytes) -> Bytes {
        if records.is_empty() {
            return records;
        }
        let take = records.len().min(self.held.num_permits());
        match self.held.split(take) {
            Some(held) if take > 0 => Bytes::from_owner(Counted {
                records,
                _held: held,
            }),
            _ => records,
        }
    }
}

struct Counted {
    records: Bytes,
    _held: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_shrinks_to_what_is_left_and_never_below_the_floor() {
        let budget = Budget::new(100);
        let first = budget.share(80, 10);
        assert_eq!(first.bytes(), 80);
        let second = budget.share(80, 10);
        assert_eq!(second.bytes(), 20);
        let third = budget.share(80, 10);
        assert_eq!(third.bytes(), 10);
        drop((first, second, third));
        assert_eq!(budget.available(), 100);
    }

    #[test]
    fn records_hold_their_part_of_the_share_until_their_last_slice_is_gone() {
        let budget = Budget::new(100);
        let mut share = budget.share(60, 1);
        let records = share.attach(Bytes::from_static(&[7; 25]));
        drop(share);
        assert_eq!(budget.available(), 75);
        let slice = records.slice(3..4);
        drop(records);
        assert_eq!(budget.available(), 75);
        drop(slice);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn a_request_larger_than_the_budget_takes_all_of_it() {
        let budget = Budget::new(10);
        let permit = budget.acquire(1_000).await;
        assert_eq!(budget.available(), 0);
        drop(permit);
        assert_eq!(budget.available(), 10);
    }
}
