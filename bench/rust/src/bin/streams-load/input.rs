//! The records of each job's topics: about 100 bytes each, one a millisecond up to now, the same at every run but for
//! their times. Older ones would be deleted as they are read: changelogs of windows are kept for a day.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use headwater_bench::events::{Auction, Bid, Order, Payment, Person};
use serde::Serialize;

/// How many keys there are, where they are not distinct.
const KEYS: f64 = 100_000.0;
const WORDS_A_LINE: usize = 8;
/// A payment comes so many orders after its own: a second later.
const PAYMENT_LAG: u64 = 500;
/// Sellers are among the last so many persons: those of eight seconds.
const RECENT_PERSONS: u64 = 2_000;
const STATES: [&str; 6] = ["OR", "ID", "CA", "WA", "NV", "AZ"];

/// A record to be sent.
pub(crate) struct InputRecord {
    /// Its topic, among [`Input::topics`].
    pub(crate) topic: usize,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) timestamp: i64,
}

/// What is loaded.
#[derive(Clone, Copy)]
pub(crate) enum Input {
    /// Text by key. Keys are cubed uniform, or the record's number.
    Text { distinct: bool, wide: bool },
    /// Lines of words, without keys.
    Lines,
    /// Orders and payments.
    Shop,
    /// Bids by auction.
    Bids,
    /// One person to three auctions.
    Registrations,
}

impl Input {
    pub(crate) fn of(job: &str, keys: &str) -> Result<Self> {
        let distinct = match keys {
            "cubed" => false,
            "distinct" => true,
            other => bail!("no such keys: {other}"),
        };
        Ok(match job {
            "filter" | "count" | "windowed-count" => Self::Text {
                distinct,
                wide: false,
            },
            "stores" => Self::Text {
                distinct,
                wide: true,
            },
            "word-count" => Self::Lines,
            "join" => Self::Shop,
            "q1" | "q5" => Self::Bids,
            "q3" | "q8" => Self::Registrations,
            other => bail!("no such job: {other}"),
        })
    }

    pub(crate) fn topics(self) -> &'static [&'static str] {
        match self {
            Self::Text { wide: false, .. } => &["text"],
            Self::Text { wide: true, .. } => &["wide"],
            Self::Lines => &["lines"],
            Self::Shop => &["orders", "payments"],
            Self::Bids => &["bids"],
            Self::Registrations => &["people", "auctions"],
        }
    }

    pub(crate) fn partitions(self) -> i32 {
        if matches!(self, Self::Text { wide: true, .. }) {
            10
        } else {
            4
        }
    }

    pub(crate) fn records(self, count: u64) -> impl Iterator<Item = InputRecord> {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let begin = now.map_or(0, |now| now.as_millis() as i64) - count as i64;
        (0..count).map(move |number| {
            let timestamp = begin + number as i64;
            let (topic, key, value) = self.record(number, timestamp, &mut random);
            InputRecord {
                topic,
                key,
                value,
                timestamp,
            }
        })
    }

    fn record(
        self,
        number: u64,
        time: i64,
        random: &mut Random,
    ) -> (usize, Option<Vec<u8>>, Vec<u8>) {
        match self {
            Self::Text { distinct, .. } => {
                let key = if distinct { number } else { random.key() };
                let key = format!("{key:08}").into_bytes();
                (0, Some(key), random.letters(92).into_bytes())
            }
            Self::Lines => {
                let words: Vec<String> = (0..WORDS_A_LINE)
                    .map(|_| format!("word{:07}", random.key()))
                    .collect();
                (0, None, words.join(" ").into_bytes())
            }
            Self::Shop => shop(number, random),
            Self::Bids => {
                let bid = Bid {
                    auction: random.key(),
                    bidder: random.below(100_000),
                    price: random.below(10_000_000),
                    channel: random.letters(12),
                    date_time: time,
                };
                (0, Some(bid.auction.to_be_bytes().to_vec()), json(&bid))
            }
            Self::Registrations => registration(number, time, random),
        }
    }
}

fn shop(number: u64, random: &mut Random) -> (usize, Option<Vec<u8>>, Vec<u8>) {
    let pair = number / 2;
    if number.is_multiple_of(2) {
        let order = Order {
            item: format!("item-{}", random.below(1000)),
            cents: random.below(100_000),
            note: random.letters(45),
        };
        (0, Some(order_id(pair)), json(&order))
    } else {
        let payment = Payment {
            cents: random.below(100_000),
            method: "card".to_owned(),
            note: random.letters(45),
        };
        let order = pair.saturating_sub(PAYMENT_LAG);
        (1, Some(order_id(order)), json(&payment))
    }
}

fn order_id(number: u64) -> Vec<u8> {
    format!("order-{number:08}").into_bytes()
}

fn registration(number: u64, time: i64, random: &mut Random) -> (usize, Option<Vec<u8>>, Vec<u8>) {
    let newest = number / 4;
    if number.is_multiple_of(4) {
        let state = random.below(STATES.len() as u64) as usize;
        let person = Person {
            id: newest,
            name: random.letters(10),
            email: random.letters(10),
            city: random.letters(8),
            state: STATES.get(state).copied().unwrap_or_default().to_owned(),
            date_time: time,
        };
        (0, Some(newest.to_be_bytes().to_vec()), json(&person))
    } else {
        let auction = Auction {
            id: number,
            item: random.letters(10),
            seller: newest.saturating_sub(random.below(RECENT_PERSONS)),
            category: 10 + random.below(5),
            reserve: random.below(10_000),
            date_time: time,
        };
        (1, Some(number.to_be_bytes().to_vec()), json(&auction))
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these types are always JSON")
}

/// Numbers that look random: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A key: the cube of a uniform number, so that a tenth of the keys has half of the records.
    fn key(&mut self) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (uniform.powi(3) * KEYS) as u64
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'a' + self.below(26) as u8))
            .collect()
    }
}
