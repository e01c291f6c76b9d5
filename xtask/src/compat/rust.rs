//! Rust's clients: `compat/rust`.

use anyhow::Result;

use super::{Broker, checks};
use crate::command::command;
use crate::workspace::root;

/// Runs the suite; returns its counts.
pub(super) fn run(broker: Broker) -> Result<String> {
    let arguments = [
        "run",
        "--package",
        "headwater-compat",
        "--",
        broker.bootstrap,
    ];
    checks(&mut command("cargo", &arguments, &root()), broker.target)
}
