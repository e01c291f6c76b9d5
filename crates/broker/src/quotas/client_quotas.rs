//! The quotas that are set, and which of them applies to a client.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Quota;
use super::entity::{Entity, Part};

/// The values of one entity by quota key.
pub(crate) type QuotaValues = BTreeMap<String, f64>;

/// All quotas, by entity. Nothing empty is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClientQuotas {
    entities: BTreeMap<Entity, QuotaValues>,
}

/// A limit and who shares it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limited {
    pub(crate) limit: f64,
    /// The client measured: with `user` and `client_id` absent where all of them count together.
    pub(crate) user: Option<String>,
    pub(crate) client_id: Option<String>,
}

impl ClientQuotas {
    /// Replay: a quota was set, or with no value removed.
    pub(crate) fn set(&mut self, entity: Entity, key: &str, value: Option<f64>) {
        match value {
            Some(value) => {
                let values = self.entities.entry(entity).or_default();
                values.insert(key.to_owned(), value);
            }
            None => {
                if let Some(values) = self.entities.get_mut(&entity) {
                    values.remove(key);
                    if values.is_empty() {
                        self.entities.remove(&entity);
                    }
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    pub(crate) fn values(&self, entity: &Entity) -> Option<&QuotaValues> {
        self.entities.get(entity)
    }

    pub(crate) fn entities(&self) -> impl Iterator<Item = (&Entity, &QuotaValues)> {
        self.entities.iter()
    }

    /// The quota of the client. The most specific one counts, the user before the client id:
    ///
    /// ```text
    /// 1 user, client id    4 default user, client id            7 client id
    /// 2 user, default id   5 default user, default client id    8 default client id
    /// 3 user               6 default user
    /// ```
    pub(crate) fn limit(&self, quota: Quota, user: &str, client_id: &str) -> Option<Limited> {
        if self.is_empty() {
            return None;
        }
        let users = [Part::named(user), Part::Default, Part::Absent];
        for user_part in users {
            // An empty client id is nobody's name, but falls under the default.
            let ids = [Part::named(client_id), Part::Default, Part::Absent];
            for id_part in ids {
                let entity = Entity {
                    user: user_part.clone(),
                    client_id: id_part,
                    ip: Part::Absent,
                };
                let values = self.entities.get(&entity);
                if let Some(limit) = values.and_then(|values| values.get(quota.key())) {
                    let counted =
                        |part: &Part, name: &str| (*part != Part::Absent).then(|| name.to_owned());
                    return Some(Limited {
                        limit: *limit,
                        user: counted(&entity.user, user),
                        client_id: counted(&entity.client_id, client_id),
                    });
                }
            }
        }
        None
    }

    /// Connections a second that an address may make.
    pub(crate) fn connection_limit(&self, address: IpAddr) -> Option<f64> {
        if self.is_empty() {
            return None;
        }
        let of = |ip: Part| {
            let entity = Entity {
                ip,
                ..Entity::default()
            };
            let values = self.entities.get(&entity)?;
            values.get(Quota::ConnectionCreationRate.key()).copied()
        };
        of(Part::Named(address.to_canonical().to_string())).or_else(|| of(Part::Default))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(user: Option<&str>, client_id: Option<&str>) -> Entity {
        let part = |name: Option<&str>| match name {
            None => Part::Absent,
            Some("*") => Part::Default,
            Some(name) => Part::named(name),
        };
        Entity {
            user: part(user),
            client_id: part(client_id),
            ip: Part::Absent,
        }
    }

    /// From the most to the least specific, as Kafka's documentation lists them.
    const PRECEDENCE: [(Option<&str>, Option<&str>); 8] = [
        (Some("alice"), Some("app")),
        (Some("alice"), Some("*")),
        (Some("alice"), None),
        (Some("*"), Some("app")),
        (Some("*"), Some("*")),
        (Some("*"), None),
        (None, Some("app")),
        (None, Some("*")),
    ];

    #[test]
    fn the_most_specific_quota_counts_and_says_who_shares_it() {
        let mut quotas = ClientQuotas::default();
        for (index, (user, client_id)) in PRECEDENCE.into_iter().enumerate().rev() {
            let limit = 100.0 + index as f64;
            quotas.set(entity(user, client_id), "producer_byte_rate", Some(limit));
            let found = quotas
                .limit(Quota::ProducerByteRate, "alice", "app")
                .unwrap();
            let expected = Limited {
                limit,
                user: user.map(|_| "alice".to_owned()),
                client_id: client_id.map(|_| "app".to_owned()),
            };
            assert_eq!(found, expected, "{user:?} {client_id:?}");
        }
        for (index, (user, client_id)) in PRECEDENCE.into_iter().enumerate() {
            quotas.set(entity(user, client_id), "producer_byte_rate", None);
            let next = quotas.limit(Quota::ProducerByteRate, "alice", "app");
            let expected = (index < 7).then_some(101.0 + index as f64);
            assert_eq!(next.map(|next| next.limit), expected);
        }
        assert!(quotas.is_empty());
    }

    #[test]
    fn others_are_not_limited_by_a_quota_with_a_name() {
        let mut quotas = ClientQuotas::default();
        quotas.set(entity(Some("alice"), None), "producer_byte_rate", Some(1.0));
        quotas.set(entity(None, Some("app")), "producer_byte_rate", Some(2.0));
        let limit = |quota, user, client_id| {
            quotas
                .limit(quota, user, client_id)
                .map(|found| found.limit)
        };
        assert_eq!(limit(Quota::ProducerByteRate, "bob", "other"), None);
        assert_eq!(limit(Quota::ConsumerByteRate, "alice", "app"), None);
        assert_eq!(limit(Quota::ProducerByteRate, "bob", "app"), Some(2.0));
        assert_eq!(limit(Quota::ProducerByteRate, "alice", "app"), Some(1.0));
    }

    #[test]
    fn an_address_has_its_own_quota_or_the_default_one() {
        let mut quotas = ClientQuotas::default();
        let ip = |ip| Entity {
            ip,
            ..Entity::default()
        };
        let key = "connection_creation_rate";
        quotas.set(ip(Part::Default), key, Some(5.0));
        quotas.set(ip(Part::named("10.0.0.1")), key, Some(1.0));
        let limit = |address: &str| quotas.connection_limit(address.parse().unwrap());
        assert_eq!(limit("10.0.0.1"), Some(1.0));
        assert_eq!(limit("::ffff:10.0.0.1"), Some(1.0));
        assert_eq!(limit("10.0.0.2"), Some(5.0));
    }
}
