mod documentation;

use std::collections::BTreeMap;

use super::alter::{AlterOperation, ConfigError, alter, replace};

use super::broker_configs::{BrokerScope, broker_config, broker_configs, validate_broker_configs};
use super::definition::ConfigDefinition;
use super::effective::{
    ConfigSource, DynamicConfigs, StaticConfigs, Synonym, broker_default_entries, broker_entries,
    group_entries, subscription_entries, topic_entries, topic_value,
};
use super::group_configs::{GROUP_CONFIGS, group_config, validate_group_configs};
use super::subscription_configs::{SUBSCRIPTION_CONFIGS, validate_subscription_configs};
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
    for table in [TOPIC_CONFIGS, GROUP_CONFIGS, SUBSCRIPTION_CONFIGS] {
        assert!(
            table.windows(2).all(|pair| pair[0].name < pair[1].name),
            "tables are ordered by name"
        );
    }
    let all = broker_configs()
        .chain(TOPIC_CONFIGS)
        .chain(GROUP_CONFIGS)
        .chain(SUBSCRIPTION_CONFIGS);
    for config in all {
        if let Some(default) = config.default {
            config.validate(default).unwrap();
        }
        assert!(config.documentation.ends_with('.'), "{}", config.name);
    }
}

/// What a running Apache Kafka 4.3.1 defines: kind of resource, name, type, update mode, default.
#[test]
fn every_config_that_kafka_documents_is_here_with_its_type_default_and_update_mode() {
    let kafka: Vec<&str> = include_str!("tests/kafka-4.3.1.tsv").lines().collect();
    let row = |kind: &str, config: &ConfigDefinition| {
        format!(
            "{kind}\t{}\t{}\t{}\t{}",
            config.name,
            config.kind,
            config.update,
            config.default.unwrap_or("null")
        )
    };
    let ours: Vec<String> = broker_configs()
        .map(|config| row("broker", config))
        .chain(TOPIC_CONFIGS.iter().map(|config| row("topic", config)))
        .chain(GROUP_CONFIGS.iter().map(|config| row("group", config)))
        .chain(
            SUBSCRIPTION_CONFIGS
                .iter()
                .map(|config| row("subscription", config)),
        )
        .collect();
    for (ours, kafka) in ours.iter().zip(&kafka) {
        assert_eq!(ours, kafka);
    }
    assert_eq!(ours.len(), kafka.len());
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
        .find(|entry| entry.name == "retention.ms")
        .unwrap();
    assert_eq!(entry.value.as_deref(), Some("1"));
    assert_eq!(entry.source, ConfigSource::Topic);
    let shown: Vec<String> = entry.synonyms.iter().map(shown).collect();
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
        .find(|entry| entry.name == "log.retention.ms")
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

fn shown(synonym: &Synonym) -> String {
    let value = synonym.value.as_deref().unwrap_or("-");
    format!("{}={value}@{:?}", synonym.name, synonym.source)
}

fn broker_error(name: &str, value: &str, scope: BrokerScope) -> String {
    with_nothing_set(|current| {
        validate_broker_configs(&map(&[(name, value)]), scope, current).unwrap_err()
    })
}

fn with_nothing_set<T>(look: impl FnOnce(DynamicConfigs<'_>) -> T) -> T {
    let (none, fixed) = (
        BTreeMap::new(),
        StaticConfigs::new(map(&[("log.dirs", "/data")])),
    );
    look(DynamicConfigs {
        broker: &none,
        default_broker: &none,
        fixed: &fixed,
    })
}

#[test]
fn broker_configs_change_at_run_time_only_as_their_update_mode_says() {
    use BrokerScope::{Broker, Default};
    for (name, value, scope, text) in [
        (
            "num.partitions",
            "3",
            Broker,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            "log.retention.hours",
            "3",
            Default,
            "Cannot update these configs dynamically",
        ),
        (
            "ssl.keystore.location",
            "/x",
            Broker,
            "only per-listener using the listener prefix",
        ),
        (
            "listeners",
            "PLAINTEXT://:1",
            Default,
            "broker id must be specified: [listeners]",
        ),
        (
            "sasl.enabled.mechanisms",
            "PLAIN",
            Default,
            "broker id must be specified",
        ),
        (
            "log.retention.ms",
            "abc",
            Broker,
            "Not a number of type LONG",
        ),
        (
            "message.max.bytes",
            "9999999999",
            Broker,
            "Not a number of type INT",
        ),
        (
            "leader.replication.throttled.rate",
            "abc",
            Default,
            "Not a number of type LONG",
        ),
        (
            "listener.name.plain.max.connections",
            "-1",
            Broker,
            "Value must be at least 0",
        ),
        (
            "max.connections.per.ip.overrides",
            "zz",
            Broker,
            "address:limit",
        ),
    ] {
        let error = broker_error(name, value, scope);
        assert!(error.contains(text), "{error}");
    }
    for (name, value) in [
        ("log.retention.ms", "-5"),
        ("listener.name.plain.max.connections", "10"),
        ("listener.name.tls.ssl.keystore.location", "/x"),
        ("max.connections.per.ip.overrides", "127.0.0.1:5,::1:7"),
        ("follower.replication.throttled.rate", "10"),
        ("of.a.plug.in", "x"),
    ] {
        let configs = map(&[(name, value)]);
        with_nothing_set(|current| validate_broker_configs(&configs, Broker, current)).unwrap();
    }
}

#[test]
fn broker_configs_must_agree_with_those_that_hold() {
    for (name, value, text) in [
        (
            "num.io.threads",
            "17",
            "greater than double the current value 8",
        ),
        ("num.io.threads", "3", "at least half the current value 8"),
        ("log.cleaner.threads", "0", "at least half"),
        (
            "log.cleaner.dedupe.buffer.size",
            "5",
            "1MB per cleaner thread",
        ),
        (
            "group.consumer.assignment.interval.ms",
            "5000000",
            "group.consumer.max.assignment.interval.ms",
        ),
        ("cordoned.log.dirs", "/nope", "Missing entries : /nope"),
    ] {
        let error = broker_error(name, value, BrokerScope::Broker);
        assert!(error.contains(text), "{error}");
    }
    for (name, value) in [
        ("num.io.threads", "16"),
        ("log.cleaner.threads", "2"),
        ("group.consumer.assignment.interval.ms", "0"),
        ("cordoned.log.dirs", "/data"),
    ] {
        let configs = map(&[(name, value)]);
        let scope = BrokerScope::Broker;
        with_nothing_set(|current| validate_broker_configs(&configs, scope, current)).unwrap();
    }
}

#[test]
fn secrets_and_what_may_be_one_are_never_shown() {
    let none = BTreeMap::new();
    let broker = map(&[
        ("of.a.plug.in", "hunter2"),
        ("sasl.jaas.config", "hunter2"),
        ("listener.name.plain.sasl.jaas.config", "hunter2"),
        ("listener.name.plain.max.connections", "10"),
    ]);
    let default_broker = map(&[("of.a.plug.in", "hunter2")]);
    let fixed = StaticConfigs::default();
    let dynamic = DynamicConfigs {
        broker: &broker,
        default_broker: &default_broker,
        fixed: &fixed,
    };
    let entries = broker_entries(dynamic);
    assert_eq!(entries.len(), broker_configs().count() + 3);
    assert!(!format!("{entries:?}").contains("hunter2"));
    assert!(!format!("{:?}", broker_default_entries(dynamic)).contains("hunter2"));
    let find = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
    let unknown = find("of.a.plug.in");
    assert_eq!((unknown.kind, unknown.documentation), (None, None));
    assert!(unknown.is_sensitive && unknown.read_only);
    let limit = find("listener.name.plain.max.connections");
    assert_eq!(limit.value.as_deref(), Some("10"));
    assert!(
        subscription_entries(&none)
            .iter()
            .all(|entry| !entry.is_sensitive)
    );
}

#[test]
fn a_group_may_set_what_the_brokers_bounds_allow() {
    let (none, fixed) = (BTreeMap::new(), StaticConfigs::default());
    let dynamic = DynamicConfigs {
        broker: &none,
        default_broker: &none,
        fixed: &fixed,
    };
    let error = |values: &[(&str, &str)]| validate_group_configs(&map(values), dynamic).err();
    for (values, text) in [
        (&[("nope", "5")][..], "Unknown group config name: nope"),
        (
            &[("consumer.session.timeout.ms", "5")],
            "greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            &[("consumer.session.timeout.ms", "99000")],
            "less than or equal to group.consumer.max.session.timeout.ms",
        ),
        (
            &[("consumer.heartbeat.interval.ms", "20000")],
            "group.consumer.max.heartbeat.interval.ms",
        ),
        (
            &[("streams.num.standby.replicas", "5")],
            "group.streams.max.standby.replicas",
        ),
        (&[("share.auto.offset.reset", "nope")], "by_duration"),
        (
            &[("consumer.session.timeout.ms", "abc")],
            "Not a number of type INT",
        ),
    ] {
        let error = error(values).unwrap();
        assert!(error.contains(text), "{error}");
    }
    for values in [
        &[("consumer.session.timeout.ms", "50000")][..],
        &[("share.auto.offset.reset", "by_duration:P1DT2H3.5S")],
        &[("share.auto.offset.reset", "earliest")],
    ] {
        assert_eq!(error(values), None);
    }
    let own = map(&[("consumer.session.timeout.ms", "50000")]);
    let entries = group_entries(&own, dynamic);
    let session = entries
        .iter()
        .find(|entry| entry.name == "consumer.session.timeout.ms");
    let session = session.unwrap();
    assert_eq!(session.source, ConfigSource::Group);
    let synonyms: Vec<String> = session.synonyms.iter().map(shown).collect();
    assert_eq!(
        synonyms,
        [
            "consumer.session.timeout.ms=50000@Group",
            "group.consumer.session.timeout.ms=45000@Default",
        ]
    );
    assert!(group_config("nope").is_none());
}

#[test]
fn a_subscription_has_an_interval_in_bounds_and_patterns_of_known_properties() {
    for (name, value, is_request) in [
        ("interval.ms", "10", true),
        ("interval.ms", "9999999", true),
        ("nope", "1", true),
        ("match", "zz", false),
        ("match", "foo=a", false),
        ("match", "client_id=[", false),
    ] {
        let error = validate_subscription_configs(&map(&[(name, value)])).unwrap_err();
        assert_eq!(
            matches!(error, ConfigError::InvalidRequest(_)),
            is_request,
            "{name}={value}"
        );
    }
    for (name, value) in [
        ("interval.ms", "100"),
        ("match", "client_id=a.*"),
        ("metrics", "*"),
    ] {
        validate_subscription_configs(&map(&[(name, value)])).unwrap();
    }
}

#[test]
fn values_given_as_a_whole_take_the_place_of_all_others() {
    let own = map(&[("retention.ms", "1"), ("segment.ms", "2")]);
    let given = |values: &[(&str, Option<&str>)]| -> Vec<(String, Option<String>)> {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect()
    };
    let changed = replace(
        &own,
        &given(&[("segment.ms", Some("2")), ("flush.ms", Some("3"))]),
    );
    assert_eq!(
        changed,
        Ok(BTreeMap::from([
            ("flush.ms".to_owned(), Some("3".to_owned())),
            ("retention.ms".to_owned(), None),
        ]))
    );
    for refused in [
        given(&[("flush.ms", None)]),
        given(&[("flush.ms", Some("1")), ("flush.ms", Some("1"))]),
    ] {
        assert!(matches!(
            replace(&own, &refused),
            Err(ConfigError::InvalidRequest(_))
        ));
    }
}
