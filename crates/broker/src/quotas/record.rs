//! The record of `__cluster_metadata` that sets or removes a quota, in the shape of KRaft's.

use headwater_protocol::Message;

use super::client_quotas::ClientQuotas;
use super::entity::Entity;

/// One quota of one entity.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct ClientQuotaRecord {
    entity: Vec<ClientQuotaEntity>,
    key: String,
    value: f64,
    /// If set, the value is not looked at.
    remove: bool,
}

/// A part of the entity.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = 0)]
pub(crate) struct ClientQuotaEntity {
    entity_type: String,
    /// Null: the default.
    entity_name: Option<String>,
}

impl ClientQuotaRecord {
    /// No value: the quota is removed.
    pub(crate) fn new(entity: &Entity, key: &str, value: Option<f64>) -> ClientQuotaRecord {
        let part = |(entity_type, name): (super::EntityType, Option<&str>)| ClientQuotaEntity {
            entity_type: entity_type.name().to_owned(),
            entity_name: name.map(str::to_owned),
        };
        ClientQuotaRecord {
            entity: entity.parts().map(part).collect(),
            key: key.to_owned(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        }
    }

    /// Sets the quota: the one way for quotas to change. What no version of ours writes is skipped.
    pub(crate) fn replay(&self, quotas: &mut ClientQuotas) {
        let parts = self.entity.iter();
        let parts = parts.map(|part| (part.entity_type.as_str(), part.entity_name.as_deref()));
        if let Ok(entity) = Entity::from_parts(parts) {
            quotas.set(entity, &self.key, (!self.remove).then_some(self.value));
        }
    }
}
