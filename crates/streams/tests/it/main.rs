//! The semantics of streams, on the test driver: one file per subject.

mod crashes;
mod processors;
mod records;
mod streams;
