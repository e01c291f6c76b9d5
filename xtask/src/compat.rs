//! `cargo xtask compat`: the same suites against the embedded event store and against Apache Kafka.
//!
//! Suites: the command line's tests, the ordering system's end-to-end tests, and unmodified clients and tools in
//! Python, Java, Go, Node and Rust; and the test suites that clients publish.

use std::process::Command;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::command::{run_keeping_stdout, which};
use crate::headwater::{self, TemporaryStore};
use crate::kafka::{self, NameArguments, UpArguments};
use crate::outcome::Outcomes;
mod cargo_tests;
mod codec;
mod go;
mod java;
mod node;
mod public;
mod python;
mod registry;
mod rust;
mod streams;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Fail where a suite cannot run on this machine, instead of saying so
    #[arg(long)]
    require: bool,
    /// Only this suite
    #[arg(long, value_enum)]
    only: Option<Suite>,
    /// Only against this Kafka
    #[arg(long, value_enum)]
    on: Option<Target>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    Cli,
    Ordering,
    Python,
    Java,
    Go,
    Node,
    NodeConfluent,
    Rust,
    /// headwater-streams against Java's Kafka Streams, record by record
    Streams,
    /// franz-go's own tests
    PublicFranzGo,
    /// kafka-python's own tests
    PublicKafkaPython,
    /// librdkafka's own tests
    PublicLibrdkafka,
    /// headwater-streams' schema registry client against franz-go's registry, without any broker
    Registry,
    /// Our wire formats and Kafka's, without any broker
    Codec,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Embedded,
    Kafka,
}

impl Target {
    /// Whether a check that failed is run once more. Three brokers on a busy machine hear of a change at different
    /// times, and clients ask any of them; our one node has no such excuse.
    fn has_second_try(self) -> bool {
        self == Self::Kafka
    }
}

/// A running Kafka, and which one it is.
#[derive(Clone, Copy)]
struct Broker<'a> {
    bootstrap: &'a str,
    target: Target,
}

/// Set for the suites' programs where a check has a second try.
const SECOND_TRY: &str = "HEADWATER_COMPAT_SECOND_TRY";

/// The cluster that the suites run against.
const CLUSTER: &str = "compat";

/// What a group of suites runs against.
struct Setup {
    suites: &'static [(Suite, &'static str)],
    settings: &'static [&'static str],
    /// Of Apache Kafka; the embedded store is one.
    brokers: u16,
}

const OWN: Setup = Setup {
    suites: OWN_SUITES,
    settings: &["group.initial.rebalance.delay.ms=0"],
    brokers: 3,
};

/// One broker: that is what these suites' defaults are made for, and three are slow on a small machine.
const PUBLIC: Setup = Setup {
    suites: PUBLIC_SUITES,
    settings: public::SETTINGS,
    brokers: 1,
};

const PUBLIC_SUITES: &[(Suite, &str)] = &[
    (Suite::PublicFranzGo, "public: franz-go"),
    (Suite::PublicKafkaPython, "public: kafka-python"),
    (Suite::PublicLibrdkafka, "public: librdkafka"),
];

const OWN_SUITES: &[(Suite, &str)] = &[
    (Suite::Cli, "cli"),
    (Suite::Ordering, "ordering"),
    (Suite::Python, "python"),
    (Suite::Java, "java"),
    (Suite::Go, "go"),
    (Suite::Node, "node"),
    (Suite::NodeConfluent, "node-confluent"),
    (Suite::Rust, "rust"),
    (Suite::Streams, "streams"),
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut outcomes = Outcomes::default();
    let mut missing = Vec::new();
    if arguments.only.is_none_or(|only| only == Suite::Codec) {
        compare_codecs(&mut outcomes, &mut missing);
    }
    if arguments.only.is_none_or(|only| only == Suite::Registry) {
        match lacking(Suite::Registry) {
            None => outcomes.step("registry", registry::run),
            Some(reason) => {
                outcomes.skipped("registry", &reason);
                missing.push(reason);
            }
        }
    }
    if matches!(arguments.only, Some(Suite::Codec | Suite::Registry)) {
        return finish(outcomes, arguments, missing);
    }
    // Not by the suites: a build that fails is one failure, not eight.
    headwater::binary()?;
    for (target, name) in [
        (Target::Embedded, "embedded store"),
        (Target::Kafka, "Apache Kafka"),
    ] {
        if arguments.on.is_some_and(|on| on != target) {
            continue;
        }
        if target == Target::Kafka
            && let Some(reason) = kafka::missing()
        {
            outcomes.skipped(&format!("all on {name}"), &reason);
            missing.push(reason);
            continue;
        }
        for setup in [OWN, PUBLIC] {
            on_target(target, name, &setup, arguments, &mut outcomes, &mut missing)?;
        }
    }
    finish(outcomes, arguments, missing)
}

