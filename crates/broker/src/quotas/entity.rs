//! Whom a quota is for.

use headwater_protocol::ErrorCode;

use crate::metadata::Refused;

/// A part of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EntityType {
    User,
    ClientId,
    Ip,
}

impl EntityType {
    /// Kafka's name, as requests and records have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EntityType::User => "user",
            EntityType::ClientId => "client-id",
            EntityType::Ip => "ip",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<EntityType> {
        [EntityType::User, EntityType::ClientId, EntityType::Ip]
            .into_iter()
            .find(|entity_type| entity_type.name() == name)
    }
}

/// Whether an entity has a part of some type, and which.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    #[default]
    Absent,
    /// Everybody who has no quota by name.
    Default,
    Named(String),
}

impl Part {
    pub(crate) fn named(name: &str) -> Part {
        Part::Named(name.to_owned())
    }

    /// The name, if the part has one.
    fn name(&self) -> Option<&str> {
        match self {
            Part::Absent | Part::Default => None,
            Part::Named(name) => Some(name),
        }
    }
}

/// A user, a client id, both of them, or an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entity {
    pub(super) user: Part,
    pub(super) client_id: Part,
    pub(super) ip: Part,
}

impl Entity {
    /// From types and names, as they are on the wire.
    pub(crate) fn from_parts<'a>(
        parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Entity, Refused> {
        let mut entity = Entity::default();
        for (type_name, name) in parts {
            let entity_type = EntityType::from_name(type_name).ok_or_else(|| {
                refused(format!("Unhandled client quota entity type: {type_name}"))
            })?;
            if name == Some("") {
                return Err(refused(format!("Empty {type_name} not supported")));
            }
            let part = entity.part_mut(entity_type);
            if *part != Part::Absent {
                return Err(refused(format!(
                    "Invalid client quota entity, duplicate entity entry {type_name}"
                )));
            }
            *part = name.map_or(Part::Default, Part::named);
        }
        if entity == Entity::default() {
            return Err(refused("Invalid empty client quota entity"));
        }
        Ok(entity)
    }

    /// Its types and names, null for the default, as they are on the wire.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (EntityType, Option<&str>)> {
        let types = [EntityType::User, EntityType::ClientId, EntityType::Ip];
        types
            .into_iter()
            .filter(|entity_type| *self.part(*entity_type) != Part::Absent)
            .map(|entity_type| (entity_type, self.part(entity_type).name()))
    }

    pub(crate) fn part(&self, entity_type: EntityType) -> &Part {
        match entity_type {
            EntityType::User => &self.user,
            EntityType::ClientId => &self.client_id,
            EntityType::Ip => &self.ip,
        }
    }

    fn part_mut(&mut self, entity_type: EntityType) -> &mut Part {
        match entity_type {
            EntityType::User => &mut self.user,
            EntityType::ClientId => &mut self.client_id,
            EntityType::Ip => &mut self.ip,
        }
    }
}

/// A request that makes no sense.
pub(super) fn refused(message: impl Into<String>) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, message)
}
