//! Running `cargo test` and counting what ran, crate by crate.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::shown;

/// How many tests of a crate passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

/// What became of a `cargo test` command.
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) crates: BTreeMap<String, Counts>,
    /// The names of the tests that failed.
    pub(crate) failed: Vec<String>,
}

/// Runs a `cargo test` command, showing its output, and returns the counts per crate.
pub(crate) fn run(command: &mut Command) -> Result<BTreeMap<String, Counts>> {
    let ran = attempt(command)?;
    if !ran.success {
        bail!("{}: {}", shown(command), summary(&ran.crates));
    }
    Ok(ran.crates)
}

/// Runs a `cargo test` command, showing its output; tests that fail are no error.
pub(crate) fn attempt(command: &mut Command) -> Result<Ran> {
    let name = shown(command);
    // Which crate runs is said on stderr, what became of it on stdout: one pipe keeps their order.
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("could not run {name}"))?;
    // The command keeps the writing ends open until it is given others.
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut tally = Tally::default();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap_or_default();
        println!("{line}");
        tally.read(&line);
    }
    let status = child.wait()?;
    Ok(Ran {
        success: status.success(),
        crates: tally.crates,
        failed: tally.failed,
    })
}

/// `123 passed, 0 failed`.
pub(crate) fn summary(crates: &BTreeMap<String, Counts>) -> String {
    let passed: u32 = crates.values().map(|counts| counts.passed).sum();
    let failed: u32 = crates.values().map(|counts| counts.failed).sum();
    format!("{passed} passed, {failed} failed")
}

#[derive(Default)]
struct Tally {
    current: String,
    crates: BTreeMap<String, Counts>,
    failed: Vec<String>,
}

impl Tally {
    fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Running unittests ") {
            // `src/lib.rs (target/debug/deps/headwater_log-0123456789abcdef)`
            let file = rest.rsplit(['/', '\\']).next().unwrap_or_default();
            let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
            self.current = name.replace('_', "-");
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.current = name.replace('_', "-");
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            let counts = self.crates.entry(self.current.clone()).or_default();
            counts.passed += number_before(rest, " passed");
            counts.failed += number_before(rest, " failed");
        } else if let Some(rest) = line.strip_prefix("test ")
            && let Some(name) = rest.strip_suffix(" ... FAILED")
        {
            self.failed.push(name.to_owned());
        }
    }
}

fn number_before(text: &str, word: &str) -> u32 {
    text.split(word)
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn results_are_counted_for_the_crate_that_ran_last() {
        let mut tally = Tally::default();
        for line in [
            "     Running unittests src/lib.rs (target/debug/deps/headwater_log-8a6b3c)",
            "test segment::unit::one ... ok",
            "test segment::unit::two ... FAILED",
            "test result: ok. 40 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "     Running tests/it/main.rs (target/debug/deps/it-77)",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "   Doc-tests headwater_records",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            tally.read(line);
        }
        assert_eq!(
            tally.crates["headwater-log"],
            Counts {
                passed: 42,
                failed: 1
            }
        );
        assert_eq!(tally.crates["headwater-records"].passed, 3);
        assert_eq!(summary(&tally.crates), "45 passed, 1 failed");
        assert_eq!(tally.failed, ["segment::unit::two"]);
    }
}
