//! The metadata as of one moment: what `replay` has made of the log so far.
//!
//! An image is never changed once it is published; the writer clones the last one, replays onto
//! the clone and publishes that. Topics are shared between images.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use headwater_log::Position;
use headwater_protocol::Uuid;

use super::record::MetadataRecord;
use crate::config::{DynamicConfigs, StaticConfigs};
use crate::quotas::ClientQuotas;
use crate::security::{Acls, ScramCredential, ScramMechanism};
use crate::settings::NODE_ID;

/// The topic in which groups and their offsets are kept.
pub(crate) const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The topic in which transactions are kept.
pub(crate) const TRANSACTION_STATE: &str = "__transaction_state";
/// The metadata's own log, which is not a topic to clients.
pub(crate) const CLUSTER_METADATA: &str = "__cluster_metadata";

type Values = BTreeMap<String, String>;
type ScramCredentials = BTreeMap<(String, ScramMechanism), ScramCredential>;

static NO_VALUES: LazyLock<Values> = LazyLock::new(Values::new);

/// Whether a topic is one of those that coordinators keep their state in.
pub(crate) fn is_internal(name: &str) -> bool {
    name == CONSUMER_OFFSETS || name == TRANSACTION_STATE
}

/// What a config belongs to, numbered as in `ConfigRecord` and the config requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub(crate) enum ResourceType {
    Topic = 2,
    Broker = 4,
    /// Nothing of it is kept: log levels last as long as the process.
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceType {
    /// The resource type of that number.
    pub(crate) fn from_wire(number: i8) -> Option<ResourceType> {
        match number {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            8 => Some(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// `__consumer_offsets` or `__transaction_state`: visible, but not writable by clients.
    pub(crate) internal: bool,
    /// Index is the partition's number.
    pub(crate) partitions: Vec<TopicPartition>,
}

/// One partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicPartition {
    pub(crate) leader_epoch: i32,
}

/// An immutable snapshot of topics, configs and producer ids.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    topics: BTreeMap<String, Arc<Topic>>,
    names: HashMap<Uuid, Arc<str>>,
    configs: BTreeMap<(ResourceType, String), Arc<Values>>,
    features: BTreeMap<String, i16>,
    client_quotas: Arc<ClientQuotas>,
    acls: Arc<Acls>,
    scram: Arc<ScramCredentials>,
    next_producer_id: i64,
    position: Position,
    features_position: Position,
    end_offset: i64,
}

impl Image {
    pub(super) fn new() -> Image {
        Image {
            topics: BTreeMap::new(),
            names: HashMap::new(),
            configs: BTreeMap::new(),
            features: BTreeMap::new(),
            client_quotas: Arc::default(),
            acls: Arc::default(),
            scram: Arc::default(),
            next_producer_id: 0,
            position: Position::ZERO,
            features_position: Position::ZERO,
            end_offset: 0,
        }
    }

    /// The topic of that name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name).map(Arc::as_ref)
    }

    /// The topic with that id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Topic> {
        self.topic(self.names.get(&id)?)
    }

    /// Every topic, by name.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values().map(Arc::as_ref)
    }

    /// Every topic from that name on, by name.
    pub(crate) fn topics_from<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a Topic> + use<'a> {
        self.topics
            .range::<str, _>((std::ops::Bound::Included(name), std::ops::Bound::Unbounded))
            .map(|(_, topic)| topic.as_ref())
    }

    /// The values set on a resource itself.
    pub(crate) fn configs(&self, resource: ResourceType, name: &str) -> &Values {
        self.configs
            .get(&(resource, name.to_owned()))
            .map_or_else(|| &*NO_VALUES, Arc::as_ref)
    }

    /// The names of the resources of a type that have values of their own.
    pub(crate) fn configured(&self, resource: ResourceType) -> impl Iterator<Item = &str> {
        self.configs
            .range((resource, String::new())..)
            .take_while(move |((found, _), _)| *found == resource)
            .map(|((_, name), _)| name.as_str())
    }

    /// Where broker configs get their values from.
    pub(crate) fn dynamic_configs<'a>(&'a self, fixed: &'a StaticConfigs) -> DynamicConfigs<'a> {
        DynamicConfigs {
            broker: self.configs(ResourceType::Broker, &NODE_ID.to_string()),
            default_broker: self.configs(ResourceType::Broker, ""),
            fixed,
        }
    }

    /// The quotas of clients.
    pub(crate) fn client_quotas(&self) -> &ClientQuotas {
        &self.client_quotas
    }

    /// The access control entries.
    pub(crate) fn acls(&self) -> &Acls {
        &self.acls
    }

    pub(super) fn acls_mut(&mut self) -> &mut Acls {
        Arc::make_mut(&mut self.acls)
    }

    /// A user's credential for a mechanism.
    pub(crate) fn scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> Option<&ScramCredential> {
        self.scram.get(&(user.to_owned(), mechanism))
    }

    /// Every user that has a credential, once for each.
    pub(crate) fn scram_users(&self) -> impl Iterator<Item = &str> {
        self.scram.keys().map(|(user, _)| user.as_str())
    }

    pub(super) fn scram_mut(&mut self) -> &mut ScramCredentials {
        Arc::make_mut(&mut self.scram)
    }

    /// What a reply that shows this image has to wait for.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// The level of a feature; 0 if it was never set.
    pub(super) fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or_default()
    }

    /// What a reply that shows features has to wait for.
    pub(super) fn features_position(&self) -> Position {
        self.features_position
    }

    /// The offset after the last record replayed.
    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    pub(super) fn set_end_offset(&mut self, offset: i64) {
        self.end_offset = offset;
    }

    /// Notes that the records replayed since `before` are at `position`.
    pub(super) fn set_position(&mut self, before: &Image, position: Position) {
        self.position = self.position.max(position);
        if self.features != before.features {
            self.features_position = self.position;
        }
    }

    /// Applies one record: the only way in which metadata changes.
    pub(super) fn replay(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::Topic(record) => {
                let topic = Topic {
                    name: record.name.clone(),
                    id: record.topic_id,
                    internal: is_internal(&record.name),
                    partitions: Vec::new(),
                };
                self.names.insert(topic.id, Arc::from(topic.name.as_str()));
                self.topics.insert(topic.name.clone(), Arc::new(topic));
            }
            MetadataRecord::Partition(record) => {
                let name = self.names.get(&record.topic_id);
                if let Some(topic) = name.and_then(|name| self.topics.get_mut(&**name)) {
                    Arc::make_mut(topic).partitions.push(TopicPartition {
                        leader_epoch: record.leader_epoch,
                    });
                }
            }
            MetadataRecord::RemoveTopic(record) => {
                if let Some(name) = self.names.remove(&record.topic_id) {
                    self.topics.remove(&*name);
                    self.configs
                        .remove(&(ResourceType::Topic, name.to_string()));
                }
            }
            MetadataRecord::Config(record) => {
                let Some(resource) = ResourceType::from_wire(record.resource_type) else {
                    return;
                };
                let key = (resource, record.resource_name.clone());
                let values = Arc::make_mut(self.configs.entry(key.clone()).or_default());
                match &record.value {
                    Some(value) => values.insert(record.name.clone(), value.clone()),
                    None => values.remove(&record.name),
                };
                if values.is_empty() {
                    self.configs.remove(&key);
                }
            }
            MetadataRecord::FeatureLevel(record) => {
                match record.feature_level {
                    0 => self.features.remove(&record.name),
                    level => self.features.insert(record.name.clone(), level),
                };
            }
            MetadataRecord::AccessControlEntry(_)
            | MetadataRecord::RemoveAccessControlEntry(_)
            | MetadataRecord::UserScramCredential(_)
            | MetadataRecord::RemoveUserScramCredential(_) => self.replay_security(record),
            MetadataRecord::ClientQuota(record) => {
                record.replay(Arc::make_mut(&mut self.client_quotas));
            }
            MetadataRecord::ProducerIds(record) => {
                self.next_producer_id = self.next_producer_id.max(record.next_producer_id);
            }
        }
    }
}
