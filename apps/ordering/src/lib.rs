//! The ordering system: orders, transactions, emails, drivers and analytics on Kafka.
//!
//! Five services that know each other only through six topics. Each has its own consumer group, its own SQLite file,
//! an outbox for what it publishes and an inbox for what it consumed, so that a kill at any moment loses no order and
//! charges none twice. Never depends on a broker: any Kafka will do.

pub mod load;
pub mod verify;

mod ordering;
mod service;
mod settings;

pub use ordering::{Ordering, run_service};
pub use service::{Service, UnknownService};
pub use settings::{DriverSettings, OrderingSettings, Retention, Smtp, TopicSettings};
