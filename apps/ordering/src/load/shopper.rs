//! Who buys what: baskets drawn by chance, the same for the same seed.

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::catalogue::{Product, products};

/// How much more popular the first product is than the hundredth.
const PRODUCT_EXPONENT: f64 = 0.9;
/// Milder than that of products: the best customer places about one in three hundred orders.
const CUSTOMER_EXPONENT: f64 = 0.5;
const DECLINED_CARDS: f64 = 0.03;
const EMPTY_CARDS: f64 = 0.01;

/// One order to place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basket {
    /// The Idempotency-Key.
    pub(super) key: String,
    /// The body of the request.
    pub(super) body: Value,
}

/// Draws baskets.
pub(super) struct Shopper {
    rng: StdRng,
    customers: Zipf,
    products: Zipf,
    /// Popularity is not the order of the shelves.
    ranked: Vec<&'static Product>,
    run: Uuid,
    placed: u64,
}

impl Shopper {
    pub(super) fn new(seed: u64, customers: u32) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut ranked: Vec<&Product> = products().iter().collect();
        ranked.shuffle(&mut rng);
        Self {
            rng,
            customers: Zipf::new(customers.max(1) as usize, CUSTOMER_EXPONENT),
            products: Zipf::new(ranked.len(), PRODUCT_EXPONENT),
            ranked,
            // Keys of another run must not be taken for repetitions.
            run: Uuid::now_v7(),
            placed: 0,
        }
    }

    pub(super) fn next_basket(&mut self) -> Basket {
        let customer = self.customers.draw(&mut self.rng) + 1;
        // Most baskets are small: each further line is less likely than not to be the last.
        let mut lines = 1;
        while lines < 12 && self.rng.random_bool(0.62) {
            lines += 1;
        }
        let mut chosen: Vec<usize> = (0..lines)
            .map(|_| self.products.draw(&mut self.rng))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        let items: Vec<Value> = chosen
            .into_iter()
            .map(|rank| {
                let quantity = if self.rng.random_bool(0.7) {
                    1
                } else {
                    self.rng.random_range(2..=6)
                };
                json!({"product_id": self.ranked[rank].id, "quantity": quantity})
            })
            .collect();
        let body = json!({
            "customer_id": format!("c{customer:05}"),
            "items": items,
            "card": self.card(),
        });
        self.placed += 1;
        Basket {
            key: format!("load-{}-{}", self.run, self.placed),
            body,
        }
    }

    fn card(&mut self) -> &'static str {
        let luck: f64 = self.rng.random();
        if luck < DECLINED_CARDS {
            "4000000000000002"
        } else if luck < DECLINED_CARDS + EMPTY_CARDS {
            "4000000000009995"
        } else {
            "4242424242424242"
        }
    }
}

/// Ranks from 0, where rank k comes up in proportion to 1 / (k + 1)^exponent.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self { cumulative }
    }

    fn draw(&self, rng: &mut StdRng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = rng.random::<f64>() * total;
        self.cumulative
            .partition_point(|sum| *sum <= at)
            .min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::Shopper;

    #[test]
    fn the_same_seed_draws_the_same_baskets() {
        let draw = |seed| {
            let mut shopper = Shopper::new(seed, 1000);
            (0..50)
                .map(|_| shopper.next_basket().body)
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn keys_are_never_used_twice() {
        let (mut one, mut two) = (Shopper::new(1, 10), Shopper::new(1, 10));
        let mut keys: Vec<String> = (0..100)
            .flat_map(|_| [one.next_basket().key, two.next_basket().key])
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 200);
    }

    #[test]
    fn few_products_sell_much_and_customers_come_again() {
        let mut shopper = Shopper::new(1, 20_000);
        let (mut sold, mut customers, mut declined) = (HashMap::new(), HashMap::new(), 0);
        for _ in 0..20_000 {
            let body = shopper.next_basket().body;
            *customers
                .entry(body["customer_id"].to_string())
                .or_insert(0) += 1;
            declined += i32::from(body["card"] == "4000000000000002");
            for item in body["items"].as_array().unwrap() {
                *sold.entry(item["product_id"].to_string()).or_insert(0) += 1;
            }
        }
        let mut counts: Vec<i32> = sold.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(counts.len(), 200, "everything is bought by someone");
        let share =
            f64::from(counts[..20].iter().sum::<i32>()) / f64::from(counts.iter().sum::<i32>());
        assert!(
            (0.35..0.65).contains(&share),
            "a tenth of the products makes about half of the lines: {share}"
        );
        assert!(customers.values().filter(|orders| **orders > 1).count() > 3000);
        assert!((400..800).contains(&declined), "{declined}");
    }
}
