//! The ordering system as a whole: over HTTP, on a Kafka.
//!
//! Runs on the broker in this process; with `HEADWATER_TEST_BOOTSTRAP` on the Kafka at that address instead.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod faults;
mod http;
mod load;
mod saga;
mod shop;
