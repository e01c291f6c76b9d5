//! The schema registry client of headwater-streams against a registry that is not ours: franz-go's, which the program of
//! `compat/go` runs in memory for as long as the checks of `compat/rust` take.

use anyhow::Result;

use super::{counts, go};
use crate::command::command;
use crate::workspace::root;

/// Runs the checks; returns their counts.
pub(super) fn run() -> Result<String> {
    let checks = [
        "cargo",
        "run",
        "--quiet",
        "--package",
        "headwater-compat",
        "--bin",
        "registry",
        "--",
    ];
    let mut registry = command(go::program()?, &["-registry"], &root());
    counts(registry.args(checks))
}
