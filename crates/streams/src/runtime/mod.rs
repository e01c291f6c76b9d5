//! Runs topologies: tasks, the workers they live on, and their clients.

mod admin;
mod app;
mod assignment;
#[expect(unsafe_code, reason = "librdkafka's C interface")]
mod client;
mod clocks;
mod commit;
mod config;
#[expect(unsafe_code, reason = "batches are read by librdkafka's C interface")]
mod consumer;
pub(crate) mod dead_letter;
mod ending;
mod globals;
mod group;
mod instance;
mod instances;
mod metrics;
#[expect(unsafe_code, reason = "records are sent by librdkafka's C interface")]
mod producer;
mod progress;
#[expect(unsafe_code, reason = "a handle on librdkafka's memory")]
mod raw_record;
mod record_queue;
mod reset;
mod restore;
mod run_state;
mod running;
mod running_task;
mod standby;
mod state_directory;
pub mod task;
#[cfg(test)]
mod test_store;
mod topic_limits;
mod topic_partition;
mod topic_watch;
mod topics;
mod worker;

pub use app::App;
pub(crate) use client::ClientError;
pub(crate) use clocks::MAX_CLOCKS;
pub use config::{Guarantee, Membership, WorkerFailure};
pub(crate) use consumer::{Consumer, StartOffset};
pub(crate) use instance::Instance;
pub use instances::InstanceInfo;
pub use metrics::{Metrics, TaskMetrics, WorkerSnapshot};
pub use progress::RestoreProgress;
pub use reset::Reset;
pub use run_state::State;
pub use running::Running;
pub use task::TaskId;
pub use topic_partition::TopicPartition;
