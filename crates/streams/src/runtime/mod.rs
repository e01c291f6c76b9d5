//! Runs topologies: tasks, the workers they live on, and their clients.

mod admin;
#[expect(unsafe_code, reason = "librdkafka's C interface")]
mod client;
mod clocks;
#[expect(unsafe_code, reason = "batches are read by librdkafka's C interface")]
mod consumer;
pub(crate) mod dead_letter;
#[expect(unsafe_code, reason = "records are sent by librdkafka's C interface")]
mod producer;
#[expect(unsafe_code, reason = "a handle on librdkafka's memory")]
mod raw_record;
mod record_queue;
pub mod task;
#[cfg(test)]
mod test_store;
mod topic_partition;

pub(crate) use clocks::MAX_CLOCKS;
pub use task::TaskId;
pub use topic_partition::TopicPartition;
