//! Features: what clients may rely on, finalized at a level that holds across restarts (KIP-584).
//!
//! A feature is offered up to the level this node serves honestly. Those that go with share
//! groups, streams groups and a changing set of controllers are known at level 0 only.

use std::collections::BTreeMap;

use headwater_log::Position;
use headwater_protocol::ErrorCode;

use super::image::{Image, ResourceType};
use super::record::{ConfigRecord, FeatureLevelRecord, MetadataRecord};
use super::{Change, Metadata, Refused};
use crate::config::broker_value;
use crate::error::StartError;
use crate::settings::NODE_ID;

/// The feature after which KRaft's own records are numbered.
const METADATA_VERSION: &str = "metadata.version";
/// With it Kafka keeps `min.insync.replicas` for the whole cluster.
pub(super) const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";

/// A feature and its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SupportedFeature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
    /// The level of a new data directory.
    initial: i16,
}

const fn row(name: &'static str, min: i16, max: i16, initial: i16) -> SupportedFeature {
    SupportedFeature {
        name,
        min,
        max,
        initial,
    }
}

/// The features of Apache Kafka 4.3.
pub(crate) const FEATURES: &[SupportedFeature] = &[
    row(ELIGIBLE_LEADER_REPLICAS, 0, 1, 1),
    row("group.version", 0, 1, 1),
    row("kraft.version", 0, 0, 0),
    row(METADATA_VERSION, 7, 30, 30),
    row("share.version", 0, 0, 0),
    row("streams.version", 0, 0, 0),
    row("transaction.version", 0, 2, 2),
];

/// In which direction a level may go, numbered as in `UpdateFeaturesRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpgradeType {
    Unknown,
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    /// The type of that number.
    pub(crate) fn from_wire(number: i8) -> UpgradeType {
        match number {
            1 => Self::Upgrade,
            2 => Self::SafeDowngrade,
            3 => Self::UnsafeDowngrade,
            _ => Self::Unknown,
        }
    }
}

/// A level asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeatureUpdate {
    pub(crate) name: String,
    pub(crate) level: i16,
    pub(crate) upgrade_type: UpgradeType,
}

/// The levels as a client is told them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FinalizedFeatures {
    /// Name and level, without those at level 0.
    pub(crate) levels: Vec<(&'static str, i16)>,
    /// Grows with every change of the metadata.
    pub(crate) epoch: i64,
    /// What a reply that shows them has to wait for.
    pub(crate) position: Position,
}

impl Metadata {
    /// The level at which a feature is finalized; 0 for one that is not.
    pub(crate) fn feature(&self, name: &str) -> i16 {
        self.image().feature(name)
    }

    /// Every finalized feature.
    pub(crate) fn finalized_features(&self) -> FinalizedFeatures {
        let image = self.image();
        let levels = FEATURES
            .iter()
            .map(|feature| (feature.name, image.feature(feature.name)))
            .filter(|(_, level)| *level > 0)
            .collect();
        FinalizedFeatures {
            levels,
            epoch: image.end_offset().saturating_sub(1),
            position: image.features_position(),
        }
    }

    /// Brings features to other levels, all or none.
    pub(crate) fn update_features(
        &self,
        updates: &[FeatureUpdate],
        change: Change,
    ) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let records = update(&image, updates)?;
        match change {
            Change::Validate => Ok(Position::ZERO),
            Change::Apply => self.commit(&mut writer, &image, &records),
        }
    }

    /// Gives a data directory that has no features yet those of this version.
    pub(super) fn finalize_initial_features(&self) -> Result<(), StartError> {
        let mut writer = self.writer();
        let image = self.image();
        if image.feature(METADATA_VERSION) > 0 {
            return Ok(());
        }
        let mut records: Vec<MetadataRecord> = FEATURES
            .iter()
            .filter(|feature| feature.initial > 0)
            .map(|feature| level_record(feature.name, feature.initial))
            .collect();
        let name = "min.insync.replicas";
        if image.configs(ResourceType::Broker, "").get(name).is_none() {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceType::Broker as i8,
                resource_name: String::new(),
                name: name.to_owned(),
                value: broker_value(name, image.dynamic_configs(&self.fixed)),
            }));
        }
        self.commit(&mut writer, &image, &records)
            .map(|_| ())
            .map_err(|refused| StartError::Metadata {
                reason: refused.message,
            })
    }
}

/// The records that bring the features to the levels asked for.
fn update(image: &Image, updates: &[FeatureUpdate]) -> Result<Vec<MetadataRecord>, Refused> {
    // A feature named twice gets the last level, as in Kafka.
    let updates: BTreeMap<&str, &FeatureUpdate> = updates
        .iter()
        .map(|update| (update.name.as_str(), update))
        .collect();
    updates
        .into_values()
        .map(|update| {
            check(update, image.feature(&update.name))
                .map(|()| level_record(&update.name, update.level))
                .map_err(|reason| Refused::new(ErrorCode::InvalidUpdateVersion, reason))
        })
        .collect()
}

