//! What any Kafka can tell, read with a real client: topics, groups, records.
//!
//! Never joins a group, never commits, never writes. All calls block and run in `spawn_blocking`.

pub(crate) mod assignment;
pub(crate) mod browse;
pub(crate) mod client;
pub(crate) mod cursor;
pub(crate) mod decode;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod store;
pub(crate) mod tail;
