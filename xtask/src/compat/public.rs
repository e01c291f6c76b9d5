//! Public test suites of clients, built from what package registries serve, against one broker.
//!
//! Each suite leaves out the tests that `compat/public/README.md` lists with the reason, and passes when no test fails
//! and at least as many passed as it is known to hold. None of the suites' code is in this repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Broker, Target};
use crate::command::{Finished, shown};
use crate::workspace::cache_dir;

pub(super) mod franz_go;
pub(super) mod kafka_python;
mod left_out;
pub(super) mod librdkafka;

/// What the broker that these suites run against is told, the store and Apache Kafka alike.
pub(super) const SETTINGS: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    // kafka-python's and librdkafka's own brokers have four partitions a topic.
    "num.partitions=4",
    // Groups whose sessions are shorter than a broker's default allows.
    "group.min.session.timeout.ms=100",
    // Access control is tested, and nobody is refused before a test says so.
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found=true",
];

/// What became of a suite's tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ran {
    passed: usize,
    failed: Vec<String>,
    skipped: usize,
    left_out: usize,
}

impl Ran {
    /// Runs the tests that failed once more where `target` allows it, and counts them by what became of them then.
    fn once_more(
        &mut self,
        target: Target,
        run: impl FnOnce(&[String]) -> Result<Self>,
    ) -> Result<()> {
        if self.failed.is_empty() || !target.has_second_try() {
            return Ok(());
        }
        println!("once more: {}", self.failed.join(", "));
        let second = run(&self.failed)?;
        for name in &self.failed {
            if !second.failed.contains(name) {
                println!("{name}: pass on the second try");
            }
        }
        self.passed += second.passed;
        self.skipped += second.skipped;
        self.failed = second.failed;
        Ok(())
    }

    /// The counts, or an error if a test failed or fewer than `least` passed.
    fn judge(&self, least: usize) -> Result<String> {
        let counts = format!(
            "{} passed, {} failed, {} skipped, {} left out",
            self.passed,
            self.failed.len(),
            self.skipped,
            self.left_out
        );
        ensure!(
            self.failed.is_empty(),
            "{counts}: {}",
            self.failed.join(", ")
        );
        ensure!(
            self.passed >= least,
            "{counts}: at least {least} must have run and passed"
        );
        Ok(counts)
    }
}

/// Where a suite is unpacked or built, made when missing.
fn suite_dir(name: &str) -> Result<PathBuf> {
    let dir = cache_dir()?.join("public").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

/// Runs to the end with stderr shown and stdout kept.
fn run_quietly(command: &mut std::process::Command) -> Result<Finished> {
    let name = shown(command);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {name}"))?;
    Ok(Finished {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Has `make` fill `dir` unless it was filled for the same `recipe` before.
fn once(dir: &Path, recipe: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let complete = dir.join("complete");
    if fs::read_to_string(&complete).is_ok_and(|made| made == recipe) {
        return Ok(());
    }
    fs::remove_dir_all(dir).with_context(|| format!("emptying {}", dir.display()))?;
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    make()?;
    fs::write(complete, recipe).with_context(|| format!("writing to {}", dir.display()))
}

/// The only host and port of `bootstrap`.
fn host_and_port(bootstrap: &str) -> Result<(&str, &str)> {
    match bootstrap.split_once(':') {
        Some((host, port)) if !port.contains([':', ',']) => Ok((host, port)),
        _ => bail!("{bootstrap}: these suites want one broker"),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_suite_in_which_nothing_ran_does_not_pass() {
        let nothing = Ran::default();
        assert!(nothing.judge(1).is_err());
    }

    #[test]
    fn a_failed_test_has_a_second_try_on_a_cluster_alone() {
        let ran = |passed, failed: &[&str]| Ran {
            passed,
            failed: failed.iter().map(ToString::to_string).collect(),
            ..Ran::default()
        };
        let mut on_cluster = ran(10, &["TestGroup", "TestCopy"]);
        let second = |failed: &[String]| {
            assert_eq!(failed, ["TestGroup", "TestCopy"]);
            Ok(ran(1, &["TestCopy"]))
        };
        on_cluster.once_more(Target::Kafka, second).unwrap();
        assert_eq!(on_cluster, ran(11, &["TestCopy"]));
        let mut on_store = ran(10, &["TestGroup"]);
        on_store
            .once_more(Target::Embedded, |_| panic!("it ran again"))
            .unwrap();
        assert_eq!(on_store, ran(10, &["TestGroup"]));
    }

    #[test]
    fn a_failed_test_is_named() {
        let ran = Ran {
            passed: 10,
            failed: vec!["TestGroup".into()],
            ..Ran::default()
        };
        let error = ran.judge(5).unwrap_err().to_string();
        assert_eq!(
            error,
            "10 passed, 1 failed, 0 skipped, 0 left out: TestGroup"
        );
    }
}
