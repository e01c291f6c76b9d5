//! A value that one task refreshes while anybody looks, shared by all tabs.
//!
//! Nobody looking costs nothing: the task sleeps until the next reader comes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

/// One refresh: when it was, and what it gave.
#[derive(Debug)]
pub(crate) struct Refreshed<T> {
    pub(crate) at: Instant,
    pub(crate) value: Result<Arc<T>, Problem>,
}

impl<T> Clone for Refreshed<T> {
    fn clone(&self) -> Self {
        Self {
            at: self.at,
            value: self.value.clone(),
        }
    }
}

/// A value refreshed every `period` while it has readers.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    sender: Arc<watch::Sender<Option<Refreshed<T>>>>,
    wake: Arc<Notify>,
    period: Duration,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self {
            sender: Arc::clone(&self.sender),
            wake: Arc::clone(&self.wake),
            period: self.period,
        }
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Starts the task that refreshes; it ends with `shutdown`.
    pub(crate) fn start<L, F>(period: Duration, shutdown: CancellationToken, mut load: L) -> Self
    where
        L: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send,
    {
        let watched = Self {
            sender: Arc::new(watch::Sender::new(None)),
            wake: Arc::new(Notify::new()),
            period,
        };
        let (sender, wake) = (Arc::clone(&watched.sender), Arc::clone(&watched.wake));
        tokio::spawn(async move {
            loop {
                if sender.receiver_count() == 0 {
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = wake.notified() => continue,
                    }
                }
                let value = tokio::select! {
                    () = shutdown.cancelled() => return,
                    value = load() => value.map(Arc::new),
                };
                sender.send_replace(Some(Refreshed {
                    at: Instant::now(),
                    value,
                }));
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(period) => {}
                }
            }
        });
        watched
    }

    /// Looks: the receiver keeps the value fresh until it is dropped.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Refreshed<T>>> {
        let receiver = self.sender.subscribe();
        self.wake.notify_one();
        receiver
    }

    /// The value once: a recent one, or the next one, waited for at most `limit`.
    pub(crate) async fn get(&self, limit: Duration) -> Option<Result<Arc<T>, Problem>> {
        let mut receiver = self.subscribe();
        let fresh = receiver
            .borrow()
            .clone()
            .filter(|refreshed| refreshed.at.elapsed() < self.period * 2);
        if let Some(refreshed) = fresh {
            return Some(refreshed.value);
        }
        tokio::time::timeout(limit, receiver.changed())
            .await
            .ok()?
            .ok()?;
        receiver
            .borrow()
            .as_ref()
            .map(|refreshed| refreshed.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counting(shutdown: CancellationToken) -> (Watched<u64>, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let loads = Arc::clone(&count);
        let watched = Watched::start(Duration::from_millis(1), shutdown, move || {
            let loads = Arc::clone(&loads);
            async move { Ok(loads.fetch_add(1, Ordering::SeqCst) + 1) }
        });
        (watched, count)
    }

    #[tokio::test]
    async fn nobody_looking_loads_nothing() {
        let shutdown = CancellationToken::new();
        let (_watched, count) = counting(shutdown.clone());
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
        shutdown.cancel();
    }

    #[tokio::test]
    async fn readers_share_one_refresh_and_see_later_ones() {
        let shutdown = CancellationToken::new();
        let (watched, _count) = counting(shutdown.clone());
        let first = watched.get(Duration::from_secs(30)).await.unwrap().unwrap();
        let mut receiver = watched.subscribe();
        receiver
            .wait_for(|seen| {
                seen.as_ref()
                    .is_some_and(|s| *s.value.clone().unwrap() > *first)
            })
            .await
            .unwrap();
        shutdown.cancel();
    }
}
