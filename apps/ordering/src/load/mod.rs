//! A load generator: a shop's customers, as seen from outside.
//!
//! Places orders through the HTTP API like any customer: arrivals by chance at a stated rate, the busy hours of a day,
//! customers who come again, products everybody buys. An order that meets an error is repeated under the same
//! Idempotency-Key, so the generator itself never doubles one.

mod shopper;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contracts::now_ms;
use shopper::{Basket, Shopper};

/// Arrivals that come due while the generator could not run are made up for within this time, not all at once.
const LONGEST_LAG: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// How long the shutdown waits for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
const SAY_EVERY: Duration = Duration::from_mins(1);

/// What the customers do.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// Where the orders API answers, such as `http://127.0.0.1:8080`.
    pub orders_url: String,
    /// Orders per second, averaged over a day: at night 0.6 times as many, in the evening 1.4 times.
    pub rate_per_second: f64,
    /// The same seed places the same orders.
    pub seed: u64,
    /// How many customers there are. Few come often, most seldom.
    pub customers: u32,
    /// How many orders may be on their way at once; arrivals beyond are dropped and counted.
    pub in_flight: usize,
}

impl LoadSettings {
    /// The demo's customers at this rate.
    pub fn new(orders_url: impl Into<String>, rate_per_second: f64) -> Self {
        Self {
            orders_url: orders_url.into(),
            rate_per_second,
            seed: 1,
            customers: 20_000,
            in_flight: 256,
        }
    }
}

/// What became of the load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Orders that were answered with 200 or 202.
    pub accepted: u64,
    /// Orders that were refused for good (4xx).
    pub refused: u64,
    /// Arrivals not sent because too many were on their way.
    pub dropped: u64,
    /// Orders still on their way at the shutdown: they may have been taken.
    pub unanswered: u64,
    /// Requests repeated with the same Idempotency-Key.
    pub retries: u64,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
}

/// Places orders until the shutdown.
pub async fn run(settings: LoadSettings, shutdown: CancellationToken) -> Result<LoadReport> {
    ensure!(
        settings.rate_per_second > 0.0 && settings.rate_per_second <= 10_000.0,
        "the rate is {}: give more than 0 and at most 10000 orders per second",
        settings.rate_per_second
    );
    let customer = Customer {
        client: reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .context("make an HTTP client")?,
        url: format!("{}/orders", settings.orders_url.trim_end_matches('/')),
        tally: Arc::default(),
        shutdown: shutdown.clone(),
    };
    let mut shopper = Shopper::new(settings.seed, settings.customers);
    let mut arrivals = StdRng::seed_from_u64(settings.seed ^ 0x6172_7269_7661_6c73);
    let permits = Arc::new(Semaphore::new(settings.in_flight));
    let mut under_way = JoinSet::new();
    let mut report = LoadReport::default();
    let mut said = Instant::now();
    let mut due = Instant::now();
    loop {
        due += gap(&mut arrivals, settings.rate_per_second * busyness(now_ms()));
        due = due.max(Instant::now().checked_sub(LONGEST_LAG).unwrap_or(due));
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep_until(due) => {}
        }
        while under_way.try_join_next().is_some() {}
        let basket = shopper.next_basket();
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => {
                let customer = customer.clone();
                under_way.spawn(async move {
                    customer.place(&basket).await;
                    drop(permit);
                });
            }
            Err(_) => report.dropped += 1,
        }
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let (accepted, retries) = (&customer.tally.accepted, &customer.tally.retries);
            tracing::info!(
                accepted = accepted.load(Atomic::Relaxed),
                retries = retries.load(Atomic::Relaxed),
                dropped = report.dropped,
                "load"
            );
        }
    }
    let last = async { while under_way.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_ANSWERS, last).await;
    report.unanswered = under_way.len() as u64;
    report.accepted = customer.tally.accepted.load(Atomic::Relaxed);
    report.refused = customer.tally.refused.load(Atomic::Relaxed);
    report.retries = customer.tally.retries.load(Atomic::Relaxed);
    Ok(report)
}

/// The time to the next arrival of a Poisson process.
fn gap(rng: &mut StdRng, rate_per_second: f64) -> Duration {
    let uniform: f64 = rng.random();
    Duration::from_secs_f64((-(1.0 - uniform).ln() / rate_per_second).min(3600.0))
}

/// How busy this time of day (UTC) is, on average 1: a quiet night around 4, most orders around 16 to 18.
fn busyness(now_ms: i64) -> f64 {
    let day = now_ms.rem_euclid(86_400_000) as f64 / 86_400_000.0;
    let angle = std::f64::consts::TAU * (day - 17.0 / 24.0);
    1.0 + 0.35 * angle.cos() + 0.05 * (2.0 * angle).cos()
}

#[derive(Clone)]
struct Customer {
    client: reqwest::Client,
    url: String,
    tally: Arc<Tally>,
    shutdown: CancellationToken,
}

impl Customer {
    /// Places one order, repeating until there is an answer or the shutdown.
    async fn place(&self, basket: &Basket) {
        let mut pause = FIRST_RETRY;
        loop {
            let request = self
                .client
                .post(&self.url)
                .header("Idempotency-Key", &basket.key)
                .json(&basket.body);
            let counter = match request.send().await {
                Ok(response) if response.status().is_success() => Some(&self.tally.accepted),
                Ok(response) if response.status().is_client_error() => {
                    tracing::warn!(status = %response.status(), "an order of the load was refused");
                    Some(&self.tally.refused)
                }
                Ok(response) => {
                    tracing::debug!(status = %response.status(), "an order of the load is repeated");
                    None
                }
                Err(error) => {
                    tracing::debug!(%error, "an order of the load is repeated");
                    None
                }
            };
            if let Some(counter) = counter {
                counter.fetch_add(1, Atomic::Relaxed);
                return;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => std::future::pending::<()>().await,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_RETRY);
            self.tally.retries.fetch_add(1, Atomic::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::{busyness, gap};

    #[test]
    fn arrivals_keep_the_rate_and_come_by_chance() {
        let mut rng = StdRng::seed_from_u64(7);
        let gaps: Vec<f64> = (0..20_000)
            .map(|_| gap(&mut rng, 20.0).as_secs_f64())
            .collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 20.0 - 1.0).abs() < 0.03, "{mean}");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.05,
            "the deviation of a Poisson process is its mean"
        );
    }

    #[test]
    fn a_day_is_one_on_average_and_busiest_in_the_afternoon() {
        let hours: Vec<f64> = (0..24).map(|hour| busyness(hour * 3_600_000)).collect();
        assert!((hours.iter().sum::<f64>() / 24.0 - 1.0).abs() < 1e-9);
        let busiest = (0..24).max_by(|a, b| hours[*a].total_cmp(&hours[*b]));
        assert_eq!(busiest, Some(17));
        assert!(hours.iter().all(|busy| (0.6..=1.4001).contains(busy)));
    }
}
