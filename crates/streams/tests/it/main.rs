//! The semantics of streams, on the test driver: one file per subject.

mod crash_invariance;
mod crashes;
mod processors;
mod records;
mod running;
mod stream_joins;
mod streams;
