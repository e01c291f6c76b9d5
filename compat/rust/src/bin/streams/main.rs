//! headwater-streams against Java's Kafka Streams: the same topologies over the same records on one Kafka, and whatever
//! they write compared record by record. Prints a line per topology, then the counts.
//!
//! `streams BOOTSTRAP [--only TEXT] [--seed N] [--against headwater|driver|java] --java PROGRAM ARGUMENT...`: the
//! rest of the line starts `StreamsReference` of `compat/java`. `--against driver` runs ours without the Kafka, in the
//! test driver; `--against java` runs Kafka Streams twice: how far the comparison itself can be trusted.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

mod cases;
mod compare;
mod counterpart;
mod driven;
mod input;
mod java;
mod kafka;
mod run;
mod topologies;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use cases::{CASES, Case};
use java::Java;
use kafka::Kafka;
use run::{Compared, Side, Trial};

/// Topologies side by side: each mostly waits for its groups.
const LANES: usize = 3;
/// Each topology is run with each seed; the guarantee turns from one to the next.
const SEEDS: u64 = 2;
const GUARANTEES: [&str; 2] = ["at_least_once", "exactly_once_v2"];
/// Joins whose results differ only where one side has nothing.
const ALIKE: (&str, &str) = ("stream-join-inner", "stream-join-left");

struct Arguments {
    bootstrap: String,
    only: String,
    seeds: Vec<u64>,
    against: Side,
    java: Vec<String>,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run_all(&arguments)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments> {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments {
        bootstrap: words.next().context("no bootstrap servers are given")?,
        only: String::new(),
        seeds: (1..=SEEDS).collect(),
        against: Side::Headwater,
        java: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} has no value"));
        match word.as_str() {
            "--only" => arguments.only = value()?,
            "--seed" => arguments.seeds = vec![value()?.parse()?],
            "--against" => {
                arguments.against = match value()?.as_str() {
                    "headwater" => Side::Headwater,
                    "driver" => Side::TestDriver,
                    "java" => Side::Java,
                    other => bail!("--against headwater, driver or java, not {other}"),
                }
            }
            "--java" => arguments.java = words.by_ref().collect(),
            _ => bail!("unknown argument {word}"),
        }
    }
    ensure!(!arguments.java.is_empty(), "--java is missing");
    Ok(arguments)
}

/// Runs all topologies; how many failed.
fn run_all(arguments: &Arguments) -> Result<usize> {
    let kafka = Kafka::new(&arguments.bootstrap)?;
    let java = Java::start(&arguments.java, &arguments.bootstrap)?;
    let second_try = std::env::var_os("HEADWATER_COMPAT_SECOND_TRY").is_some();
    let runs: Vec<(usize, &Case, u64)> = arguments
        .seeds
        .iter()
        .flat_map(|seed| {
            CASES
                .iter()
                .enumerate()
                .map(move |(index, case)| (index, case, *seed))
        })
        .filter(|(_, case, _)| case.name.contains(&arguments.only))
        .collect();
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((index, case, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let guarantee = GUARANTEES[(*index + *seed as usize) % GUARANTEES.len()];
                    let label = format!("{} (seed {seed}, {guarantee})", case.name);
                    let trial = Trial {
                        kafka: &kafka,
                        java: &java,
                        case,
                        seed: *seed,
                        guarantee,
                    };
                    report(
                        &label,
                        || trial.compare(arguments.against),
                        second_try,
                        &tally,
                    );
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_default();
    if arguments.only.is_empty() {
        tally.note(&sees_differences(&kafka, &java));
    }
    println!(
        "{} passed, {} failed; {} records and {} keys of stores compared, {} differ",
        tally.passed, tally.failed, tally.records, tally.keys, tally.differences
    );
    Ok(tally.failed + usize::from(tally.passed == 0))
}

/// Runs one comparison, where a cluster's brokers may excuse a failure twice, and prints its line.
fn report(
    label: &str,
    attempt: impl Fn() -> Result<Compared>,
    second_try: bool,
    tally: &Mutex<Tally>,
) {
    let (started, mut which) = (Instant::now(), "");
    let mut compared = attempt();
    if second_try && !matches!(&compared, Ok(compared) if compared.differences == 0) {
        println!("again {label}\n{}", said(&compared));
        compared = attempt();
        which = ", pass on the second try";
    }
    let took = started.elapsed().as_secs_f64();
    let mut tally = tally
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match &compared {
        Ok(found) if found.differences == 0 => {
            let (read, records, keys) = (found.read, found.records, found.keys);
            println!(
                "pass  {label}: {read} read, {records} written, {keys} keys stored ({took:.1} s{which})"
            );
        }
        _ => println!("FAIL  {label}\n{}", said(&compared)),
    }
    tally.add(&compared);
}

fn said(compared: &Result<Compared>) -> String {
    match compared {
        Ok(compared) => format!(
            "{} differ\n{}",
            compared.differences,
            compared.told.join("\n")
        ),
        Err(error) => format!("{error:#}"),
    }
}

/// That two topologies which are nearly the same are told apart: a comparison that sees nothing proves nothing.
fn sees_differences(kafka: &Kafka, java: &Java) -> Result<()> {
    let case = CASES
        .iter()
        .find(|case| case.name == ALIKE.0)
        .context("no such topology")?;
    let trial = Trial {
        kafka,
        java,
        case,
        seed: 1,
        guarantee: GUARANTEES[0],
    };
    let compared = trial.compare(Side::JavaWith(ALIKE.1))?;
    ensure!(
        compared.differences > 0,
        "no difference between {} and {}",
        ALIKE.0,
        ALIKE.1
    );
    println!(
        "pass  {} and {} are told apart: {} differ",
        ALIKE.0, ALIKE.1, compared.differences
    );
    Ok(())
}

#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    records: usize,
    keys: usize,
    differences: usize,
}

impl Tally {
    fn add(&mut self, compared: &Result<Compared>) {
        if let Ok(compared) = compared {
            self.records += compared.records;
            self.keys += compared.keys;
            self.differences += compared.differences;
        }
        if matches!(compared, Ok(compared) if compared.differences == 0) {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    fn note(&mut self, outcome: &Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                println!("FAIL  differences are seen\n{error:#}");
                self.failed += 1;
            }
        }
    }
}
