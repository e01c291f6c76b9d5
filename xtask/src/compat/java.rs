//! Kafka's own clients and tools (Java), unmodified, from the jars of `cargo xtask kafka`: the class `Suite` of
//! `compat/java` runs all checks in one JVM.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Broker, Target, checks};
use crate::command::{command, run as run_command, which};
use crate::headwater;
use crate::kafka;
use crate::workspace::{cache_dir, root};

/// Most checks wait for a broker: what counts is that the JVM starts quickly and stays small.
const JVM: &[&str] = &["-Xmx512m", "-XX:+UseSerialGC"];
const SUITE: &str = "dev.headwater.compat.Suite";
const SOURCES: &str = "compat/java/src/dev/headwater/compat";

/// What of Java this machine lacks, or `None`.
pub(super) fn missing() -> Option<String> {
    kafka::missing().or_else(|| {
        which("javac")
            .is_none()
            .then(|| "javac not found on this machine".to_owned())
    })
}

/// Runs all checks; returns the counts. On the store also those that kill a store of their own.
pub(super) fn run(broker: Broker) -> Result<String> {
    let mut java = command("java", JVM, &root());
    // What clients log about brokers that go away, as some checks want it, says nothing.
    java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp"])
        .args([&class_path()?, SUITE, broker.bootstrap]);
    if broker.target == Target::Embedded {
        java.arg("--headwater").arg(headwater::binary()?);
    }
    checks(&mut java, broker.target)
}

/// The compiled sources and Kafka's jars.
pub(super) fn class_path() -> Result<String> {
    let libs = kafka::libs()?;
    let classes = compile(&libs)?;
    Ok(format!("{}:{}/*", classes.display(), libs.display()))
}

/// Compiles the sources against Kafka's jars; where the classes are.
fn compile(libs: &Path) -> Result<PathBuf> {
    let classes = cache_dir()?.join("compat-java");
    let _ = fs::remove_dir_all(&classes);
    fs::create_dir_all(&classes).with_context(|| format!("creating {}", classes.display()))?;
    let class_path = format!("{}/*", libs.display());
    let mut sources = Vec::new();
    for entry in fs::read_dir(root().join(SOURCES)).context(SOURCES)? {
        sources.push(entry?.path());
    }
    let mut javac = command(
        "javac",
        &["-Xlint:all,-classfile,-processing,-try"],
        &root(),
    );
    javac
        .args(["-Werror", "-cp", &class_path, "-d"])
        .arg(&classes)
        .args(sources);
    run_command(&mut javac)?;
    Ok(classes)
}
