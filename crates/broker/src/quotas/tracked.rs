//! Who is measured: a bounded number of clients.
//!
//! Who has been quiet for a whole window owes nothing and is forgotten when there is no place left.
//! If there is still none, newcomers are measured together: names made up cannot take memory, and
//! they buy nobody a fresh quota.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use super::Quota;
use super::client_quotas::Limited;
use super::rate::{Rate, Window};
use super::token_bucket::TokenBucket;

/// Clients, and addresses, measured one by one.
const MAX_TRACKED: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Measured {
    quota: Quota,
    user: Option<String>,
    client_id: Option<String>,
}

/// What is measured of whom.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    rates: Places<Measured, Rate>,
    buckets: Places<Measured, TokenBucket>,
    addresses: Places<IpAddr, Rate>,
}

impl Tracked {
    pub(super) fn rate(
        &mut self,
        quota: Quota,
        limited: &Limited,
        window: Window,
        now_ms: i64,
    ) -> &mut Rate {
        self.rates.get(measured(quota, limited), window, now_ms)
    }

    pub(super) fn bucket(
        &mut self,
        quota: Quota,
        limited: &Limited,
        window: Window,
        now_ms: i64,
    ) -> &mut TokenBucket {
        self.buckets.get(measured(quota, limited), window, now_ms)
    }

    pub(super) fn rate_of_address(
        &mut self,
        address: IpAddr,
        window: Window,
        now_ms: i64,
    ) -> &mut Rate {
        self.addresses.get(address.to_canonical(), window, now_ms)
    }
}

fn measured(quota: Quota, limited: &Limited) -> Measured {
    Measured {
        quota,
        user: limited.user.clone(),
        client_id: limited.client_id.clone(),
    }
}

#[derive(Debug)]
struct Places<K, V> {
    by_client: HashMap<K, (V, i64)>,
    /// Those who found no place.
    others: V,
    /// When places were last looked for, so that it is not done for every newcomer.
    searched_ms: i64,
}

impl<K, V: Default> Default for Places<K, V> {
    fn default() -> Places<K, V> {
        Places {
            by_client: HashMap::new(),
            others: V::default(),
            searched_ms: i64::MIN,
        }
    }
}

impl<K: Eq + Hash, V: Default> Places<K, V> {
    fn get(&mut self, client: K, window: Window, now_ms: i64) -> &mut V {
        if self.by_client.len() >= MAX_TRACKED && !self.by_client.contains_key(&client) {
            if now_ms.saturating_sub(self.searched_ms) >= window.sample_ms {
                self.searched_ms = now_ms;
                let total_ms = window.total_ms();
                self.by_client
                    .retain(|_, (_, latest_ms)| now_ms - *latest_ms < total_ms);
            }
            if self.by_client.len() >= MAX_TRACKED {
                return &mut self.others;
            }
        }
        let (value, latest_ms) = self.by_client.entry(client).or_default();
        *latest_ms = now_ms;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        samples: 2,
        sample_ms: 1_000,
    };

    #[test]
    fn newcomers_without_a_place_share_one_until_others_have_been_quiet() {
        let mut places: Places<usize, usize> = Places::default();
        for client in 0..MAX_TRACKED {
            *places.get(client, WINDOW, 0) += 1;
        }
        *places.get(MAX_TRACKED, WINDOW, 0) += 1;
        *places.get(MAX_TRACKED + 1, WINDOW, 0) += 1;
        assert_eq!(*places.get(MAX_TRACKED + 2, WINDOW, 0), 2, "shared");
        assert_eq!(*places.get(7, WINDOW, 1_000), 1, "of its own");
        assert_eq!(places.by_client.len(), MAX_TRACKED);
        assert_eq!(*places.get(MAX_TRACKED, WINDOW, 2_000), 0, "a place again");
        assert_eq!(
            places.by_client.len(),
            2,
            "the one seen last and the new one"
        );
    }
}
