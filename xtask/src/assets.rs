//! `cargo xtask assets`: the page's built assets are what their sources build.

use anyhow::{Result, bail};

use crate::command::{command, run as run_command, which};
use crate::workspace::root;

/// Where the build puts them.
const ASSETS: &str = "crates/console/assets";

pub(crate) fn run() -> Result<()> {
    for program in ["node", "npm", "git"] {
        if which(program).is_none() {
            bail!("{program} not found on this machine");
        }
    }
    let web = root().join("crates/console/web");
    run_command(&mut command(
        "npm",
        &["ci", "--no-audit", "--no-fund"],
        &web,
    ))?;
    for script in ["check", "test", "build"] {
        run_command(&mut command("npm", &["run", script], &web))?;
    }
    let status = command("git", &["status", "--porcelain", "--", ASSETS], &root()).output()?;
    let changed = String::from_utf8_lossy(&status.stdout);
    if !status.status.success() || !changed.is_empty() {
        bail!("{ASSETS} differ from what their sources build; commit the new ones:\n{changed}");
    }
    println!("assets: as built");
    Ok(())
}
