//! The integration tests of our own crates, against a Kafka that the environment names.

use std::process::Command;

use anyhow::{Result, bail};

use super::Broker;
use crate::command::command;
use crate::tests::{self, Ran};
use crate::workspace::root;

/// These are about the embedded store's own process, and run with every `cargo test`.
const OF_THE_STORE: &[&str] = &["broker::", "kill::", "kill_demo::", "kill_transactions::"];

/// Runs the tests of a crate; returns the counts.
pub(super) fn run(package: &str, broker: Broker) -> Result<String> {
    let mut all = tests(package, broker);
    if package == "headwater-cli" {
        for module in OF_THE_STORE {
            all.args(["--skip", module]);
        }
    }
    let mut ran = tests::attempt(&mut all)?;
    // Without a name it failed otherwise: it did not compile, or was killed.
    if !ran.failed.is_empty() && broker.target.has_second_try() {
        println!("once more: {}", ran.failed.join(", "));
        let mut again = tests(package, broker);
        let second = tests::attempt(again.arg("--exact").args(&ran.failed))?;
        for name in &ran.failed {
            if !second.failed.contains(name) {
                println!("{name}: pass on the second try");
            }
        }
        ran = merged(ran, second);
    }
    let counts = tests::summary(&ran.crates);
    if !ran.success {
        bail!("{counts}");
    }
    if ran.crates.values().all(|counts| counts.passed == 0) {
        bail!("no test ran");
    }
    Ok(counts)
}

fn tests(package: &str, broker: Broker) -> Command {
    let arguments = ["test", "--package", package, "--test", "it", "--"];
    let mut cargo = command("cargo", &arguments, &root());
    cargo.env("HEADWATER_TEST_BOOTSTRAP", broker.bootstrap);
    cargo
}

/// What became of all tests, after those that failed ran again.
fn merged(mut first: Ran, second: Ran) -> Ran {
    for (name, counts) in second.crates {
        let before = first.crates.entry(name).or_default();
        before.passed += counts.passed;
        before.failed = counts.failed;
    }
    first.failed = second.failed;
    first.success = second.success;
    first
}

#[cfg(test)]
mod unit {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tests::Counts;

    fn ran(passed: u32, failed: &[&str]) -> Ran {
        let counts = Counts {
            passed,
            failed: failed.len() as u32,
        };
        Ran {
            success: failed.is_empty(),
            crates: BTreeMap::from([("it".to_owned(), counts)]),
            failed: failed.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_test_that_passes_on_the_second_try_counts_once_as_passed() {
        let all = merged(ran(30, &["one", "two"]), ran(2, &[]));
        assert_eq!(tests::summary(&all.crates), "32 passed, 0 failed");
        assert!(all.success);
    }

    #[test]
    fn a_test_that_fails_twice_fails() {
        let all = merged(ran(30, &["one", "two"]), ran(1, &["two"]));
        assert_eq!(tests::summary(&all.crates), "31 passed, 1 failed");
        assert!(!all.success);
        assert_eq!(all.failed, ["two"]);
    }
}
