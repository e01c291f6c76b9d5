//! Ten sample purchases, as in the getting-started example of Kafka's clients: a random user buys a random product.

use std::hash::{BuildHasher, Hasher, RandomState};

const USERS: [&str; 6] = ["amara", "bjorn", "chiara", "devika", "emeka", "fatima"];
const PRODUCTS: [&str; 5] = [
    "coffee beans",
    "desk lamp",
    "notebook",
    "rain jacket",
    "tea pot",
];

/// How many purchases a sample has.
const COUNT: usize = 10;

/// User and product of each purchase.
pub(crate) fn sample() -> Vec<(&'static str, &'static str)> {
    (0..COUNT)
        .map(|_| (pick(&USERS), pick(&PRODUCTS)))
        .collect()
}

/// Any one of `names`. The standard library's hash keys are random enough for a sample.
fn pick(names: &[&'static str]) -> &'static str {
    let random = RandomState::new().build_hasher().finish();
    names[(random % names.len() as u64) as usize]
}