fn check(update: &FeatureUpdate, current: i16) -> Result<(), String> {
    let FeatureUpdate { name, level, .. } = update;
    let invalid = |reason: &str| {
        Err(format!(
            "Invalid update version {level} for feature {name}. {reason}"
        ))
    };
    if update.upgrade_type == UpgradeType::Unknown {
        return invalid("The upgrade type is not known.");
    }
    if *level < 0 {
        return invalid("A level cannot be less than 0.");
    }
    match FEATURES.iter().find(|feature| feature.name == *name) {
        None if *level == 0 => return invalid(&format!("Feature {name} not found.")),
        None => return invalid(&format!("Node {NODE_ID} does not support this feature.")),
        Some(SupportedFeature { min, max, .. }) if !(*min..=*max).contains(level) => {
            return invalid(&format!(
                "Node {NODE_ID} only supports versions {min}-{max}"
            ));
        }
        Some(_) => {}
    }
    let upgrades = update.upgrade_type == UpgradeType::Upgrade;
    if *level < current && upgrades {
        return invalid("A lower level needs the upgrade type of a safe or unsafe downgrade.");
    }
    if *level > current && !upgrades {
        return invalid("A downgrade cannot lead to a higher level.");
    }
    if name == METADATA_VERSION && *level < current {
        let reason = match update.upgrade_type {
            UpgradeType::UnsafeDowngrade => "An unsafe downgrade of the metadata is not supported.",
            _ => "The downgrade is refused because it might lose metadata.",
        };
        return Err(format!(
            "Unsupported metadata.version downgrade from {current} to {level}. {reason}"
        ));
    }
    Ok(())
}

fn level_record(name: &str, level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: name.to_owned(),
        feature_level: level,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, level: i16, upgrade_type: UpgradeType, current: i16) -> Option<String> {
        let update = FeatureUpdate {
            name: name.to_owned(),
            level,
            upgrade_type,
        };
        check(&update, current).err()
    }

    #[test]
    fn a_feature_moves_only_in_the_direction_asked_for_and_within_its_levels() {
        use UpgradeType::{SafeDowngrade, Unknown, UnsafeDowngrade, Upgrade};
        for (name, level, upgrade_type, current) in [
            ("transaction.version", 2, Upgrade, 0),
            ("transaction.version", 2, Upgrade, 2),
            ("transaction.version", 1, SafeDowngrade, 2),
            ("transaction.version", 0, UnsafeDowngrade, 2),
            ("group.version", 1, SafeDowngrade, 1),
            ("metadata.version", 30, Upgrade, 30),
        ] {
            assert_eq!(refused(name, level, upgrade_type, current), None, "{name}");
        }
        for (name, level, upgrade_type, current, reason) in [
            (
                "transaction.version",
                3,
                Upgrade,
                2,
                "only supports versions 0-2",
            ),
            (
                "transaction.version",
                1,
                Upgrade,
                2,
                "a safe or unsafe downgrade",
            ),
            ("transaction.version", 2, SafeDowngrade, 1, "a higher level"),
            (
                "transaction.version",
                2,
                Unknown,
                2,
                "upgrade type is not known",
            ),
            ("transaction.version", -1, Upgrade, 2, "less than 0"),
            ("share.version", 1, Upgrade, 0, "only supports versions 0-0"),
            ("nope", 1, Upgrade, 0, "does not support this feature"),
            ("nope", 0, SafeDowngrade, 0, "Feature nope not found."),
            (
                "metadata.version",
                29,
                SafeDowngrade,
                30,
                "might lose metadata",
            ),
            ("metadata.version", 29, UnsafeDowngrade, 30, "not supported"),
            (
                "metadata.version",
                31,
                Upgrade,
                30,
                "only supports versions 7-30",
            ),
        ] {
            let text = refused(name, level, upgrade_type, current).unwrap();
            assert!(text.contains(reason), "{text}");
        }
    }

    #[test]
    fn one_refused_feature_refuses_them_all() {
        let upgrade = |name: &str, level| FeatureUpdate {
            name: name.to_owned(),
            level,
            upgrade_type: UpgradeType::Upgrade,
        };
        let image = Image::new();
        let both = [upgrade("group.version", 1), upgrade("nope", 1)];
        let refusal = update(&image, &both).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidUpdateVersion);
        assert_eq!(update(&image, &both[..1]).unwrap().len(), 1);
    }

    #[test]
    fn initial_levels_are_within_what_is_supported() {
        for feature in FEATURES {
            assert!((feature.min..=feature.max).contains(&feature.initial));
        }
    }
}
