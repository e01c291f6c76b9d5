//! `cargo xtask bench store`: `headwater bench` against the embedded store, durable and relaxed, and against Apache
//! Kafka, in one run on one machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use headwater_testkit::{Store, StoreSettings};
use serde_json::{Value, json};

use super::process::{cpu_seconds, status_bytes};
use crate::command::{command, run as run_command};
use crate::headwater::{target_dir, temporary_dir};
use crate::kafka::{self, NameArguments, UpArguments};
use crate::workspace::root;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Records of 100 bytes to produce and consume
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Measure the development build: only to try the task itself
    #[arg(long)]
    debug: bool,
}

/// The cluster that is measured.
const CLUSTER: &str = "bench";

/// What one system did.
struct Measured {
    system: &'static str,
    rows: Vec<Value>,
    started_in: Duration,
    cpu_seconds: Option<f64>,
    idle_bytes: Option<u64>,
    peak_bytes: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = build(arguments)?;
    let mut measured = Vec::new();
    for (system, durability) in [
        ("headwater, fsync", "fsync"),
        ("headwater, relaxed", "relaxed"),
    ] {
        measured.push(of_store(arguments, &binary, system, durability)?);
    }
    match kafka::missing() {
        Some(reason) => eprintln!("Apache Kafka is not measured: {reason}"),
        None => {
            for (system, settings) in [
                ("Apache Kafka", vec![]),
                (
                    "Apache Kafka, flush each",
                    vec!["log.flush.interval.messages=1".to_owned()],
                ),
            ] {
                measured.push(of_kafka(arguments, &binary, system, settings)?);
            }
        }
    }
    print(arguments, &measured);
    Ok(())
}

fn build(arguments: &Arguments) -> Result<std::path::PathBuf> {
    let mut cargo = command("cargo", &["build", "--package", "headwater-cli"], &root());
    if !arguments.debug {
        cargo.arg("--release");
    }
    run_command(&mut cargo)?;
    Ok(target_dir()
        .join(if arguments.debug { "debug" } else { "release" })
        .join("headwater"))
}

fn of_store(
    arguments: &Arguments,
    binary: &Path,
    system: &'static str,
    durability: &str,
) -> Result<Measured> {
    let dir = temporary_dir("bench")?;
    let started = Instant::now();
    let mut store = Store::start(StoreSettings {
        binary: binary.to_path_buf(),
        data_dir: dir.join("data"),
        arguments: vec!["--durability".into(), durability.into()],
    })?;
    let started_in = started.elapsed();
    let pids = [store.process().id()];
    let measured = measure(
        arguments,
        binary,
        system,
        store.bootstrap(),
        &pids,
        started_in,
    );
    drop(store);
    fs::remove_dir_all(&dir)?;
    measured
}

fn of_kafka(
    arguments: &Arguments,
    binary: &Path,
    system: &'static str,
    settings: Vec<String>,
) -> Result<Measured> {
    let started = Instant::now();
    let cluster = kafka::up(&UpArguments {
        brokers: 1,
        port: None,
        settings,
        name: NameArguments {
            name: CLUSTER.to_owned(),
        },
    })?;
    let started_in = started.elapsed();
    let measured = measure(
        arguments,
        binary,
        system,
        &cluster.bootstrap,
        &cluster.pids(),
        started_in,
    );
    kafka::down(CLUSTER)?;
    measured
}

fn measure(
    arguments: &Arguments,
    binary: &Path,
    system: &'static str,
    bootstrap: &str,
    pids: &[u32],
    started_in: Duration,
) -> Result<Measured> {
    eprintln!("measuring {system}");
    let idle_bytes = sum(pids, |pid| status_bytes(pid, "VmRSS:"));
    let before = sum(pids, cpu_seconds);
    let records = arguments.records.to_string();
    let output = Command::new(binary)
        .args([
            "bench",
            "-o",
            "json",
            "--records",
            &records,
            "-b",
            bootstrap,
        ])
        .output()
        .context("could not run headwater bench")?;
    ensure!(
        output.status.success(),
        "{system}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let after = sum(pids, cpu_seconds);
    Ok(Measured {
        system,
        rows,
        started_in,
        cpu_seconds: after.zip(before).map(|(after, before)| after - before),
        idle_bytes,
        peak_bytes: sum(pids, |pid| status_bytes(pid, "VmHWM:")),
    })
}

fn sum<T: std::iter::Sum>(pids: &[u32], of: impl Fn(u32) -> Option<T>) -> Option<T> {
    pids.iter().map(|pid| of(*pid)).sum()
}

fn print(arguments: &Arguments, measured: &[Measured]) {
    if arguments.json {
        let systems: Vec<Value> = measured.iter().map(Measured::json).collect();
        println!(
            "{}",
            json!({ "records": arguments.records, "record_bytes": 100, "systems": systems })
        );
        return;
    }
    for system in measured {
        println!("{}:", system.system);
        let fields = system.json();
        for (name, value) in fields
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "system")
        {
            println!("  {name:<28} {value}");
        }
    }
}

impl Measured {
    fn json(&self) -> Value {
        let mut fields = serde_json::Map::new();
        fields.insert("system".into(), json!(self.system));
        for row in &self.rows {
            let name = format!("{} ({})", text(&row["measured"]), text(&row["unit"]));
            fields.insert(name, row["value"].clone());
        }
        fields.insert(
            "started in (ms)".into(),
            json!(self.started_in.as_millis() as u64),
        );
        fields.insert(
            "cpu seconds".into(),
            json!(
                self.cpu_seconds
                    .map(|seconds| (seconds * 100.0).round() / 100.0)
            ),
        );
        fields.insert("idle memory (bytes)".into(), json!(self.idle_bytes));
        fields.insert("peak memory (bytes)".into(), json!(self.peak_bytes));
        Value::Object(fields)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
