//! Configs of what is no topic: the broker, its loggers, groups, subscriptions; and the older
//! `AlterConfigs`.

use headwater_broker::Broker;
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use headwater_protocol::messages::api_versions::ApiVersionsRequest;
use headwater_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use headwater_protocol::messages::describe_log_dirs::DescribeLogDirsRequest;
use headwater_protocol::messages::list_config_resources::ListConfigResourcesRequest;

use crate::configs::{BROKER, DELETE, SET, TOPIC, alter, describe, value};
use crate::support::wire::Wire;
use crate::support::{durable_in, ephemeral_with};

const LOGGER: i8 = 8;
const SUBSCRIPTION: i8 = 16;
const GROUP: i8 = 32;

fn code(error: ErrorCode) -> i16 {
    error.into()
}

fn replaced(kind: i8, name: &str, values: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let config = |(name, value): &(&str, Option<&str>)| AlterableConfig {
        name: (*name).to_owned(),
        value: value.map(str::to_owned),
    };
    AlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs: values.iter().map(config).collect(),
        }],
        validate_only: false,
    }
}

#[tokio::test]
async fn describe_configs_gives_every_broker_config_with_source_synonyms_type_and_documentation() {
    let broker = ephemeral_with("num.partitions", "7").await;
    let mut wire = Wire::to(&broker).await;
    let configs = describe(&mut wire, BROKER, "1", None).await.configs;
    // As many as Apache Kafka 4.3.1 describes.
    assert_eq!(configs.len(), 340);
    for config in &configs {
        assert!(
            config
                .documentation
                .as_ref()
                .is_some_and(|text| !text.is_empty())
        );
        assert_ne!(config.config_type, 0, "{}", config.name);
    }
    let find = |name: &str| configs.iter().find(|config| config.name == name).unwrap();
    let partitions = find("num.partitions");
    let synonyms: Vec<_> = partitions
        .synonyms
        .iter()
        .map(|synonym| (synonym.value.as_deref().unwrap(), synonym.source))
        .collect();
    assert_eq!(synonyms, [("7", 4), ("1", 5)]);
    assert!(partitions.read_only);
    let secret = find("ssl.keystore.password");
    assert!(secret.is_sensitive && secret.value.is_none());
    assert!(!find("log.retention.ms").read_only);
}

#[tokio::test]
async fn an_unknown_broker_config_is_kept_and_told_as_a_secret() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for name in ["1", ""] {
        let kept = ("of.a.plug.in", SET, Some("x"));
        assert_eq!(alter(&mut wire, BROKER, name, &[kept]).await, 0);
        let config = value(&mut wire, BROKER, name, "of.a.plug.in").await;
        assert_eq!((config.value, config.config_type), (None, 0));
        assert!(config.is_sensitive && config.read_only);
    }
    let gone = ("of.a.plug.in", DELETE, None);
    assert_eq!(alter(&mut wire, BROKER, "1", &[gone]).await, 0);
    let config = value(&mut wire, BROKER, "1", "of.a.plug.in").await;
    assert_eq!(config.config_source, 3);
}

#[tokio::test]
async fn what_only_one_broker_may_say_is_refused_for_all_and_the_other_way_round() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (name, config, given, error) in [
        (
            "",
            "listeners",
            Some("PLAINTEXT://:1"),
            ErrorCode::InvalidRequest,
        ),
        (
            "",
            "log.retention.hours",
            Some("1"),
            ErrorCode::InvalidRequest,
        ),
        ("", "min.insync.replicas", Some("2"), ErrorCode::None),
        ("", "min.insync.replicas", None, ErrorCode::InvalidConfig),
        (
            "1",
            "min.insync.replicas",
            Some("1"),
            ErrorCode::InvalidConfig,
        ),
        (
            "abc",
            "log.retention.ms",
            Some("1"),
            ErrorCode::InvalidRequest,
        ),
        (
            "2",
            "log.retention.ms",
            Some("1"),
            ErrorCode::InvalidRequest,
        ),
    ] {
        let operation = if given.is_some() { SET } else { DELETE };
        let answer = alter(&mut wire, BROKER, name, &[(config, operation, given)]).await;
        assert_eq!(answer, code(error), "{config} of \'{name}\'");
    }
}

