//! The semantics of streams, on the test driver: one file per subject.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]

mod aggregates;
mod crash_invariance;
mod crashes;
mod descriptions;
mod final_results;
mod foreign_key_joins;
mod processors;
mod records;
mod results;
mod revenue;
mod running;
mod sessions;
mod state;
mod stateless;
mod stream_joins;
mod streams;
mod table_joins;
mod tables;
mod versioned_tables;
mod windows;