fn finish(outcomes: Outcomes, arguments: &Arguments, mut missing: Vec<String>) -> Result<()> {
    let result = outcomes.finish("compat");
    if arguments.require && !missing.is_empty() {
        missing.dedup();
        bail!("--require, but {}", missing.join("; "));
    }
    result
}

fn compare_codecs(outcomes: &mut Outcomes, missing: &mut Vec<String>) {
    match kafka::missing() {
        None => outcomes.step("codec", codec::compare),
        Some(reason) => {
            outcomes.skipped("codec", &reason);
            missing.push(reason);
        }
    }
}

fn on_target(
    target: Target,
    target_name: &str,
    setup: &Setup,
    arguments: &Arguments,
    outcomes: &mut Outcomes,
    missing: &mut Vec<String>,
) -> Result<()> {
    let selected: Vec<_> = setup
        .suites
        .iter()
        .copied()
        .filter(|(suite, _)| arguments.only.is_none_or(|only| only == *suite))
        .collect();
    if selected.is_empty() {
        return Ok(());
    }
    let running = Running::start(target, setup)?;
    let broker = Broker {
        bootstrap: running.bootstrap(),
        target,
    };
    for (suite, suite_name) in selected {
        let name = format!("{suite_name} on {target_name}");
        if let Some(reason) = lacking(suite) {
            outcomes.skipped(&name, &reason);
            missing.push(reason);
            continue;
        }
        outcomes.step(&name, || run_suite(suite, broker));
    }
    Ok(())
}

/// What a suite needs and this machine lacks.
fn lacking(suite: Suite) -> Option<String> {
    match suite {
        Suite::Python | Suite::PublicKafkaPython => absent(&["python3"]),
        Suite::Java | Suite::Streams => java::missing(),
        Suite::Go | Suite::PublicFranzGo | Suite::Registry => absent(&["go"]),
        Suite::PublicLibrdkafka => public::librdkafka::missing(),
        Suite::Node => absent(&["npm"]),
        Suite::NodeConfluent => absent(&["npm", "node", "make", "c++"]),
        Suite::Cli | Suite::Ordering | Suite::Rust | Suite::Codec => None,
    }
}

fn run_suite(suite: Suite, broker: Broker) -> Result<String> {
    match suite {
        Suite::Cli => cargo_tests::run("headwater-cli", broker),
        Suite::Ordering => cargo_tests::run("headwater-ordering", broker),
        Suite::Python => python::run(broker),
        Suite::Java => java::run(broker),
        Suite::Go => go::run(broker),
        Suite::Node => node::run(broker),
        Suite::NodeConfluent => node::run_confluent(broker),
        Suite::Rust => rust::run(broker),
        Suite::Streams => streams::run(broker),
        Suite::PublicFranzGo => public::franz_go::run(broker),
        Suite::PublicKafkaPython => public::kafka_python::run(broker),
        Suite::PublicLibrdkafka => public::librdkafka::run(broker),
        Suite::Codec | Suite::Registry => bail!("it needs no Kafka that runs"),
    }
}

/// The first of `programs` that this machine lacks.
fn absent(programs: &[&str]) -> Option<String> {
    let missing = programs.iter().find(|program| which(program).is_none())?;
    Some(format!("{missing} not found on this machine"))
}

/// Runs a suite's program with its output shown; its last line, the counts, also as the error if it failed or said nothing.
fn counts(program: &mut Command) -> Result<String> {
    let finished = run_keeping_stdout(program)?;
    let counts = finished.stdout.lines().last().unwrap_or_default();
    ensure!(finished.success && !counts.is_empty(), "{counts}");
    Ok(counts.to_owned())
}

/// As [`counts`], of a program that runs checks against a Kafka.
fn checks(program: &mut Command, target: Target) -> Result<String> {
    if target.has_second_try() {
        program.env(SECOND_TRY, "1");
    }
    counts(program)
}

/// A Kafka for the time of the suites.
enum Running {
    Embedded(TemporaryStore),
    Kafka(kafka::Cluster),
}

impl Running {
    fn start(target: Target, setup: &Setup) -> Result<Self> {
        match target {
            Target::Embedded => Ok(Self::Embedded(TemporaryStore::start(setup.settings)?)),
            Target::Kafka => Ok(Self::Kafka(kafka::up(&UpArguments {
                brokers: setup.brokers,
                port: None,
                settings: setup.settings.iter().map(ToString::to_string).collect(),
                name: NameArguments {
                    name: CLUSTER.to_owned(),
                },
            })?)),
        }
    }

    fn bootstrap(&self) -> &str {
        match self {
            Self::Embedded(store) => store.bootstrap(),
            Self::Kafka(cluster) => &cluster.bootstrap,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Kafka(_) = self
            && let Err(error) = kafka::down(CLUSTER)
        {
            eprintln!("stopping Apache Kafka: {error:#}");
        }
    }
}
