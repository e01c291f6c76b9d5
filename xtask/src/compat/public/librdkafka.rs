//! librdkafka's tests, from the sources inside the crate `rdkafka-sys`, built in the cache.
//!
//! They call Kafka's console tools for what the library cannot do; scripts of a line each stand for those.

use std::fs::{self, File};
use std::mem;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Broker, Ran, left_out, once, run_quietly, suite_dir};
use crate::command::{command, run as run_command, which};
use crate::headwater::temporary_dir;
use crate::kafka;
use crate::workspace::root;

const SUITE: &str = "librdkafka";
/// How many tests pass at least, both passes together.
const LEAST: usize = 75;
const CONFIGURE: &[&str] = &[
    "--disable-gssapi",
    "--disable-curl",
    // The tests wait for brokers: what counts is the build's time.
    "--disable-optimization",
];
/// Of these tests nothing is left in quick mode, so they run in full.
const IN_FULL: &str = "0018,0019,0026,0033,0045,0050,0061,0122,0130,0132,0137";
const TOOLS: &[(&str, &str)] = &[
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
];

/// What this machine lacks for the build and for Kafka's tools, or `None`.
pub(in super::super) fn missing() -> Option<String> {
    kafka::missing().or_else(|| {
        let absent = ["cc", "c++", "make"]
            .into_iter()
            .find(|program| which(program).is_none())?;
        Some(format!("{absent} not found on this machine"))
    })
}

/// Runs the suite; returns its counts.
pub(in super::super) fn run(broker: Broker) -> Result<String> {
    let source = source()?;
    let dir = suite_dir(SUITE)?;
    let built = dir.join("librdkafka");
    let recipe = format!("{} {}", source.display(), CONFIGURE.join(" "));
    once(&dir, &recipe, || build(&source, &built))?;
    let tools = tools(&dir)?;
    let left_out = left_out::tests(SUITE, broker.target)?;
    let numbers = left_out.join(",");
    let run_dir = temporary_dir(SUITE)?;
    let runner = Runner {
        tests: built.join("tests"),
        libraries: format!("{0}/src:{0}/src-cpp", built.display()),
        tools,
        dir: run_dir.clone(),
        log: dir.clone(),
        bootstrap: broker.bootstrap.to_owned(),
    };
    let quick = runner.pass(&["-Q"], "TESTS_SKIP", &format!("{numbers},{IN_FULL}"));
    let full = runner.pass(&[], "TESTS", IN_FULL);
    let _ = fs::remove_dir_all(run_dir);
    let (mut ran, full) = (quick?, full?);
    ran.passed += full.passed;
    ran.skipped += full.skipped;
    ran.failed.extend(full.failed);
    ran.left_out = left_out.len();
    ran.judge(LEAST)
}

/// Where cargo has the sources.
fn source() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    let mut cargo = command(
        "cargo",
        &["metadata", "--format-version=1", "--locked"],
        &root(),
    );
    let metadata: Metadata =
        serde_json::from_str(&run_quietly(&mut cargo)?.stdout).context("cargo metadata")?;
    metadata
        .packages
        .iter()
        .find(|package| package.name == "rdkafka-sys")
        .and_then(|package| package.manifest_path.parent())
        .map(|dir| dir.join("librdkafka"))
        .context("rdkafka-sys is not among the dependencies")
}

fn build(source: &Path, built: &Path) -> Result<()> {
    let mut copy = command("cp", &["-R"], &root());
    run_command(copy.args([source, built]))?;
    // Some thousand lines that say nothing unless it fails.
    for (program, arguments) in [
        ("./configure", CONFIGURE),
        ("make", &["-s", "-j2", "libs"]),
        ("make", &["-s", "-C", "tests", "-j2", "test-runner"]),
    ] {
        let mut step = command(program, arguments, built);
        let finished = run_quietly(&mut step)?;
        if !finished.success {
            println!("{}", finished.stdout);
            anyhow::bail!("{program} {}: failed", arguments.join(" "));
        }
    }
    Ok(())
}

