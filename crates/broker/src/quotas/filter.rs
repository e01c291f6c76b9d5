//! Which entities `DescribeClientQuotas` asks for.

use headwater_protocol::ErrorCode;

use super::entity::{Entity, EntityType, Part, refused};
use crate::metadata::Refused;

/// What a part of an entity has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Exact(String),
    Default,
    /// Any name, or the default.
    Any,
}

impl Match {
    /// From the wire: 0 a name, 1 the default, 2 any.
    pub(crate) fn from_wire(match_type: i8, name: Option<&str>) -> Result<Match, Refused> {
        match (match_type, name) {
            (0, Some(name)) => Ok(Match::Exact(name.to_owned())),
            (0, None) => Err(refused(
                "Request specified MATCH_TYPE_EXACT, but set match string to null.",
            )),
            (1, None) => Ok(Match::Default),
            (1, Some(_)) => Err(refused(
                "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.",
            )),
            (2, None) => Ok(Match::Any),
            (2, Some(_)) => Err(refused(
                "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.",
            )),
            _ => Err(refused(format!("Unknown match type {match_type}"))),
        }
    }
}

/// All parts named have to match; a strict filter allows no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    parts: Vec<(EntityType, Match)>,
}

impl Filter {
    /// Adds a part, whose own fault, if it has one, is told after those of its type.
    pub(crate) fn add(
        &mut self,
        type_name: &str,
        wanted: Result<Match, Refused>,
    ) -> Result<(), Refused> {
        if type_name.is_empty() {
            return Err(refused("Invalid empty entity type."));
        }
        let entity_type = EntityType::from_name(type_name).ok_or_else(|| {
            Refused::new(
                ErrorCode::UnsupportedVersion,
                format!("Unsupported entity type {type_name}"),
            )
        })?;
        if self.parts.iter().any(|(known, _)| *known == entity_type) {
            return Err(refused(format!(
                "Entity type {type_name} cannot appear more than once in the filter."
            )));
        }
        self.parts.push((entity_type, wanted?));
        let has = |wanted| self.parts.iter().any(|(known, _)| *known == wanted);
        if has(EntityType::Ip) && self.parts.len() > 1 {
            return Err(refused(
                "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.",
            ));
        }
        Ok(())
    }

    /// Whether the entity has all the parts asked for.
    pub(crate) fn matches(&self, entity: &Entity) -> bool {
        self.parts.iter().all(
            |(entity_type, wanted)| match (entity.part(*entity_type), wanted) {
                (Part::Absent, _) => false,
                (Part::Named(name), Match::Exact(wanted)) => name == wanted,
                (Part::Default, Match::Default) | (_, Match::Any) => true,
                _ => false,
            },
        )
    }

    /// The same, and it has no others.
    pub(crate) fn matches_strictly(&self, entity: &Entity) -> bool {
        entity.parts().count() == self.parts.len() && self.matches(entity)
    }
}
