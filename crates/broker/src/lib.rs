//! The event store: one durable node that speaks the Apache Kafka protocol.
//!
//! This crate owns sockets, threads, the clock and randomness. It puts the pure
//! parts together (the wire format, the log, the group coordinator) and never
//! re-implements what they decide. A request's way through it:
//!
//! `server` accepts -> `connection` frames and keeps replies in order ->
//! `dispatch` parses and checks versions -> one file of `handlers` answers, by
//! calling one of the handles in `context::Context`.

mod broker;
mod budget;
mod cleaner_thread;
mod clock;
mod config;
mod connection;
mod context;
mod coordinators;
mod delayed;
mod dispatch;
mod error;
mod fetch_session;
mod file_handles;
mod handlers;
mod insight;
mod journal_thread;
mod log_levels;
mod maintenance;
mod metadata;
mod partition;
mod partitions;
mod quotas;
mod reply;
mod security;
mod served;
mod server;
mod settings;
mod throttle;

pub use broker::Broker;
pub use error::{StartError, StopError};
pub use insight::{Insight, JournalInsight, PartitionSize};
pub use log_levels::LogControl;
pub use settings::{BrokerSettings, Durability};

/// The version this build calls itself, in logs and on the page.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
