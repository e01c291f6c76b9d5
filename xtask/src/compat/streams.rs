//! headwater-streams against Java's Kafka Streams: the program `streams` of `compat/rust` runs the same topologies with
//! both over the same records, and compares what they write.

use anyhow::Result;

use super::{Broker, checks, java};
use crate::command::command;
use crate::workspace::root;

const JVM: &[&str] = &["java", "-Xmx768m", "-XX:+UseSerialGC"];
const REFERENCE: &str = "dev.headwater.compat.StreamsReference";

/// Runs all topologies; returns the counts.
pub(super) fn run(broker: Broker) -> Result<String> {
    let class_path = java::class_path()?;
    let arguments = ["run", "--package", "headwater-compat", "--bin", "streams"];
    let mut streams = command("cargo", &arguments, &root());
    streams
        .args(["--", broker.bootstrap, "--java"])
        .args(JVM)
        // What its threads log as they come and go says nothing; what ends them is in their answer.
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
        .args(["-cp", &class_path, REFERENCE]);
    checks(&mut streams, broker.target)
}
