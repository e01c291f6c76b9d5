//! Python's clients: `compat/python/run.py` in a virtual environment of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::{Broker, checks};
use crate::command::{command, run as run_command};
use crate::workspace::{cache_dir, root};

/// Runs the suite; returns its counts.
pub(super) fn run(broker: Broker) -> Result<String> {
    let python = environment()?;
    let suite = root().join("compat/python");
    checks(
        &mut command(python, &["run.py", broker.bootstrap], &suite),
        broker.target,
    )
}

/// The interpreter of an environment with the pinned clients, made when it is missing or they changed.
fn environment() -> Result<PathBuf> {
    let dir = cache_dir()?.join("compat-python");
    let python = dir.join("bin/python");
    let installed = dir.join("installed.txt");
    let wanted = format!(
        "{}{}",
        fs::read_to_string(root().join("compat/python/requirements.txt"))?,
        fs::read_to_string(root().join("examples/python/requirements.txt"))?
    );
    if python.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    let dir_argument = dir.to_string_lossy();
    run_command(&mut command(
        "python3",
        &["-m", "venv", "--clear", &dir_argument],
        &root(),
    ))?;
    run_command(&mut command(
        &python,
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            "compat/python/requirements.txt",
        ],
        &root(),
    ))?;
    fs::write(installed, wanted)?;
    Ok(python)
}
