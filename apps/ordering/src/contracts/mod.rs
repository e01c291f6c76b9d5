//! The events the services exchange: their topics, their shapes, what travels beside them.
//!
//! Owns what is on the wire between services: JSON values, CloudEvents headers in binary content mode (the Kafka
//! binding), W3C trace context. Everything read from a topic is checked here before a service sees it.

mod context;
mod event;
mod time;
mod traceparent;

pub use context::{Context, ContextError};
pub use event::{
    DecodeError, DriverAssigned, Event, Items, OrderConfirmed, OrderDelivered, OrderItem,
    OrderProcessed, OrderReceived, OrderRejected, Topic,
};
pub use time::{now_ms, parse_rfc3339, rfc3339};
pub use traceparent::Traceparent;

/// Whether this may be an order's or a customer's id: short, and safe in keys, paths, mail addresses and logs.
pub fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..")
}
