//! Stream processing on Kafka's protocol, in the role of Kafka Streams.

pub mod key;
pub mod partitioner;
pub mod record;
pub mod serde;
pub mod timestamps;
pub mod topic;
pub mod window;

pub use key::Key;
pub use partitioner::{Partitioner, Partitions};
pub use record::{Change, Header, Headers, Record};
pub use timestamps::{OnInvalid, Timestamps};
pub use topic::{OffsetReset, Topic};
pub use window::{SessionWindow, TimeWindow, Windowed};
