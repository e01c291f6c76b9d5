//! The ordering system: orders, transactions, emails, drivers and analytics on Kafka.
//!
//! Five services that know each other only through six topics. Each has its own consumer group, its own SQLite file,
//! an outbox for what it publishes and an inbox for what it consumed, so that a kill at any moment loses no order and
//! charges none twice. Never depends on a broker: any Kafka will do.

pub mod catalogue;
pub mod contracts;
pub mod load;
pub mod verify;

mod analytics;
mod backoff;
mod database;
mod dead_letters;
mod drivers;
mod emails;
mod host;
mod inbox;
mod kafka;
mod order_state;
mod ordering;
mod orders;
mod outbox;
mod service;
mod settings;
mod transactions;

pub use emails::{CaughtMail, MailCatcher, caught_mails};
pub use order_state::{OrderState, Transition, UnknownState};
pub use ordering::{Ordering, run_service};
pub use orders::Order;
pub use service::{Service, UnknownService};
pub use settings::{DriverSettings, OrderingSettings, Retention, Smtp, TopicSettings};
