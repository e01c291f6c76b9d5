//! Stream processing on Kafka's protocol, in the role of Kafka Streams.

pub mod collector;
pub mod context;
pub mod dsl;
pub mod error;
mod graph;
pub mod guide;
pub mod key;
pub mod partitioner;
pub mod processor;
pub mod query;
pub mod record;
pub mod runtime;
pub mod serde;
pub mod store;
pub mod test_driver;
pub mod timestamps;
pub mod topic;
pub mod topology;
pub mod window;

pub use context::{Context, DropReason};
pub use dsl::{
    Emit, Final, GlobalTable, JoinWindows, Keyed, Materialized, Outcome, Processor,
    ProcessorContext, Table, Unkeyed, suppress, windows, within,
};
pub use error::{BoxError, Policy, Stage, StreamsError};
pub use key::Key;
pub use partitioner::{Partitioner, Partitions};
pub use processor::PunctuationType;
pub use record::{Change, Header, Headers, Record};
pub use runtime::{
    App, Guarantee, InstanceInfo, Membership, Metrics, Running, State, WorkerFailure,
};
pub use timestamps::{OnInvalid, Timestamps};
pub use topic::{OffsetReset, Topic};
pub use topology::{Builder, Topology};
pub use window::{SessionWindow, TimeWindow, Windowed};
