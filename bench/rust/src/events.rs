//! What the topics hold, as JSON: shop events and Nexmark's.

use serde::{Deserialize, Serialize};

/// An order, keyed by its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub item: String,
    pub cents: u64,
    pub note: String,
}

/// A payment, keyed by its order's id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    pub cents: u64,
    pub method: String,
    pub note: String,
}

/// An order that was paid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Paid {
    pub item: String,
    pub cents: u64,
}

/// A bid, keyed by its auction.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bid {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub channel: String,
    pub date_time: i64,
}

/// A person, keyed by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub city: String,
    pub state: String,
    pub date_time: i64,
}

/// An auction, keyed by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Auction {
    pub id: u64,
    pub item: String,
    pub seller: u64,
    pub category: u64,
    pub reserve: u64,
    pub date_time: i64,
}

/// Nexmark's query 3: who sells in some states.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LocalItem {
    pub name: String,
    pub city: String,
    pub state: String,
    pub auction: u64,
}

/// Nexmark's query 5: the auction with the most bids of a window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HotItem {
    pub auction: u64,
    pub bids: u64,
}

/// Nexmark's query 8: a person who sells soon after registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSeller {
    pub person: u64,
    pub name: String,
    pub auction: u64,
}
