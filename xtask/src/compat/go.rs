//! Go's clients: `compat/go`, built once and run against one Kafka.

use std::path::PathBuf;

use anyhow::Result;

use super::{Broker, checks};
use crate::command::{command, run as run_command};
use crate::workspace::{cache_dir, root};

/// Runs the suite; returns its counts.
pub(super) fn run(broker: Broker) -> Result<String> {
    let mut suite = command(program()?, &[broker.bootstrap], &root());
    checks(&mut suite, broker.target)
}

/// The suite's program.
pub(super) fn program() -> Result<PathBuf> {
    let program = cache_dir()?.join("compat-go");
    let program_argument = program.to_string_lossy();
    // Incremental by go's own cache.
    let build = ["build", "-buildvcs=false", "-o", &program_argument, "."];
    run_command(&mut command("go", &build, &root().join("compat/go")))?;
    Ok(program)
}
