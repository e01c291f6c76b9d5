use std::collections::BTreeMap;

use super::alter::{AlterOperation, ConfigError, alter};
use super::broker_configs::{BROKER_CONFIGS, broker_config};
use super::effective::{
    ConfigSource, DynamicConfigs, StaticConfigs, broker_entries, topic_entries, topic_value,
};
use super::topic_configs::{TOPIC_CONFIGS, topic_config, validate_topic_configs};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn topic_error(name: &str, value: &str) -> String {
    validate_topic_configs(&map(&[(name, value)])).unwrap_err()
}

#[test]
fn every_default_is_valid_and_every_name_is_there_once() {
    for table in [TOPIC_CONFIGS, BROKER_CONFIGS] {
        assert!(
            table.windows(2).all(|pair| pair[0].name < pair[1].name),
            "tables are ordered by name"
        );
        for config in table {
            if let Some(default) = config.default {
                config.validate(default).unwrap();
            }
            assert!(config.documentation.ends_with('.'), "{}", config.name);
        }
    }
}

#[test]
fn every_topic_config_gets_its_default_from_a_broker_config_with_the_same_default() {
    let (none, fixed) = (BTreeMap::new(), StaticConfigs::default());
    let dynamic = DynamicConfigs {
        broker: &none,
        default_broker: &none,
        fixed: &fixed,
    };
    for config in TOPIC_CONFIGS {
        if let Some(name) = config.broker_synonym {
            assert!(broker_config(name).is_some(), "{name}");
        }
        assert_eq!(
            Some(topic_value(config, &none, dynamic).as_str()),
            config.default,
            "{}",
            config.name
        );
    }
}

#[test]
fn refusals_name_the_config_and_the_reason() {
    for (name, value, text) in [
        ("nope", "1", "Unknown topic config name: nope"),
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "retention.ms",
            "-2",
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            "cleanup.policy",
            "x",
            "Invalid value x for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "min.cleanable.dirty.ratio",
            "2",
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "preallocate",
            "maybe",
            "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "compression.gzip.level",
            "77",
            "Invalid value 77 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.zstd.level",
            "99",
            "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22",
        ),
    ] {
        assert_eq!(topic_error(name, value), text);
    }
    assert!(topic_error("leader.replication.throttled.replicas", "zz").contains("literal '*'"));
    assert!(topic_error("remote.storage.enable", "true").contains("remote.storage.enable"));
}

#[test]
fn values_kafka_accepts_are_accepted() {
    for (name, value) in [
        ("cleanup.policy", ""),
        ("cleanup.policy", " compact , delete "),
        ("retention.ms", " 5 "),
        ("retention.bytes", "-5"),
        ("compression.gzip.level", "-1"),
        ("leader.replication.throttled.replicas", "0:1,1:1"),
        ("preallocate", "TRUE"),
    ] {
        validate_topic_configs(&map(&[(name, value)])).unwrap();
    }
}

#[test]
fn compaction_lags_must_not_cross() {
    let configs = map(&[
        ("min.compaction.lag.ms", "100"),
        ("max.compaction.lag.ms", "10"),
    ]);
    assert!(
        validate_topic_configs(&configs)
            .unwrap_err()
            .contains("conflict")
    );
}

#[test]
fn a_topic_value_comes_before_the_broker_values_and_they_before_the_default() {
    let own = map(&[("retention.ms", "1")]);
    let broker = map(&[("log.retention.ms", "2")]);
    let default_broker = map(&[("log.retention.ms", "3")]);
    let fixed = StaticConfigs::new(map(&[("log.retention.minutes", "4")]));
    let dynamic = DynamicConfigs {
        broker: &broker,
        default_broker: &default_broker,
        fixed: &fixed,
    };
    let entries = topic_entries(&own, dynamic);
    let entry = entries
        .iter()
        .find(|entry| entry.definition.name == "retention.ms")
        .unwrap();
    assert_eq!(entry.value.as_deref(), Some("1"));
    assert_eq!(entry.source, ConfigSource::Topic);
    let shown: Vec<String> = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}={}@{:?}", synonym.name, synonym.value, synonym.source))
        .collect();
    assert_eq!(
        shown,
        [
            "retention.ms=1@Topic",
            "log.retention.ms=2@DynamicBroker",
            "log.retention.ms=3@DynamicDefaultBroker",
            "log.retention.minutes=4@StaticBroker",
            "log.retention.hours=168@Default",
        ]
    );
}

#[test]
fn coarser_units_reach_the_topic_in_milliseconds_without_synonyms() {
    let none = BTreeMap::new();
    let fixed = StaticConfigs::new(map(&[("log.retention.minutes", "4")]));
    let dynamic = DynamicConfigs {
        broker: &none,
        default_broker: &none,
        fixed: &fixed,
    };
    let retention = topic_config("retention.ms").unwrap();
    assert_eq!(topic_value(retention, &none, dynamic), "240000");
    let entries = broker_entries(dynamic);
    let entry = entries
        .iter()
        .find(|entry| entry.definition.name == "log.retention.ms")
        .unwrap();
    assert_eq!((entry.value.as_deref(), entry.synonyms.len()), (None, 0));
}

#[test]
fn append_and_subtract_work_on_lists_only_and_start_from_the_default() {
    let run = |own: &[(&str, &str)], name: &str, operation, value: &str| {
        alter(
            &map(own),
            &[(name.to_owned(), operation, Some(value.to_owned()))],
            topic_config,
        )
    };
    let changed = |value: &str| {
        Ok(BTreeMap::from([(
            "cleanup.policy".to_owned(),
            Some(value.to_owned()),
        )]))
    };
    assert_eq!(
        run(&[], "cleanup.policy", AlterOperation::Append, "compact"),
        changed("delete,compact")
    );
    let both = [("cleanup.policy", "delete,compact")];
    assert_eq!(
        run(&both, "cleanup.policy", AlterOperation::Append, "compact"),
        Ok(BTreeMap::new())
    );
    assert_eq!(
        run(&both, "cleanup.policy", AlterOperation::Subtract, "delete"),
        changed("compact")
    );
    assert!(matches!(
        run(&[], "retention.ms", AlterOperation::Append, "1"),
        Err(ConfigError::InvalidConfig(text)) if text.contains("not LIST")
    ));
}

#[test]
fn a_config_named_twice_or_set_to_null_is_an_invalid_request() {
    let set = |value: Option<&str>| {
        (
            "retention.ms".to_owned(),
            AlterOperation::Set,
            value.map(str::to_owned),
        )
    };
    for operations in [vec![set(Some("1")), set(Some("2"))], vec![set(None)]] {
        assert!(matches!(
            alter(&BTreeMap::new(), &operations, topic_config),
            Err(ConfigError::InvalidRequest(_))
        ));
    }
}
