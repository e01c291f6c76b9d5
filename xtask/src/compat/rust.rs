//! Rust's clients: `compat/rust`.

use anyhow::{Result, bail};

use crate::command::{command, run_keeping_stdout};
use crate::workspace::root;

/// Runs the suite; returns its counts.
pub(super) fn run(bootstrap: &str) -> Result<String> {
    let arguments = ["run", "--package", "headwater-compat", "--", bootstrap];
    let finished = run_keeping_stdout(&mut command("cargo", &arguments, &root()))?;
    let counts = finished.stdout.lines().last().unwrap_or_default();
    if !finished.success {
        bail!("{counts}");
    }
    Ok(counts.to_owned())
}
