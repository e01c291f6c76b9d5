//! Records, offsets in partitions, and the topics themselves.

use headwater_protocol::messages::create_partitions::CreatePartitionsRequest;
use headwater_protocol::messages::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use headwater_protocol::messages::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use headwater_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use headwater_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse,
};
use headwater_protocol::messages::fetch::{FetchRequest, FetchResponse};
use headwater_protocol::messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use headwater_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use headwater_protocol::messages::produce::{ProduceRequest, ProduceResponse};
use headwater_protocol::{ErrorCode, Request, Uuid};

use super::{Access, Guarded, Screened, screen_each, withhold};
use crate::security::acl::{Operation, ResourceType};

impl Guarded for ProduceRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<ProduceResponse> {
        let of_transaction = self
            .transactional_id
            .as_ref()
            .is_none_or(|id| access.transactional_id(Operation::Write, id));
        let screened = if of_transaction {
            screen_each!(
                self,
                version,
                topic_data -> responses,
                TopicAuthorizationFailed,
                |topic| access.topic_or_id(Operation::Write, &topic.name, topic.topic_id)
            )
        } else {
            let code = ErrorCode::TransactionalIdAuthorizationFailed;
            Screened::Refused(self.error_response(code, version))
        };
        match screened {
            Screened::Passed => Screened::Passed,
            // A producer that wants no answer learns of errors by losing its connection.
            _ if self.acks == 0 => Screened::Closed("a produce that is not authorized".to_owned()),
            refused => refused,
        }
    }
}

impl Guarded for FetchRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<FetchResponse> {
        // Every fetch is to be looked at whole, so this client gets no session, which it may ask
        // for but not count on.
        if self.session_epoch == 0 {
            self.session_epoch = -1;
        }
        screen_each!(
            self,
            version,
            topics -> responses,
            TopicAuthorizationFailed,
            |topic| access.topic_or_id(Operation::Read, &topic.topic, topic.topic_id)
        )
    }
}

impl Guarded for ListOffsetsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<ListOffsetsResponse> {
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Describe, &topic.name)
        })
    }
}

impl Guarded for OffsetForLeaderEpochRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<OffsetForLeaderEpochResponse> {
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Describe, &topic.topic)
        })
    }
}

impl Guarded for DescribeProducersRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<DescribeProducersResponse> {
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Read, &topic.name)
        })
    }
}

impl Guarded for DeleteRecordsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<DeleteRecordsResponse> {
        screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Delete, &topic.name)
        })
    }
}

impl Guarded for CreatePartitionsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<Self::Response> {
        screen_each!(self, version, topics -> results, TopicAuthorizationFailed, |topic| {
            access.topic(Operation::Alter, &topic.name)
        })
    }
}

impl Guarded for CreateTopicsRequest {
    fn screen(&mut self, access: &Access, version: i16) -> Screened<CreateTopicsResponse> {
        let everywhere = access.cluster(Operation::Create);
        let screened = screen_each!(self, version, topics -> topics, TopicAuthorizationFailed, |topic| {
            everywhere || access.topic(Operation::Create, &topic.name)
        });
        let access = access.clone();
        let hide_configs = move |response: &mut CreateTopicsResponse| {
            let made = response
                .topics
                .iter_mut()
                .filter(|topic| topic.error_code == 0);
            for topic in made {
                if !access.topic(Operation::DescribeConfigs, &topic.name) {
                    topic.topic_config_error_code = ErrorCode::TopicAuthorizationFailed.into();
                    topic.num_partitions = -1;
                    topic.replication_factor = -1;
                    topic.configs = None;
                }
            }
        };
        match screened {
            Screened::Passed => Screened::amended(hide_configs),
            Screened::Partly(amend) => Screened::amended(move |response| {
                amend(response);
                hide_configs(response);
            }),
            refused => refused,
        }
    }
}

impl Guarded for DeleteTopicsRequest {
    fn screen(&mut self, access: &Access, _version: i16) -> Screened<DeleteTopicsResponse> {
        if access.cluster(Operation::Delete) {
            return Screened::Passed;
        }
        let may = |name: &str| access.topic(Operation::Delete, name);
        let by_old_name = withhold(&mut self.topic_names, |name| may(name));
        let refused = withhold(&mut self.topics, |topic| match &topic.name {
            Some(name) => may(name),
            None => access.topic_or_id(Operation::Delete, "", topic.topic_id),
        });
        let image = access.metadata.image();
        let by_old_name = by_old_name.into_iter().map(|name| (Some(name), Uuid::ZERO));
        let by_name_or_id = refused.into_iter().map(|topic| {
            // The name behind an id is for those who may describe the topic.
            let name = topic.name.or_else(|| {
                let topic = image.topic_by_id(topic.topic_id)?;
                access
                    .may(Operation::Describe, ResourceType::Topic, &topic.name)
                    .then(|| topic.name.clone())
            });
            (name, topic.topic_id)
        });
        let refused: Vec<DeletableTopicResult> = by_old_name
            .chain(by_name_or_id)
            .map(|(name, topic_id)| DeletableTopicResult {
                name,
                topic_id,
                error_code: ErrorCode::TopicAuthorizationFailed.into(),
                ..DeletableTopicResult::default()
            })
            .collect();
        if refused.is_empty() {
            return Screened::Passed;
        }
        Screened::amended(|response: &mut DeleteTopicsResponse| response.responses.extend(refused))
    }
}