#[tokio::test]
async fn a_limit_on_connections_holds_as_soon_as_it_is_changed() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (name, given) in [
        ("max.connections", "1"),
        ("max.connections.per.ip", "1"),
        ("max.connections.per.ip.overrides", "10.0.0.1:9,127.0.0.1:1"),
    ] {
        assert_eq!(
            alter(&mut wire, BROKER, "1", &[(name, SET, Some(given))]).await,
            0
        );
        let mut second = Wire::to(&broker).await;
        assert!(second.is_closed().await, "{name}");
        assert_eq!(
            alter(&mut wire, BROKER, "1", &[(name, DELETE, None)]).await,
            0
        );
        let mut third = Wire::to(&broker).await;
        let versions = third.call(0, &ApiVersionsRequest::default()).await;
        assert_eq!(versions.error_code, 0);
        drop(third);
    }
}

#[tokio::test]
async fn a_group_has_configs_before_it_exists() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let timeout = "consumer.session.timeout.ms";
    assert_eq!(
        describe(&mut wire, GROUP, "shop", None).await.configs.len(),
        17
    );
    let default = value(&mut wire, GROUP, "shop", timeout).await;
    assert_eq!(
        (default.value.as_deref(), default.config_source),
        (Some("45000"), 5)
    );
    let longer = (timeout, SET, Some("50000"));
    assert_eq!(alter(&mut wire, GROUP, "shop", &[longer]).await, 0);
    let own = value(&mut wire, GROUP, "shop", timeout).await;
    assert_eq!(
        (own.value.as_deref(), own.config_source),
        (Some("50000"), 8)
    );
    assert_eq!(own.synonyms[1].name, "group.consumer.session.timeout.ms");
    for (name, operation, error) in [
        ("shop", (timeout, SET, Some("5")), ErrorCode::InvalidConfig),
        ("shop", ("nope", SET, Some("5")), ErrorCode::InvalidConfig),
        ("", longer, ErrorCode::InvalidRequest),
    ] {
        assert_eq!(
            alter(&mut wire, GROUP, name, &[operation]).await,
            code(error)
        );
    }
    let nameless = describe(&mut wire, GROUP, "", None).await;
    assert_eq!(nameless.error_code, code(ErrorCode::InvalidRequest));
}

#[tokio::test]
async fn client_metrics_subscriptions_are_kept_and_checked() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    assert_eq!(
        describe(&mut wire, SUBSCRIPTION, "all", None)
            .await
            .configs
            .len(),
        3
    );
    let interval = |value| [("interval.ms", SET, Some(value))];
    assert_eq!(
        alter(&mut wire, SUBSCRIPTION, "all", &interval("1000")).await,
        0
    );
    let kept = value(&mut wire, SUBSCRIPTION, "all", "interval.ms").await;
    assert_eq!(
        (kept.value.as_deref(), kept.config_source),
        (Some("1000"), 7)
    );
    let refused = alter(&mut wire, SUBSCRIPTION, "all", &interval("10")).await;
    assert_eq!(refused, code(ErrorCode::InvalidRequest));
    let pattern = [("match", SET, Some("foo=a"))];
    let refused = alter(&mut wire, SUBSCRIPTION, "all", &pattern).await;
    assert_eq!(refused, code(ErrorCode::InvalidConfig));
}

#[tokio::test]
async fn loggers_are_told_with_their_levels() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let loggers = describe(&mut wire, LOGGER, "1", None).await;
    assert_eq!(loggers.error_code, 0);
    let root = loggers.configs.iter().find(|config| config.name == "root");
    assert_eq!(root.unwrap().config_source, 6);
    for name in ["", "2"] {
        let refused = describe(&mut wire, LOGGER, name, None).await;
        assert_eq!(refused.error_code, code(ErrorCode::InvalidRequest));
    }
    let unknown = [("nope", SET, Some("INFO"))];
    let refused = alter(&mut wire, LOGGER, "1", &unknown).await;
    assert_eq!(refused, code(ErrorCode::InvalidConfig));
}

