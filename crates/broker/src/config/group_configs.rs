//! The table of group configs, those of Kafka 4.3: what a group may set for itself within the
//! limits the broker sets.

use std::collections::BTreeMap;

use super::definition::{ConfigDefinition, ConfigType, Constraint, Update, Use};
use super::effective::{DynamicConfigs, broker_value, group_value};

/// The group config of that name.
pub(crate) fn group_config(name: &str) -> Option<&'static ConfigDefinition> {
    GROUP_CONFIGS.iter().find(|config| config.name == name)
}

/// A config, the broker configs that bound it from below and above.
type Bounds = (&'static str, Option<&'static str>, Option<&'static str>);

#[rustfmt::skip]
const BOUNDS: &[Bounds] = &[
    ("consumer.heartbeat.interval.ms", Some("group.consumer.min.heartbeat.interval.ms"), Some("group.consumer.max.heartbeat.interval.ms")),
    ("consumer.session.timeout.ms", Some("group.consumer.min.session.timeout.ms"), Some("group.consumer.max.session.timeout.ms")),
    ("consumer.assignment.interval.ms", Some("group.consumer.min.assignment.interval.ms"), Some("group.consumer.max.assignment.interval.ms")),
    ("share.heartbeat.interval.ms", Some("group.share.min.heartbeat.interval.ms"), Some("group.share.max.heartbeat.interval.ms")),
    ("share.session.timeout.ms", Some("group.share.min.session.timeout.ms"), Some("group.share.max.session.timeout.ms")),
    ("share.record.lock.duration.ms", Some("group.share.min.record.lock.duration.ms"), Some("group.share.max.record.lock.duration.ms")),
    ("share.delivery.count.limit", Some("group.share.min.delivery.count.limit"), Some("group.share.max.delivery.count.limit")),
    ("share.partition.max.record.locks", Some("group.share.min.partition.max.record.locks"), Some("group.share.max.partition.max.record.locks")),
    ("share.assignment.interval.ms", Some("group.share.min.assignment.interval.ms"), Some("group.share.max.assignment.interval.ms")),
    ("streams.heartbeat.interval.ms", Some("group.streams.min.heartbeat.interval.ms"), Some("group.streams.max.heartbeat.interval.ms")),
    ("streams.session.timeout.ms", Some("group.streams.min.session.timeout.ms"), Some("group.streams.max.session.timeout.ms")),
    ("streams.num.standby.replicas", None, Some("group.streams.max.standby.replicas")),
    ("streams.assignment.interval.ms", Some("group.streams.min.assignment.interval.ms"), Some("group.streams.max.assignment.interval.ms")),
];

/// Checks all of a group's own configs together; the error is fit for a client.
pub(crate) fn validate_group_configs(
    own: &BTreeMap<String, String>,
    dynamic: DynamicConfigs<'_>,
) -> Result<(), String> {
    for (name, value) in own {
        group_config(name)
            .ok_or_else(|| format!("Unknown group config name: {name}"))?
            .validate(value)?;
    }
    let of_broker = |name: &str| broker_value(name, dynamic)?.trim().parse::<i64>().ok();
    for (name, least, most) in BOUNDS {
        let Some(value) = own
            .get(*name)
            .and_then(|value| value.trim().parse::<i64>().ok())
        else {
            continue;
        };
        if let Some(least) = least.filter(|least| of_broker(least).is_some_and(|it| value < it)) {
            return Err(format!("{name} must be greater than or equal to {least}"));
        }
        if let Some(most) = most.filter(|most| of_broker(most).is_some_and(|it| value > it)) {
            return Err(format!("{name} must be less than or equal to {most}"));
        }
    }
    for kind in ["consumer", "share", "streams"] {
        let value = |name: &str| {
            let value = group_value(group_config(name)?, own, dynamic);
            value.trim().parse::<i64>().ok()
        };
        let session = format!("{kind}.session.timeout.ms");
        let heartbeat = format!("{kind}.heartbeat.interval.ms");
        if value(&session) <= value(&heartbeat) {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

const fn row(
    used: Use,
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    constraint: Constraint,
    broker_synonym: Option<&'static str>,
    documentation: &'static str,
) -> ConfigDefinition {
    ConfigDefinition {
        name,
        kind,
        default: Some(default),
        constraint,
        update: Update::Resource,
        used,
        broker_synonym,
        documentation,
    }
}

use ConfigType::{Boolean, Int, String as Text};
use Constraint::{Any, AtLeast, OffsetReset, OneOf};
use Use::{Honoured, Reported};

/// Every group config, by name.
#[rustfmt::skip]
pub(crate) const GROUP_CONFIGS: &[ConfigDefinition] = &[
    row(Reported, "consumer.assignment.interval.ms", Int, "1000", AtLeast(0), Some("group.consumer.assignment.interval.ms"),
        "The shortest time between two assignments of this consumer group."),
    row(Honoured, "consumer.heartbeat.interval.ms", Int, "5000", AtLeast(1), Some("group.consumer.heartbeat.interval.ms"),
        "How often this consumer group's members are told to send a heartbeat."),
    row(Honoured, "consumer.session.timeout.ms", Int, "45000", AtLeast(1), Some("group.consumer.session.timeout.ms"),
        "How long a member of this consumer group may be silent before it is removed."),
    row(Reported, "share.assignment.interval.ms", Int, "1000", AtLeast(0), Some("group.share.assignment.interval.ms"),
        "The shortest time between two assignments of this share group."),
    row(Reported, "share.auto.offset.reset", Text, "latest", OffsetReset, None,
        "Where this share group begins in a partition it has not read: earliest, latest or a time ago."),
    row(Reported, "share.delivery.count.limit", Int, "5", AtLeast(2), Some("group.share.delivery.count.limit"),
        "How often this share group delivers a record before it gives up."),
    row(Reported, "share.heartbeat.interval.ms", Int, "5000", AtLeast(1), Some("group.share.heartbeat.interval.ms"),
        "How often this share group's members send a heartbeat."),
    row(Reported, "share.isolation.level", Text, "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), None,
        "Whether this share group sees only what was committed."),
    row(Reported, "share.partition.max.record.locks", Int, "2000", AtLeast(100), Some("group.share.partition.max.record.locks"),
        "How many records of a partition this share group may have locked at once."),
    row(Reported, "share.record.lock.duration.ms", Int, "30000", AtLeast(1000), Some("group.share.record.lock.duration.ms"),
        "How long a consumer of this share group may hold a record."),
    row(Reported, "share.renew.acknowledge.enable", Boolean, "true", Any, None,
        "Whether a consumer of this share group may ask for more time with a record."),
    row(Reported, "share.session.timeout.ms", Int, "45000", AtLeast(1), Some("group.share.session.timeout.ms"),
        "How long a member of this share group may be silent before it is removed."),
    row(Reported, "streams.assignment.interval.ms", Int, "1000", AtLeast(0), Some("group.streams.assignment.interval.ms"),
        "The shortest time between two assignments of this streams group."),
    row(Reported, "streams.heartbeat.interval.ms", Int, "5000", AtLeast(1), Some("group.streams.heartbeat.interval.ms"),
        "How often this streams group's members send a heartbeat."),
    row(Reported, "streams.initial.rebalance.delay.ms", Int, "3000", AtLeast(0), Some("group.streams.initial.rebalance.delay.ms"),
        "How long this streams group's first rebalance waits for more members."),
    row(Reported, "streams.num.standby.replicas", Int, "0", AtLeast(0), Some("group.streams.num.standby.replicas"),
        "How many standby tasks this streams group keeps of each task."),
    row(Reported, "streams.session.timeout.ms", Int, "45000", AtLeast(1), Some("group.streams.session.timeout.ms"),
        "How long a member of this streams group may be silent before it is removed."),
];
