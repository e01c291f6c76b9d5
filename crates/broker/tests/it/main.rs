//! The event store in process, over loopback: raw requests for what clients never
//! send, and a real client for what they do.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may fail the test like the test itself"
)]

mod admin;
mod api_versions;
mod clients;
mod compaction;
mod configs;
mod connections;
mod consumer_protocol;
mod consumers;
mod durability;
mod faults;
mod fetch;
mod fetch_sessions;
mod groups;
mod list_offsets;
mod metadata;
mod offsets;
mod pipelining;
mod produce;
mod quotas;
mod read_committed;
mod resource_configs;
mod security;
mod support;
mod topics;
mod transactional_offsets;
mod transactions;
