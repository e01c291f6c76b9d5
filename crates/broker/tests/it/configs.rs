//! Configs described and changed.

use headwater_broker::{Broker, BrokerSettings, StartError};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResult,
};
use headwater_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::support::batches::batch_of_size;
use crate::support::clients::config;
use crate::support::durable_in;
use crate::support::wire::Wire;

pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
pub(crate) const SET: i8 = 0;
pub(crate) const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) async fn describe(
    wire: &mut Wire,
    kind: i8,
    name: &str,
    keys: Option<&[&str]>,
) -> DescribeConfigsResult {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    wire.call(4, &request).await.results.remove(0)
}

pub(crate) async fn value(
    wire: &mut Wire,
    kind: i8,
    name: &str,
    key: &str,
) -> DescribeConfigsResourceResult {
    let mut result = describe(wire, kind, name, Some(&[key])).await;
    assert_eq!((result.error_code, result.configs.len()), (0, 1), "{key}");
    result.configs.remove(0)
}

fn altered(
    kind: i8,
    name: &str,
    operations: &[(&str, i8, Option<&str>)],
) -> IncrementalAlterConfigsRequest {
    let configs = operations
        .iter()
        .map(|(name, operation, value)| AlterableConfig {
            name: (*name).to_owned(),
            config_operation: *operation,
            value: value.map(str::to_owned),
        })
        .collect();
    IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configs,
        }],
        validate_only: false,
    }
}

pub(crate) async fn alter(
    wire: &mut Wire,
    kind: i8,
    name: &str,
    operations: &[(&str, i8, Option<&str>)],
) -> i16 {
    let response = wire.call(1, &altered(kind, name, operations)).await;
    response.responses[0].error_code
}

#[tokio::test]
async fn describe_configs_gives_every_topic_config_with_source_synonyms_type_and_documentation() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("orders", 1, &[("retention.ms", "1000")])
        .await;
    let result = describe(&mut wire, TOPIC, "orders", None).await;
    assert_eq!((result.error_code, result.configs.len()), (0, 33));
    for config in &result.configs {
        assert!(
            config
                .documentation
                .as_ref()
                .is_some_and(|text| !text.is_empty())
        );
        assert_ne!(config.config_type, 0);
    }
    let find = |name: &str| {
        result
            .configs
            .iter()
            .find(|config| config.name == name)
            .unwrap()
    };
    let retention = find("retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("1000"), 1)
    );
    assert_eq!((retention.config_type, retention.read_only), (5, false));
    assert_eq!(retention.synonyms[0].name, "retention.ms");
    let size = find("max.message.bytes");
    let synonyms: Vec<_> = size
        .synonyms
        .iter()
        .map(|synonym| {
            (
                synonym.name.as_str(),
                synonym.value.as_deref(),
                synonym.source,
            )
        })
        .collect();
    assert_eq!(synonyms, [("message.max.bytes", Some("1048588"), 5)]);
}

#[tokio::test]
async fn keys_narrow_a_description_and_synonyms_and_texts_come_only_when_asked_for() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let result = describe(&mut wire, TOPIC, "orders", Some(&["retention.ms", "nope"])).await;
    assert_eq!(result.configs.len(), 1);
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: "orders".into(),
            configuration_keys: None,
        }],
        ..DescribeConfigsRequest::default()
    };
    let configs = wire.call(4, &request).await.results.remove(0).configs;
    assert!(
        configs
            .iter()
            .all(|config| config.synonyms.is_empty() && config.documentation.is_none())
    );
}

#[tokio::test]
async fn the_brokers_own_configs_are_described_with_what_was_fixed_at_start() {
    let broker = crate::support::ephemeral_with("num.partitions", "7").await;
    let mut wire = Wire::to(&broker).await;
    let partitions = value(&mut wire, BROKER, "1", "num.partitions").await;
    assert_eq!(
        (
            partitions.value.as_deref(),
            partitions.config_source,
            partitions.read_only
        ),
        (Some("7"), 4, true)
    );
    let retention = value(&mut wire, BROKER, "1", "log.retention.hours").await;
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("168"), 5)
    );
    let defaults = describe(&mut wire, BROKER, "", None).await;
    // Kafka keeps this one for the cluster from the first start on.
    assert_eq!((defaults.error_code, defaults.configs.len()), (0, 1));
    assert_eq!(defaults.configs[0].name, "min.insync.replicas");
}

