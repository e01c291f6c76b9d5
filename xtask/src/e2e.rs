//! `cargo xtask e2e`: the page's end-to-end tests in a real browser, against `headwater demo` on free ports.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use headwater_testkit::{Process, Signal};

use crate::command::{command, run as run_command, which};
use crate::headwater::{binary, temporary_dir};
use crate::workspace::root;

/// How long the demo may take to show its page on a slow machine.
const START_LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn run() -> Result<()> {
    for program in ["node", "npm"] {
        if which(program).is_none() {
            bail!("{program} not found on this machine; on Debian: apt-get install -y nodejs npm");
        }
    }
    let binary = binary()?;
    let dir = temporary_dir("e2e")?;
    let outcome = against_demo(&binary, &dir);
    let _ = std::fs::remove_dir_all(&dir);
    outcome
}

fn against_demo(binary: &std::path::Path, dir: &std::path::Path) -> Result<()> {
    let mut demo = Process::start(
        Command::new(binary)
            .args([
                "demo",
                "--rate",
                "5",
                "--port",
                "0",
                "--page-port",
                "0",
                "--data-dir",
            ])
            .arg(dir.join("data")),
        &dir.join("demo.log"),
    )?;
    let page = page_url(&mut demo)?;
    println!("page: {page}");
    let web = root().join("crates/console/web");
    run_command(&mut command(
        "npm",
        &["ci", "--no-audit", "--no-fund"],
        &web,
    ))?;
    let tested = run_command(command("npm", &["run", "e2e"], &web).env("PAGE_URL", &page));
    if tested.is_err() {
        eprintln!("the demo's log:\n{}", demo.log());
    }
    tested?;
    demo.signal(Signal::TERM)?;
    let status = demo.wait(Duration::from_mins(1))?;
    if !status.success() {
        bail!("the demo ended with {status}:\n{}", demo.log());
    }
    println!("e2e: passed; the demo stopped in order");
    Ok(())
}

/// The address in the line `page: http://...` of its log.
fn page_url(demo: &mut Process) -> Result<String> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let log = demo.log();
        if let Some(url) = log.lines().find_map(|line| line.strip_prefix("page: ")) {
            return Ok(url.trim().to_owned());
        }
        if !demo.runs() || Instant::now() > deadline {
            return Err(anyhow::anyhow!("{log}")).context("the demo shows no page");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
