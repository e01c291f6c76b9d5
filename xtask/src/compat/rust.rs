//! Rust's clients: `compat/rust`.

use anyhow::Result;

use super::counts;
use crate::command::command;
use crate::workspace::root;

/// Runs the suite; returns its counts.
pub(super) fn run(bootstrap: &str) -> Result<String> {
    let arguments = ["run", "--package", "headwater-compat", "--", bootstrap];
    counts(&mut command("cargo", &arguments, &root()))
}
