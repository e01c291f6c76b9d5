//! Kafka record batches, format v2: what travels on the wire is what lies on disk.
//!
//! This crate views, walks, checks, patches, builds and (de)compresses batches that are already in memory.
//! It never does I/O, keeps no state and trusts no length it reads: each is checked against the bytes that
//! are there before anything is sliced or allocated.
// A test that panics has failed; anything else must not.
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod attributes;
mod batch;
mod builder;
mod compression;
mod error;
mod header;
mod outline;
mod patch;
mod record;
mod retain;
mod varint;

pub use attributes::{Attributes, TimestampType};
pub use batch::{Batches, RecordBatch};
pub use builder::BatchBuilder;
pub use compression::{Compression, CompressionLevels};
pub use error::RecordError;
pub use header::{BatchHeader, HEADER_SIZE, LOG_OVERHEAD, MAGIC, NO_PRODUCER_ID, NO_SEQUENCE};
pub use outline::RecordOutline;
pub use patch::{set_base_offset, set_leader_epoch, set_log_append_time, set_max_timestamp};
pub use record::{Header, Record, Records};
pub use retain::{retain_header, retain_records};
