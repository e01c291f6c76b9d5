//! The binary as its users see it: stdout, stderr, exit codes, signals.
//!
//! Every test starts an event store of its own, or uses the Kafka named by `HEADWATER_TEST_BOOTSTRAP`.

mod broker;
mod cluster;
mod demo;
mod groups;
mod headwater;
mod kill;
mod kill_demo;
mod records;
mod topics;
mod usage;