#[tokio::test]
async fn resources_that_are_not_here_are_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (kind, name, error) in [
        (TOPIC, "unknown", ErrorCode::UnknownTopicOrPartition),
        (BROKER, "7", ErrorCode::InvalidRequest),
        (99, "x", ErrorCode::InvalidRequest),
    ] {
        let described = describe(&mut wire, kind, name, None).await;
        assert_eq!(described.error_code, i16::from(error));
        assert!(described.error_message.is_some());
        let changed = alter(&mut wire, kind, name, &[("retention.ms", SET, Some("1"))]).await;
        assert_eq!(changed, i16::from(error));
    }
}

#[tokio::test]
async fn a_real_admin_client_reads_configs() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic_with("orders", 1, &[("cleanup.policy", "compact")])
        .await;
    let admin: AdminClient<DefaultClientContext> =
        config(&broker.bootstrap(), &[]).create().unwrap();
    let results = admin
        .describe_configs(
            &[
                ResourceSpecifier::Topic("orders"),
                ResourceSpecifier::Broker(1),
            ],
            &AdminOptions::new(),
        )
        .await
        .unwrap();
    let policy = results[0].as_ref().unwrap().get("cleanup.policy").unwrap();
    assert_eq!(policy.value.as_deref(), Some("compact"));
    assert!(results[1].as_ref().unwrap().get("num.partitions").is_some());
}

#[tokio::test]
async fn configs_are_set_reset_appended_to_and_subtracted_from() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (operations, key, expected, source) in [
        (("retention.ms", SET, Some("5")), "retention.ms", "5", 1),
        (
            ("retention.ms", DELETE, None),
            "retention.ms",
            "604800000",
            5,
        ),
        (
            ("cleanup.policy", APPEND, Some("compact")),
            "cleanup.policy",
            "delete,compact",
            1,
        ),
        (
            ("cleanup.policy", APPEND, Some("compact")),
            "cleanup.policy",
            "delete,compact",
            1,
        ),
        (
            ("cleanup.policy", SUBTRACT, Some("delete")),
            "cleanup.policy",
            "compact",
            1,
        ),
        (
            ("cleanup.policy", DELETE, None),
            "cleanup.policy",
            "delete",
            5,
        ),
    ] {
        assert_eq!(alter(&mut wire, TOPIC, "orders", &[operations]).await, 0);
        let config = value(&mut wire, TOPIC, "orders", key).await;
        assert_eq!(
            (config.value.as_deref(), config.config_source),
            (Some(expected), source)
        );
    }
}

#[tokio::test]
async fn all_operations_on_a_topic_hold_or_none() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (bad, error) in [
        (("nope", SET, Some("1")), ErrorCode::InvalidConfig),
        (("segment.bytes", SET, Some("x")), ErrorCode::InvalidConfig),
        (("flush.ms", APPEND, Some("1")), ErrorCode::InvalidConfig),
        (("flush.ms", SET, None), ErrorCode::InvalidRequest),
        (("flush.ms", 9, Some("1")), ErrorCode::InvalidRequest),
        (("retention.ms", SET, Some("6")), ErrorCode::InvalidRequest),
    ] {
        let good = ("retention.ms", SET, Some("5"));
        let code = alter(&mut wire, TOPIC, "orders", &[good, bad]).await;
        assert_eq!(code, i16::from(error), "{bad:?}");
        let retention = value(&mut wire, TOPIC, "orders", "retention.ms").await;
        assert_eq!(retention.value.as_deref(), Some("604800000"));
    }
}

#[tokio::test]
async fn validate_only_changes_nothing() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    let mut request = altered(TOPIC, "orders", &[("retention.ms", SET, Some("5"))]);
    request.validate_only = true;
    assert_eq!(wire.call(1, &request).await.responses[0].error_code, 0);
    let retention = value(&mut wire, TOPIC, "orders", "retention.ms").await;
    assert_eq!(retention.value.as_deref(), Some("604800000"));
}

