//! The binary as its users see it: stdout, stderr, exit codes, signals.
//!
//! Every test starts an event store of its own, or uses the Kafka named by `HEADWATER_TEST_BOOTSTRAP`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::format_collect,
    reason = "lines of input are clearer as a map than as a fold"
)]

mod bench;
mod broker;
mod cluster;
mod demo;
mod groups;
mod headwater;
mod kill;
mod kill_demo;
mod kill_transactions;
mod records;
mod topics;
mod usage;
