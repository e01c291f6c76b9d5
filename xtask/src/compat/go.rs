//! Go's clients: `compat/go`, built once and run against one Kafka.

use anyhow::{Result, bail};

use crate::command::{command, run as run_command, run_keeping_stdout};
use crate::workspace::{cache_dir, root};

/// Runs the suite; returns its counts.
pub(super) fn run(bootstrap: &str) -> Result<String> {
    let program = cache_dir()?.join("compat-go");
    let suite = root().join("compat/go");
    let program_argument = program.to_string_lossy();
    // Incremental by go's own cache.
    let build = ["build", "-buildvcs=false", "-o", &program_argument, "."];
    run_command(&mut command("go", &build, &suite))?;
    let finished = run_keeping_stdout(&mut command(&program, &[bootstrap], &suite))?;
    let counts = finished.stdout.lines().last().unwrap_or_default();
    if !finished.success {
        bail!("{counts}");
    }
    Ok(counts.to_owned())
}
