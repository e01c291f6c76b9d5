//! Our codec against Kafka's own: fields against the schemas in its jars, and random messages both ways.
//!
//! Java compares (`compat/java`, class `Codec`); for our side speaks the example `codec` of the coordinator, which
//! knows both the messages and the persisted records. No broker runs.

use anyhow::{Context, Result};

use super::counts;
use crate::command::{command, run};
use crate::headwater::target_dir;
use crate::kafka;
use crate::workspace::root;

const JVM: &[&str] = &["-Xmx512m", "-XX:+UseSerialGC"];
const SOURCE: &str = "compat/java/src/dev/headwater/compat/Codec.java";
/// Random messages of each version of each message, in each direction.
const SAMPLES: &str = "40";

/// Compares; returns the counts.
pub(super) fn compare() -> Result<String> {
    run(&mut command(
        "cargo",
        &[
            "build",
            "--package",
            "headwater-coordinator",
            "--example",
            "codec",
        ],
        &root(),
    ))?;
    let ours = target_dir().join("debug/examples/codec");
    let ours = ours.to_str().context("the target directory is not UTF-8")?;
    let source = root().join(SOURCE);
    let source = source.to_str().context("the project's path is not UTF-8")?;
    // A single source file needs no compiling beforehand.
    let mut java = kafka::java(&kafka::libs()?, JVM, source, &[ours, SAMPLES]);
    counts(&mut java)
}
