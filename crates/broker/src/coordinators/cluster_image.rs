//! The cluster as group coordinators see it: an image of the metadata, handed in with each request
//! of a member.
//!
//! So a group learns of topics that came, went or grew with its members' next heartbeats, and a
//! coordinator that nobody asks is not bothered.

use std::sync::Arc;

use futures::future::BoxFuture;
use headwater_coordinator::{Call, ClusterImage, Effect, GroupCoordinator, TopicImage};
use headwater_protocol::{Request, Uuid};

use super::{FromResponse, Groups};
use crate::metadata::{Image, ResourceType};

impl Groups {
    /// Asks the coordinator of a group as [`Self::ask`] does, with topics and configs as of now.
    pub(crate) fn ask_with_image<R>(
        &self,
        group: &str,
        version: i16,
        request: R,
        decide: impl FnOnce(&mut GroupCoordinator, Call, &R) -> Vec<Effect>,
    ) -> BoxFuture<'static, R::Response>
    where
        R: Request + Send + 'static,
        R::Response: FromResponse + Send + 'static,
    {
        let image: Arc<Image> = self.metadata.image();
        self.ask(group, version, request, |coordinator, call, request| {
            coordinator.set_image(image);
            decide(coordinator, call, request)
        })
    }
}

impl ClusterImage for Image {
    fn version(&self) -> i64 {
        self.end_offset()
    }

    fn topic(&self, name: &str) -> Option<TopicImage> {
        let topic = Image::topic(self, name)?;
        Some(TopicImage {
            id: topic.id,
            partitions: topic.partitions.len() as i32,
        })
    }

    fn topic_name(&self, id: Uuid) -> Option<&str> {
        self.topic_by_id(id).map(|topic| topic.name.as_str())
    }

    fn topic_names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.topics().map(|topic| topic.name.as_str()))
    }

    fn group_config(&self, group_id: &str, name: &str) -> Option<&str> {
        let configs = self.configs(ResourceType::Group, group_id);
        configs.get(name).map(String::as_str)
    }
}