#[tokio::test]
async fn a_change_holds_for_the_next_append() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    assert_eq!(
        wire.produce("orders", 0, batch_of_size(2000))
            .await
            .error_code,
        0
    );
    alter(
        &mut wire,
        TOPIC,
        "orders",
        &[("max.message.bytes", SET, Some("1000"))],
    )
    .await;
    assert_eq!(
        wire.produce("orders", 0, batch_of_size(2000))
            .await
            .error_code,
        i16::from(ErrorCode::MessageTooLarge)
    );
    // What the topic does not say, it takes from the broker.
    alter(
        &mut wire,
        TOPIC,
        "orders",
        &[("max.message.bytes", DELETE, None)],
    )
    .await;
    alter(
        &mut wire,
        BROKER,
        "1",
        &[("message.max.bytes", SET, Some("1500"))],
    )
    .await;
    assert_eq!(
        wire.produce("orders", 0, batch_of_size(2000))
            .await
            .error_code,
        i16::from(ErrorCode::MessageTooLarge)
    );
    alter(
        &mut wire,
        BROKER,
        "1",
        &[("message.max.bytes", DELETE, None)],
    )
    .await;
    assert_eq!(
        wire.produce("orders", 0, batch_of_size(2000))
            .await
            .error_code,
        0
    );
}

#[tokio::test]
async fn dynamic_broker_configs_come_before_the_default_of_all_brokers() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    for (name, hours) in [("", "3100000"), ("1", "3000000")] {
        assert_eq!(
            alter(
                &mut wire,
                BROKER,
                name,
                &[("log.retention.ms", SET, Some(hours))]
            )
            .await,
            0
        );
    }
    let retention = value(&mut wire, TOPIC, "orders", "retention.ms").await;
    let synonyms: Vec<_> = retention
        .synonyms
        .iter()
        .map(|synonym| {
            (
                synonym.name.as_str(),
                synonym.value.as_deref().unwrap(),
                synonym.source,
            )
        })
        .collect();
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("3000000"), 2)
    );
    assert_eq!(
        synonyms,
        [
            ("log.retention.ms", "3000000", 2),
            ("log.retention.ms", "3100000", 3),
            ("log.retention.hours", "168", 5),
        ]
    );
    let defaults = describe(&mut wire, BROKER, "", None).await;
    assert_eq!(defaults.configs.len(), 2);
}

#[tokio::test]
async fn a_broker_config_that_is_fixed_or_malformed_is_refused() {
    let broker = Broker::ephemeral().await.unwrap();
    let mut wire = Wire::to(&broker).await;
    for (name, value) in [
        ("num.partitions", "3"),
        ("log.retention.ms", "soon"),
        ("ssl.keystore.location", "/x"),
    ] {
        let code = alter(&mut wire, BROKER, "1", &[(name, SET, Some(value))]).await;
        assert_eq!(code, i16::from(ErrorCode::InvalidRequest), "{name}");
    }
}

#[tokio::test]
async fn configs_of_topics_and_brokers_survive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    wire.create_topic("orders", 1).await;
    alter(
        &mut wire,
        TOPIC,
        "orders",
        &[("max.message.bytes", SET, Some("1000"))],
    )
    .await;
    alter(
        &mut wire,
        BROKER,
        "",
        &[("log.retention.ms", SET, Some("5000"))],
    )
    .await;
    broker.abandon().await;
    let broker = Broker::start(durable_in(root.path())).await.unwrap();
    let mut wire = Wire::to(&broker).await;
    let size = value(&mut wire, TOPIC, "orders", "max.message.bytes").await;
    assert_eq!(
        (size.value.as_deref(), size.config_source),
        (Some("1000"), 1)
    );
    let retention = value(&mut wire, TOPIC, "orders", "retention.ms").await;
    assert_eq!(
        (retention.value.as_deref(), retention.config_source),
        (Some("5000"), 3)
    );
    assert_eq!(
        wire.produce("orders", 0, batch_of_size(2000))
            .await
            .error_code,
        i16::from(ErrorCode::MessageTooLarge)
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_with_an_unknown_or_malformed_config_does_not_start() {
    for (name, value) in [("nope", "1"), ("log.segment.bytes", "7")] {
        let mut settings = BrokerSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..BrokerSettings::default()
        };
        settings.overrides.insert(name.into(), value.into());
        let refused = Broker::start(settings).await.err();
        assert!(
            matches!(&refused, Some(StartError::InvalidConfig { name: at, .. }) if at == name),
            "{name}: {refused:?}"
        );
    }
}
