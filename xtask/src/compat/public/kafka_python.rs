//! kafka-python's integration tests, from the source distribution on `PyPI`, in a virtual environment of their own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Broker, Ran, host_and_port, left_out, once, run_quietly, suite_dir};
use crate::command::{command, run as run_command};
use crate::workspace::{KAFKA_VERSION, root};

const SUITE: &str = "kafka-python";
const VERSION: &str = "3.0.12";
const REQUIREMENTS: &str = "compat/public/kafka-python.txt";
/// How many tests pass at least: 53 of this version do on Apache Kafka.
const LEAST: usize = 50;
/// Where the tests are below the source distribution.
const TESTS: &str = "test/integration";

/// What the tests import and the source distribution lacks: a broker that others started, or that they would start.
const SERVICE: &str = "\
class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    pass
";

/// Runs the suite; returns its counts.
pub(in super::super) fn run(broker: Broker) -> Result<String> {
    let (host, port) = host_and_port(broker.bootstrap)?;
    let dir = suite_dir(SUITE)?;
    let requirements = fs::read_to_string(root().join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let recipe = format!("{VERSION}\n{requirements}{SERVICE}");
    once(&dir, &recipe, || prepare(&dir))?;
    let left_out = left_out::tests(SUITE, broker.target)?;
    let but = left_out
        .iter()
        .map(|test| format!("--deselect={TESTS}/{test}"));
    let uri = format!("kafka://{host}:{port}");
    let mut ran = tests(&dir, &uri, but.chain([TESTS.to_owned()]))?;
    ran.left_out = left_out.len();
    ran.once_more(broker.target, |failed| {
        tests(&dir, &uri, failed.iter().cloned())
    })?;
    ran.judge(LEAST)
}

/// Runs the tests that `selection` leaves.
fn tests(dir: &Path, uri: &str, selection: impl Iterator<Item = String>) -> Result<Ran> {
    let source = source(dir);
    let mut pytest = command(
        python(dir),
        &["-m", "pytest", "-q", "-rfE", "--tb=short", "--timeout=60"],
        &source,
    );
    pytest
        .args(["--timeout-method=signal", "-o", "log_level=ERROR"])
        .args(["-p", "no:cacheprovider", "-p", "no:warnings"])
        .args(selection)
        .env("KAFKA_ROOT", &source)
        .env("KAFKA_URI", uri)
        .env("KAFKA_VERSION", KAFKA_VERSION);
    let finished = run_quietly(&mut pytest)?;
    let mut ran = read(&finished.stdout);
    if !finished.success {
        print!("{}", finished.stdout);
        if ran.failed.is_empty() {
            ran.failed.push("pytest itself".into());
        }
    }
    Ok(ran)
}

fn python(dir: &Path) -> PathBuf {
    dir.join("venv/bin/python")
}

fn source(dir: &Path) -> PathBuf {
    dir.join(format!("kafka_python-{VERSION}"))
}

/// Gets the interpreter's packages and the sources.
fn prepare(dir: &Path) -> Result<()> {
    let python = python(dir);
    run_command(&mut command("python3", &["-m", "venv", "venv"], dir))?;
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"];
    run_command(
        command(&python, &pip, dir)
            .args(["install", "-r"])
            .arg(root().join(REQUIREMENTS)),
    )?;
    run_command(command(&python, &pip, dir).args([
        "download",
        "--no-deps",
        "--no-binary=:all:",
        &format!("kafka-python=={VERSION}"),
    ]))?;
    let archive = format!("kafka_python-{VERSION}.tar.gz");
    run_command(&mut command(
        &python,
        &["-m", "tarfile", "-e", &archive],
        dir,
    ))?;
    let tests = source(dir).join("test");
    fs::write(tests.join("__init__.py"), "").context("test/__init__.py")?;
    fs::write(tests.join("service.py"), SERVICE).context("test/service.py")
}

/// The end of pytest's output, not decorated: a line for each failure, and `2 failed, 53 passed, 10 skipped, 2 errors in 41.52s`.
fn read(output: &str) -> Ran {
    let mut ran = Ran::default();
    for line in output.lines() {
        let failed = line
            .strip_prefix("FAILED ")
            .or_else(|| line.strip_prefix("ERROR "));
        if let Some(test) = failed {
            let name = test.split(" - ").next().unwrap_or(test);
            ran.failed.push(name.to_owned());
        }
    }
    // Not always the last line: what runs when the interpreter ends may print too.
    let summary = output
        .lines()
        .rev()
        .find_map(|line| line.split_once(" in "));
    for count in summary.unwrap_or_default().0.split(", ") {
        match count.split_once(' ') {
            Some((number, "passed")) => ran.passed = number.parse().unwrap_or(0),
            Some((number, "skipped")) => ran.skipped = number.parse().unwrap_or(0),
            _ => {}
        }
    }
    ran
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn counts_are_those_of_the_summary() {
        let ran = read(
            "..F.s\n\
             FAILED test/integration/test_a.py::test_group - AssertionError: no\n\
             ERROR test/integration/test_b.py::TestSsl::test_handshake\n\
             1 failed, 53 passed, 10 skipped, 1 error in 41.52s\n\
             Done!",
        );
        assert_eq!(
            ran,
            Ran {
                passed: 53,
                failed: vec![
                    "test/integration/test_a.py::test_group".into(),
                    "test/integration/test_b.py::TestSsl::test_handshake".into(),
                ],
                skipped: 10,
                left_out: 0,
            }
        );
    }
}
