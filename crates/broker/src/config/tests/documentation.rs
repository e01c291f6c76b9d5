//! `docs/configs.md`, written from the tables and held to them.

use std::fmt::Write;

use super::super::broker_configs::broker_configs;
use super::super::definition::{ConfigDefinition, Use};
use super::super::group_configs::GROUP_CONFIGS;
use super::super::subscription_configs::SUBSCRIPTION_CONFIGS;
use super::super::topic_configs::TOPIC_CONFIGS;

const HEAD: &str = "# Configs

Every config that Apache Kafka 4.3 documents for topics, brokers, groups and client metrics
subscriptions is accepted, checked, kept and told here. What this node obeys is *honoured*; what
means nothing on one node, or nothing yet, is *reported* and changes nothing.

This page is written from the tables in `crates/broker/src/config`: after a change there, run
`UPDATE_DOCS=1 cargo test -p headwater-broker documentation`.

Broker configs are given at start (`headwater broker --set name=value`). Those marked per-broker or
cluster-wide also change at run time, for broker 1 or, with the empty name, for all brokers.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = |title: &str, configs: Vec<&ConfigDefinition>| {
        let honoured = configs.iter().filter(|config| config.used == Use::Honoured);
        let count = honoured.count();
        writeln!(
            page,
            "\n## {title}\n\n{count} of {} are honoured.\n",
            configs.len()
        )
        .unwrap();
        page.push_str("| config | type | default | update | here | meaning |\n");
        page.push_str("|---|---|---|---|---|---|\n");
        for config in configs {
            let default = match config.default {
                None => "null".to_owned(),
                Some("") => "empty".to_owned(),
                Some(value) => format!("`{value}`"),
            };
            let here = match config.used {
                Use::Honoured => "**honoured**",
                Use::Reported => "reported",
            };
            let kind = config.kind.to_string().to_lowercase();
            let (name, update, meaning) = (config.name, config.update, config.documentation);
            writeln!(
                page,
                "| `{name}` | {kind} | {default} | {update} | {here} | {meaning} |"
            )
            .unwrap();
        }
    };
    section("Topics", TOPIC_CONFIGS.iter().collect());
    section("Brokers", broker_configs().collect());
    section("Groups", GROUP_CONFIGS.iter().collect());
    section(
        "Client metrics subscriptions",
        SUBSCRIPTION_CONFIGS.iter().collect(),
    );
    page
}

#[test]
fn the_documentation_is_that_of_the_tables() {
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configs.md");
        std::fs::write(path, &page).unwrap();
        return;
    }
    let written = include_str!("../../../../../docs/configs.md");
    for (written, table) in written.lines().zip(page.lines()) {
        assert_eq!(written, table, "run with UPDATE_DOCS=1");
    }
    assert_eq!(written, page, "run with UPDATE_DOCS=1");
}