/// A directory with `bin/kafka-topics.sh` and the others.
fn tools(dir: &Path) -> Result<PathBuf> {
    let tools = dir.join("tools");
    let bin = tools.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("creating {}", bin.display()))?;
    let libs = kafka::libs()?;
    for (name, class) in TOOLS {
        let script = bin.join(name);
        let text = format!(
            "#!/bin/sh\nexec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
             -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp '{}/*' {class} \"$@\"\n",
            libs.display()
        );
        fs::write(&script, text).with_context(|| format!("writing {}", script.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(tools)
}

/// The built program, and where it runs.
struct Runner {
    tests: PathBuf,
    libraries: String,
    tools: PathBuf,
    dir: PathBuf,
    log: PathBuf,
    bootstrap: String,
}

impl Runner {
    /// Runs the selected tests, and those that fail once more, alone: many assert times, which a machine that is busy
    /// with the others does not keep.
    fn pass(&self, mode: &[&str], selection: &str, numbers: &str) -> Result<Ran> {
        let mut ran = self.run(mode, selection, numbers)?;
        if ran.passed == 0 {
            println!("{SUITE}: the runner gave up before its table was out; all once more");
            ran = self.run(mode, selection, numbers)?;
        }
        for failed in mem::take(&mut ran.failed) {
            println!("{SUITE}: {failed}; once more, alone");
            let number = failed.split('_').next().unwrap_or_default();
            let again = self.run(mode, "TESTS", number)?;
            if again.failed.is_empty() && again.passed > 0 {
                ran.passed += 1;
            } else {
                ran.failed.push(failed);
            }
        }
        Ok(ran)
    }

    /// Runs the tests that need a broker and that the environment variable `selection` picks.
    fn run(&self, mode: &[&str], selection: &str, numbers: &str) -> Result<Ran> {
        let config = self.dir.join("test.conf");
        let text = format!(
            "metadata.broker.list={}\ntest.topic.random=true\n",
            self.bootstrap
        );
        fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
        let mut runner = command(self.tests.join("test-runner"), &["-p4", "-L"], &self.dir);
        runner
            .args(mode)
            .env(selection, numbers)
            .env("RDKAFKA_TEST_CONF", &config)
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env("KAFKA_PATH", &self.tools)
            .env("BROKERS", &self.bootstrap)
            // It looks at no more than whether features of 4.0 are there.
            .env("TEST_KAFKA_VERSION", "4.0.0");
        // What it says while it runs is long: kept beside the build, and looked at only after a failure.
        let log = self.log.join(format!("{selection}.log"));
        let said = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let finished = runner
            .stderr(said)
            .output()
            .context("could not run test-runner")?;
        let mut ran = read(&without_colours(&String::from_utf8_lossy(&finished.stdout)));
        if !finished.status.success() {
            let said = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
            let said = without_colours(&String::from_utf8_lossy(&said));
            for line in said.lines().filter(|line| line.starts_with("### ")) {
                println!("{line}");
            }
            println!("more in {}", log.display());
            // A failed test may keep threads, for which the runner aborts before its table is out.
            if ran.failed.is_empty() {
                ran.failed.extend(failures(&said));
            }
        }
        Ok(ran)
    }
}

/// The table at the end: `| 0001_multiobj | PASSED | 1.234s | why it was skipped`.
fn read(output: &str) -> Ran {
    let mut ran = Ran::default();
    for line in output.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, state, _took, reason, ..] = cells[..] else {
            continue;
        };
        if !name.starts_with(|first: char| first.is_ascii_digit()) {
            continue;
        }
        match state {
            "PASSED" => ran.passed += 1,
            // Those that need no broker, and those that were not selected.
            "SKIPPED" if reason.starts_with("Filtered") || reason.starts_with("included in") => {}
            "SKIPPED" if reason.is_empty() => {}
            "SKIPPED" => ran.skipped += 1,
            // It failed, or was running or had not started when the runner gave up.
            _ => ran.failed.push(format!("{name} ({state}) {reason}")),
        }
    }
    ran
}

/// Of lines like `### Test "0050_subscribe_adds (one: two)" failed at test.c:6202`, the names.
fn failures(said: &str) -> Vec<String> {
    let names: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("### Test \""))
        .filter_map(|rest| rest.split(['"', ' ']).next())
        .filter(|name| *name != "<MAIN>")
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return vec!["the runner itself".into()];
    }
    names
}

/// Without the escape sequences of a terminal.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn failed_tests_are_named_though_the_runner_aborts() {
        let said = "### Test \"0050_subscribe_adds (one: two)\" failed at test.c:6202 ###\n\
                    ### Test \"<MAIN>\" failed at test.c:1798 ###\n";
        assert_eq!(failures(said), ["0050_subscribe_adds"]);
        assert_eq!(failures("nothing"), ["the runner itself"]);
    }

    #[test]
    fn rows_of_the_table_are_counted() {
        let ran = read(&without_colours(
            "|\u{1b}[32m 0001_multiobj |     PASSED |   0.054s \u{1b}[0m|\n\
             |\u{1b}[36m 0004_conf |    SKIPPED |   0.000s \u{1b}[0m|\u{1b}[36m Filtered due to negative test flags\u{1b}[0m\n\
             |\u{1b}[36m 0098_consumer_txn |    SKIPPED |   0.000s \u{1b}[0m|\u{1b}[36m RapidJSON not available\u{1b}[0m\n\
             |\u{1b}[31m 0102_static |     FAILED |   9.1s \u{1b}[0m|\u{1b}[31m asserted\u{1b}[0m\n\
             |\u{1b}[33m 0103_transactions |        DNS |   0.000s \u{1b}[0m|\n",
        ));
        assert_eq!(
            ran,
            Ran {
                passed: 1,
                failed: vec![
                    "0102_static (FAILED) asserted".into(),
                    "0103_transactions (DNS) ".into(),
                ],
                skipped: 1,
                left_out: 0,
            }
        );
    }
}
