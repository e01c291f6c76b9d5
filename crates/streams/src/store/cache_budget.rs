//! The memory that the clean rows of all stores of an application share.
//!
//! A store may hold its equal share whatever the others do, and more while the sum is below the limit. A store above
//! its share gives back when the sum is above the limit, at its own next commit or miss: so the sum is near the
//! limit, and never above twice of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::overlay::Overlay;

/// The limit, and what is in use.
#[derive(Debug)]
pub(crate) struct CacheBudget {
    limit: usize,
    used: AtomicUsize,
    stores: AtomicUsize,
}

impl CacheBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            stores: AtomicUsize::new(0),
        }
    }
}

/// One store's part in it.
#[derive(Debug)]
pub(crate) struct CacheShare {
    budget: Arc<CacheBudget>,
    reported: usize,
}

impl CacheShare {
    pub(crate) fn new(budget: Arc<CacheBudget>) -> Self {
        budget.stores.fetch_add(1, Ordering::Relaxed);
        Self {
            budget,
            reported: 0,
        }
    }

    /// Tells what the store's clean rows take now, and forgets some if that is too much.
    pub(crate) fn settle(&mut self, overlay: &mut Overlay) {
        self.report(overlay.clean_bytes());
        let used = self.budget.used.load(Ordering::Relaxed);
        let own = overlay.clean_bytes();
        let share = self.budget.limit / self.budget.stores.load(Ordering::Relaxed).max(1);
        if used > self.budget.limit && own > share {
            // A little more than needed, so that it is not done for each row.
            let excess = used - self.budget.limit + share / 16;
            overlay.trim(own.saturating_sub(excess).max(share - share / 16));
            self.report(overlay.clean_bytes());
        }
    }

    fn report(&mut self, bytes: usize) {
        if bytes >= self.reported {
            self.budget
                .used
                .fetch_add(bytes - self.reported, Ordering::Relaxed);
        } else {
            self.budget
                .used
                .fetch_sub(self.reported - bytes, Ordering::Relaxed);
        }
        self.reported = bytes;
    }
}

impl Drop for CacheShare {
    fn drop(&mut self) {
        self.report(0);
        self.budget.stores.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::*;

    fn fill(overlay: &mut Overlay, share: &mut CacheShare, rows: u32) {
        for row in 0..rows {
            share.settle(overlay);
            if let Overlay::Hashed(hashed) = overlay {
                hashed.remember(&row.to_be_bytes(), Some(&[0; 100]));
            }
        }
        share.settle(overlay);
    }

    #[test]
    fn all_stores_together_stay_near_the_limit_and_an_idle_one_keeps_its_share() {
        let budget = Arc::new(CacheBudget::new(100_000));
        let mut idle = (
            Overlay::of(Layout::Plain),
            CacheShare::new(Arc::clone(&budget)),
        );
        let mut busy = (
            Overlay::of(Layout::Plain),
            CacheShare::new(Arc::clone(&budget)),
        );
        fill(&mut idle.0, &mut idle.1, 100);
        let kept = idle.0.clean_bytes();
        fill(&mut busy.0, &mut busy.1, 10_000);
        assert!(budget.used.load(Ordering::Relaxed) <= 100_000);
        assert!(
            busy.0.clean_bytes() > 50_000,
            "more than its share while it is free"
        );
        assert_eq!(idle.0.clean_bytes(), kept);
        fill(&mut busy.0, &mut busy.1, 0);
        drop(busy);
        assert_eq!(budget.used.load(Ordering::Relaxed), kept);
    }
}
