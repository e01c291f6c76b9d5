//! The binary as its users see it: stdout, stderr, exit codes, signals.
//!
//! Every test starts an event store of its own, or uses the Kafka named by `HEADWATER_TEST_BOOTSTRAP`.

mod cluster;
mod groups;
mod headwater;
mod records;
mod topics;
mod usage;
