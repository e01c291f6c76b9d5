//! Stream processing on Kafka's protocol, in the role of Kafka Streams.

pub mod record;
pub mod serde;

pub use record::{Change, Header, Headers, Record};
