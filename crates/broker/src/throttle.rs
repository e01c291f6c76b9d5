//! Messages that could come with every request, cut down to one a second of each kind.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Which messages came lately. `K` is what went wrong, of which there must be few.
#[derive(Debug)]
pub(crate) struct Throttle<K> {
    kinds: LazyLock<Mutex<HashMap<K, Kind>>>,
}

#[derive(Debug)]
struct Kind {
    latest: Instant,
    held_back: u64,
}

impl<K: Eq + Hash> Throttle<K> {
    /// For a `static`: one per message.
    pub(crate) const fn new() -> Throttle<K> {
        Throttle {
            kinds: LazyLock::new(Mutex::default),
        }
    }

    /// Whether the message may come now, and how many of its kind were held back since the last.
    pub(crate) fn pass(&self, kind: K) -> Option<u64> {
        self.pass_at(kind, Instant::now())
    }

    fn pass_at(&self, kind: K, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = kinds.get_mut(&kind) else {
            let first = Kind {
                latest: now,
                held_back: 0,
            };
            kinds.insert(kind, first);
            return Some(0);
        };
        if now.duration_since(known.latest) < PAUSE {
            known.held_back += 1;
            return None;
        }
        known.latest = now;
        Some(std::mem::take(&mut known.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_one_a_second_passes_and_tells_of_the_rest() {
        let throttle = Throttle::new();
        let begun = Instant::now();
        assert_eq!(throttle.pass_at("disk full", begun), Some(0));
        for millis in 1..=500 {
            let now = begun + Duration::from_millis(millis);
            assert_eq!(throttle.pass_at("disk full", now), None);
        }
        assert_eq!(throttle.pass_at("poisoned", begun), Some(0));
        assert_eq!(throttle.pass_at("disk full", begun + PAUSE), Some(500));
        assert_eq!(throttle.pass_at("disk full", begun + 2 * PAUSE), Some(0));
    }
}
