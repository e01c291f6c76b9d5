//! The memory that the clean rows of all stores of an application share, and the one that their results share.
//!
//! A store may hold its equal share of rows whatever the others do, and more while the sum is below the limit. A store
//! above its share gives back when the sum is above the limit, at its own next commit or miss: so the sum is near the
//! limit, and never above twice of it. Results that wait for a commit are bounded by the equal share alone: what is
//! above it is handed on early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::overlay::Overlay;
use super::presence::Presence;
use super::spec::Caching;

/// What one cache of results holds at most, however much is free.
const MOST_RESULTS: usize = 4 * 1024 * 1024;

/// The limits, and what is in use.
#[derive(Debug)]
pub(crate) struct CacheBudget {
    limit: usize,
    used: AtomicUsize,
    stores: AtomicUsize,
    results: usize,
    /// Stores whose results are cached, and what each may hold of them.
    result_caches: AtomicUsize,
    results_each: AtomicUsize,
}

impl CacheBudget {
    /// Of so many bytes for rows, and so many for results.
    pub(crate) fn new(rows: usize, results: usize) -> Self {
        Self {
            limit: rows,
            used: AtomicUsize::new(0),
            stores: AtomicUsize::new(0),
            results,
            result_caches: AtomicUsize::new(0),
            results_each: AtomicUsize::new(results.min(MOST_RESULTS)),
        }
    }

    /// How many bytes of results one store may have waiting.
    #[inline]
    pub(crate) fn results_each(&self) -> usize {
        self.results_each.load(Ordering::Relaxed)
    }

    fn share_results(&self, caches: usize) {
        let each = (self.results / caches.max(1)).min(MOST_RESULTS);
        self.results_each.store(each, Ordering::Relaxed);
    }
}

/// One store's part in it.
#[derive(Debug)]
pub(crate) struct CacheShare {
    budget: Arc<CacheBudget>,
    reported: usize,
    caching: Caching,
}

impl CacheShare {
    pub(crate) fn new(budget: Arc<CacheBudget>, caching: Caching) -> Self {
        budget.stores.fetch_add(1, Ordering::Relaxed);
        if caching == Caching::On {
            budget.share_results(budget.result_caches.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Self {
            budget,
            reported: 0,
            caching,
        }
    }

    pub(crate) fn budget(&self) -> &Arc<CacheBudget> {
        &self.budget
    }

    /// Tells what the store's clean rows and its knowledge of keys take now, and forgets some if that is too much.
    pub(crate) fn settle(&mut self, overlay: &mut Overlay, presence: &mut Presence) {
        let own = overlay.clean_bytes() + presence.bytes();
        self.report(own);
        let used = self.budget.used.load(Ordering::Relaxed);
        let share = self.budget.limit / self.budget.stores.load(Ordering::Relaxed).max(1);
        if used > self.budget.limit && own > share {
            // A little more than needed, so that it is not done for each row.
            let excess = used - self.budget.limit + share / 16;
            let left = own.saturating_sub(excess).max(share - share / 16);
            // Without rows a store is slow for some keys, without that knowledge for all.
            overlay.trim(left.saturating_sub(presence.bytes()).max(left / 4));
            presence.trim(left.saturating_sub(overlay.clean_bytes()));
            self.report(overlay.clean_bytes() + presence.bytes());
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
        if self.caching == Caching::On {
            let caches = self.budget.result_caches.fetch_sub(1, Ordering::Relaxed) - 1;
            self.budget.share_results(caches);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::*;

    fn fill(overlay: &mut Overlay, share: &mut CacheShare, rows: u32) {
        let mut presence = Presence::complete();
        for row in 0..rows {
            share.settle(overlay, &mut presence);
            if let Overlay::Hashed(hashed) = overlay {
                hashed.remember(&row.to_be_bytes(), Some(&[0; 100]));
            }
        }
        share.settle(overlay, &mut presence);
    }

    #[test]
    fn all_stores_together_stay_near_the_limit_and_an_idle_one_keeps_its_share() {
        let budget = Arc::new(CacheBudget::new(100_000, 0));
        let mut idle = (
            Overlay::of(Layout::Plain),
            CacheShare::new(Arc::clone(&budget), Caching::Off),
        );
        let mut busy = (
            Overlay::of(Layout::Plain),
            CacheShare::new(Arc::clone(&budget), Caching::Off),
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

    #[test]
    fn however_many_caches_of_results_there_are_they_share_one_limit() {
        let budget = Arc::new(CacheBudget::new(0, 100 * MOST_RESULTS / 10));
        let share = || CacheShare::new(Arc::clone(&budget), Caching::On);
        let few: Vec<_> = (0..10).map(|_| share()).collect();
        assert_eq!(budget.results_each(), MOST_RESULTS);
        let many: Vec<_> = (0..990).map(|_| share()).collect();
        assert_eq!(
            budget.results_each() * 1000,
            100 * MOST_RESULTS / 10 / 1000 * 1000
        );
        drop(many);
        assert_eq!(budget.results_each(), MOST_RESULTS);
        drop(few);
        drop(CacheShare::new(Arc::clone(&budget), Caching::Off));
        assert_eq!(budget.results_each(), MOST_RESULTS);
    }

    #[test]
    fn what_is_known_of_keys_counts_and_is_given_up_before_the_limit_is_passed() {
        const LAYOUT: Layout = Layout::KeyFirst { segment_ms: 60_000 };
        let budget = Arc::new(CacheBudget::new(100_000, 0));
        let mut share = CacheShare::new(Arc::clone(&budget), Caching::Off);
        let mut overlay = Overlay::of(LAYOUT);
        let mut presence = Presence::complete();
        for segment in 0..50_u64 {
            for key in 0..500_u32 {
                let row = [&segment.to_be_bytes()[..], &key.to_be_bytes(), &[0; 8]].concat();
                presence.add(LAYOUT, &row);
            }
            share.settle(&mut overlay, &mut presence);
            assert!(budget.used.load(Ordering::Relaxed) <= 100_000);
        }
        for segment in 0..50_u64 {
            let prefix = [&segment.to_be_bytes()[..], &7_u32.to_be_bytes()].concat();
            assert!(
                presence.may_contain(&prefix),
                "it never denies a key that is there"
            );
        }
        let absent = [&49_u64.to_be_bytes()[..], &999_u32.to_be_bytes()].concat();
        assert!(
            !presence.may_contain(&absent),
            "the youngest segment is known"
        );
    }
}
