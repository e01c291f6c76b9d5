//! What became of the steps of a task: a line each, and an error if any failed.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The steps run so far.
#[derive(Default)]
pub(crate) struct Outcomes {
    lines: Vec<String>,
    failed: Vec<String>,
}

impl Outcomes {
    /// Runs a step. What it returns is shown beside its name.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<String>) {
        println!("==> {name}");
        let started = Instant::now();
        match step() {
            Ok(detail) => self.record("ok", name, started.elapsed(), &detail),
            Err(error) => {
                eprintln!("error: {name}: {error:#}");
                self.record("FAILED", name, started.elapsed(), &format!("{error:#}"));
                self.failed.push(name.to_owned());
            }
        }
    }

    /// A step that cannot run on this machine.
    pub(crate) fn skipped(&mut self, name: &str, reason: &str) {
        self.lines
            .push(format!("{:<8}{name:<28} not run: {reason}", "skipped"));
    }

    fn record(&mut self, state: &str, name: &str, took: Duration, detail: &str) {
        let detail = detail.lines().next().unwrap_or_default();
        self.lines.push(format!(
            "{state:<8}{name:<28} {:>6.1} s  {detail}",
            took.as_secs_f64()
        ));
    }

    /// Prints all lines; an error names what failed.
    pub(crate) fn finish(self, task: &str) -> Result<()> {
        println!("\n{task}:");
        for line in &self.lines {
            println!("  {line}");
        }
        if !self.failed.is_empty() {
            bail!(
                "{task}: {} failed: {}",
                self.failed.len(),
                self.failed.join(", ")
            );
        }
        Ok(())
    }
}
