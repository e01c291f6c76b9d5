//! Behaviour of the coordinator, as scripts in virtual time.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the failure")]

mod administration;
mod consumer_groups;
mod durability;
mod harness;
mod join;
mod kafka_records;
mod leave;
mod offsets;
mod random;
mod rebalance;
mod sessions;
mod static_members;
mod sync;
mod transactional_offsets;
mod transactions;
