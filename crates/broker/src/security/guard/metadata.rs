//! What there is: topics, brokers and the operations that a client may do.

use headwater_protocol::messages::describe_cluster::{
    DescribeClusterRequest, DescribeClusterResponse,
};
use headwater_protocol::messages::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};
use headwater_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};
use headwater_protocol::{ErrorCode, Request};

use super::{Access, Guarded, Screened, screen_each, withhold};
use crate::security::acl::{CLUSTER_NAME, Operation, ResourceType};

impl Guarded for MetadataRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<MetadataResponse> {
        let wants_all = match &self.topics {
            None => true,
            Some(topics) => version == 0 && topics.is_empty(),
        };
        let creates = self.allow_auto_topic_creation && !access.cluster(Operation::Create);
        let mut refused = Vec::new();
        if let (false, Some(topics)) = (wants_all, &mut self.topics) {
            refused = withhold(topics, |topic| is_shown(access, topic, creates));
            if topics.is_empty() && version == 0 {
                // Without topics it would ask for all of them.
                return Screened::Refused(MetadataResponse {
                    topics: refused.into_iter().map(answer).collect(),
                    ..MetadataResponse::default()
                });
            }
        }
        let access = access.clone();
        Screened::amended(move |response: &mut MetadataResponse| {
            if wants_all {
                response.topics.retain(|topic| {
                    let name = topic.name.as_deref().unwrap_or_default();
                    access.topic(Operation::Describe, name)
                });
            }
            for topic in &mut response.topics {
                let name = topic.name.as_deref().unwrap_or_default();
                let operations = &mut topic.topic_authorized_operations;
                access.limit(operations, ResourceType::Topic, name);
            }
            limit_cluster(&access, &mut response.cluster_authorized_operations);
            response.topics.extend(refused.into_iter().map(answer));
        })
    }
}

/// Whether the client may know of the topic, and have it made if it is not there.
fn is_shown(access: &Access, topic: &MetadataRequestTopic, creates: bool) -> bool {
    // The id decides where there is one: leave for a name beside it must not open another topic.
    let name = match &topic.name {
        Some(name) if topic.topic_id.is_zero() => name.as_str(),
        _ => "",
    };
    if !access.topic_or_id(Operation::Describe, name, topic.topic_id) {
        return false;
    }
    let is_there = name.is_empty() || access.metadata.image().topic(name).is_some();
    is_there
        || !creates
        || !access.metadata.is_enabled("auto.create.topics.enable")
        || access.topic(Operation::Create, name)
}

fn answer(topic: MetadataRequestTopic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::TopicAuthorizationFailed.into(),
        name: topic.name,
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    }
}

fn limit_cluster(access: &Access, operations: &mut i32) {
    if *operations != i32::MIN && !access.cluster(Operation::Describe) {
        *operations = 0;
    }
    access.limit(operations, ResourceType::Cluster, CLUSTER_NAME);
}

impl Guarded for DescribeClusterRequest {
    fn screen(&mut self, access: &Access, _version: i16) -> Screened<DescribeClusterResponse> {
        let access = access.clone();
        Screened::amended(move |response: &mut DescribeClusterResponse| {
            limit_cluster(&access, &mut response.cluster_authorized_operations);
        })
    }
}

impl Guarded for DescribeTopicPartitionsRequest {
    fn screen(
        &mut self,
        access: &Access,
        version: i16,
    ) -> Screened<DescribeTopicPartitionsResponse> {
        let hide = {
            let access = access.clone();
            move |response: &mut DescribeTopicPartitionsResponse| {
                response.topics.retain_mut(|topic| {
                    let name = topic.name.as_deref().unwrap_or_default();
                    let operations = &mut topic.topic_authorized_operations;
                    access.limit(operations, ResourceType::Topic, name);
                    access.topic(Operation::Describe, name)
                });
            }
        };
        // None named: all of them.
        if self.topics.is_empty() {
            return Screened::amended(hide);
        }
        let screened = screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Describe, &topic.name)
        });
        match screened {
            Screened::Passed => Screened::amended(hide),
            Screened::Partly(amend) => Screened::amended(move |response| {
                hide(response);
                amend(response);
            }),
            refused => refused,
        }
    }
}
