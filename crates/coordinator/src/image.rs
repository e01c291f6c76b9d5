//! What consumer groups know of the cluster: topics by name and id, and configs of groups.
//!
//! The broker hands in an image of one moment; nothing here ever asks for a newer one.

use std::fmt::Debug;

use headwater_protocol::Uuid;

/// The dynamic config of a group that replaces `group.consumer.session.timeout.ms`.
pub(crate) const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
/// The dynamic config of a group that replaces `group.consumer.heartbeat.interval.ms`.
pub(crate) const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";

/// A topic as groups see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicImage {
    pub id: Uuid,
    /// How many: they are numbered from 0.
    pub partitions: i32,
}

/// The cluster at one moment. Never changes once it was handed in.
pub trait ClusterImage: Debug + Send + Sync {
    /// Larger in every later image that differs.
    fn version(&self) -> i64;

    /// The topic of that name.
    fn topic(&self, name: &str) -> Option<TopicImage>;

    /// The name of the topic with that id.
    fn topic_name(&self, id: Uuid) -> Option<&str>;

    /// The names of all topics, in order.
    fn topic_names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// A value set on the config resource of type `GROUP` by that name.
    fn group_config(&self, group_id: &str, name: &str) -> Option<&str>;
}

/// A cluster without topics: what a coordinator has before it is given another.
#[derive(Debug)]
pub(crate) struct NoCluster;

impl ClusterImage for NoCluster {
    fn version(&self) -> i64 {
        -1
    }

    fn topic(&self, _name: &str) -> Option<TopicImage> {
        None
    }

    fn topic_name(&self, _id: Uuid) -> Option<&str> {
        None
    }

    fn topic_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(std::iter::empty())
    }

    fn group_config(&self, _group_id: &str, _name: &str) -> Option<&str> {
        None
    }
}
