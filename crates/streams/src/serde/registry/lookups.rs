//! Answers that are asked for once, and kept: at most so many, and refusals only for a while.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::RegistryError;

/// What was answered, and until when it counts; an answer that is no error counts for good.
type Kept<V> = (Result<V, RegistryError>, Option<Instant>);

/// Answers by what was asked.
///
/// Only one thread asks at a time, and the others find its answer, so that the first records of all partitions cost
/// one request. At the limit the oldest answer makes room.
pub(crate) struct Lookups<K, V> {
    limit: usize,
    known: RwLock<Known<K, V>>,
    asking: Mutex<()>,
}

struct Known<K, V> {
    answers: HashMap<K, Kept<V>>,
    order: VecDeque<K>,
}

impl<K: Hash + Eq + Clone, V: Clone> Lookups<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            known: RwLock::new(Known {
                answers: HashMap::new(),
                order: VecDeque::new(),
            }),
            asking: Mutex::new(()),
        }
    }

    /// The answer to `asked`, from `ask` if it is not known.
    pub(crate) fn get<Q>(
        &self,
        asked: &Q,
        ask: impl FnOnce() -> Result<V, RegistryError>,
    ) -> Result<V, RegistryError>
    where
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        if let Some(answer) = self.known(asked) {
            return answer;
        }
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = self.known(asked) {
            return answer;
        }
        let answer = ask();
        self.keep(asked.to_owned(), answer.clone());
        answer
    }

    fn known<Q>(&self, asked: &Q) -> Option<Result<V, RegistryError>>
    where
        Q: Hash + Eq + ?Sized,
        K: std::borrow::Borrow<Q>,
    {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = known.answers.get(asked)?;
        let counts = until.is_none_or(|until| Instant::now() < until);
        counts.then(|| answer.clone())
    }

    fn keep(&self, asked: K, answer: Result<V, RegistryError>) {
        let until = answer
            .as_ref()
            .err()
            .map(|error| Instant::now() + error.lasts());
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known
            .answers
            .insert(asked.clone(), (answer, until))
            .is_none()
        {
            known.order.push_back(asked);
        }
        while known.order.len() > self.limit {
            if let Some(oldest) = known.order.pop_front() {
                known.answers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_asked_for_once() {
        let lookups = Lookups::<String, u32>::new(10);
        assert_eq!(lookups.get("a", || Ok(1)), Ok(1));
        assert_eq!(lookups.get("a", || panic!("asked again")), Ok(1));
    }

    #[test]
    fn a_refusal_is_an_answer_for_a_while() {
        let lookups = Lookups::<u32, u32>::new(10);
        let refused = RegistryError::Config("no".into());
        assert_eq!(
            lookups.get(&1, || Err(refused.clone())),
            Err(refused.clone())
        );
        assert_eq!(
            lookups.get(&1, || panic!("asked again")),
            Err(refused.clone())
        );
        let past = Instant::now();
        lookups
            .known
            .write()
            .expect("not poisoned")
            .answers
            .insert(1, (Err(refused), Some(past)));
        assert_eq!(lookups.get(&1, || Ok(7)), Ok(7));
        assert_eq!(lookups.get(&1, || panic!("asked again")), Ok(7));
    }

    #[test]
    fn the_oldest_answer_makes_room_at_the_limit() {
        let lookups = Lookups::<u32, u32>::new(2);
        for asked in 0..3 {
            assert_eq!(lookups.get(&asked, || Ok(asked)), Ok(asked));
        }
        assert_eq!(lookups.get(&2, || panic!("asked again")), Ok(2));
        assert_eq!(lookups.get(&0, || Ok(10)), Ok(10), "it was forgotten");
        let known = lookups.known.read().expect("not poisoned");
        assert_eq!((known.answers.len(), known.order.len()), (2, 2));
    }

    #[test]
    fn threads_that_need_the_same_answer_ask_for_it_once() {
        let lookups = Lookups::<u32, u32>::new(10);
        let asked = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let ask = || Ok(asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
                    assert_eq!(lookups.get(&1, ask), Ok(0));
                });
            }
        });
        assert_eq!(asked.into_inner(), 1);
    }
}