#[tokio::test]
async fn the_older_alter_configs_replaces_all_of_a_resources_values() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("orders", 1, &[("retention.ms", "5"), ("segment.ms", "6")])
        .await;
    let sources = async |wire: &mut Wire| {
        let mut found = Vec::new();
        for name in ["retention.ms", "segment.ms", "flush.ms"] {
            found.push(value(wire, TOPIC, "orders", name).await.config_source);
        }
        found
    };
    let values = [("segment.ms", Some("7")), ("flush.ms", Some("8"))];
    let mut request = replaced(TOPIC, "orders", &values);
    request.validate_only = true;
    assert_eq!(wire.call(2, &request).await.responses[0].error_code, 0);
    assert_eq!(sources(&mut wire).await, [1, 1, 5]);
    request.validate_only = false;
    for version in 0..=2 {
        let response = wire.call(version, &request).await;
        assert_eq!(response.responses[0].error_code, 0);
    }
    assert_eq!(sources(&mut wire).await, [5, 1, 1]);
    for (request, error) in [
        (
            replaced(TOPIC, "orders", &[("nope", Some("1"))]),
            ErrorCode::InvalidConfig,
        ),
        (
            replaced(TOPIC, "orders", &[("flush.ms", None)]),
            ErrorCode::InvalidRequest,
        ),
        (
            replaced(TOPIC, "unknown", &[]),
            ErrorCode::UnknownTopicOrPartition,
        ),
        (replaced(LOGGER, "1", &[]), ErrorCode::InvalidRequest),
        (replaced(BROKER, "", &[]), ErrorCode::InvalidConfig),
    ] {
        let response = wire.call(2, &request).await;
        assert_eq!(response.responses[0].error_code, code(error), "{request:?}");
    }
}

#[tokio::test]
async fn config_resources_are_listed_by_type_and_version_0_knows_only_subscriptions() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let interval = [("interval.ms", SET, Some("1000"))];
    alter(&mut wire, SUBSCRIPTION, "all", &interval).await;
    let timeout = [("consumer.session.timeout.ms", SET, Some("50000"))];
    alter(&mut wire, GROUP, "shop", &timeout).await;
    let of = |resource_types: &[i8]| ListConfigResourcesRequest {
        resource_types: resource_types.to_vec(),
    };
    let mut list = async |version: i16, types: &[i8]| {
        let response = wire.call(version, &of(types)).await;
        let found = response.config_resources.into_iter();
        let found: Vec<(i8, String)> = found
            .map(|found| (found.resource_type, found.resource_name))
            .collect();
        (response.error_code, found)
    };
    let row = |kind: i8, name: &str| (kind, name.to_owned());
    assert_eq!(list(0, &[]).await, (0, vec![row(SUBSCRIPTION, "all")]));
    let all = vec![
        row(GROUP, "shop"),
        row(SUBSCRIPTION, "all"),
        row(LOGGER, "1"),
        row(BROKER, "1"),
        row(TOPIC, "orders"),
    ];
    assert_eq!(list(1, &[]).await, (0, all));
    assert_eq!(list(1, &[GROUP]).await, (0, vec![row(GROUP, "shop")]));
    let unknown = list(1, &[BROKER, 99]).await;
    assert_eq!(unknown, (code(ErrorCode::UnsupportedVersion), Vec::new()));
}

#[tokio::test]
async fn a_cordoned_directory_takes_no_new_partitions() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let directory = root.path().display().to_string();
    let cordoned = [("cordoned.log.dirs", SET, Some(directory.as_str()))];
    assert_eq!(alter(&mut wire, BROKER, "1", &cordoned).await, 0);
    let topic = CreatableTopic {
        name: "orders".to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        ..CreateTopicsRequest::default()
    };
    let refused = wire.call(7, &request).await.topics.remove(0).error_code;
    assert_eq!(refused, code(ErrorCode::InvalidReplicationFactor));
    let all = DescribeLogDirsRequest { topics: None };
    assert!(wire.call(5, &all).await.results[0].is_cordoned);
    let free = [("cordoned.log.dirs", DELETE, None)];
    assert_eq!(alter(&mut wire, BROKER, "1", &free).await, 0);
    assert_eq!(wire.call(7, &request).await.topics[0].error_code, 0);
    broker.stop().await.unwrap();
}
