//! The bodies of requests and responses, one file per API, named after it.
//!
//! Each file owns its structs, the versions served and the answer that refuses everything; never
//! what a handler does. Names, types and version ranges are those of Kafka's schemas.
//!
//! A nullable field without a default of its own is null by default where every version allows it;
//! a nullable array, and text that some version needs, is empty by default.

pub mod api_versions;
pub mod consumer_protocol;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_topic_partitions;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sync_group;
