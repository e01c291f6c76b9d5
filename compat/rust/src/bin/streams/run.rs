//! One topology, run by two programs over the same topics, and what they wrote compared.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};

use crate::cases::{Case, Feed};
use crate::compare::{self, Differences};
use crate::input::{self, Fed};
use crate::java::{Java, Job};
use crate::kafka::Kafka;

/// What Kafka Streams is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// Itself.
    Java,
    /// Itself, with another topology than the case's.
    JavaWith(&'static str),
}

/// What became of a comparison.
#[derive(Default)]
pub(crate) struct Compared {
    pub(crate) read: usize,
    pub(crate) records: usize,
    pub(crate) keys: usize,
    pub(crate) differences: usize,
    pub(crate) told: Vec<String>,
}

/// A program's run.
struct Run<'a> {
    side: Side,
    topology: &'a str,
    application: String,
    output: String,
    guarantee: &'a str,
}

/// Runs a case with Kafka Streams and with the other side, and compares all they wrote.
pub(crate) fn compare(
    kafka: &Kafka,
    java: &Java,
    case: &Case,
    seed: u64,
    guarantee: &str,
    other: &Side,
) -> Result<Compared> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let phases = input::generate(case, seed, i64::try_from(now)?);
    let name = format!("diff-{}-{seed}-{now:x}", case.name);
    let inputs: Vec<_> = (0..case.inputs.len())
        .map(|input| format!("{name}-in{input}"))
        .collect();
    let runs = [("reference", Side::Java), ("other", *other)].map(|(label, side)| Run {
        side,
        topology: case.name,
        application: format!("{name}-{label}"),
        output: format!("{name}-out-of-{label}"),
        guarantee,
    });
    let mut topics = inputs.clone();
    topics.extend(runs.iter().map(|run| run.output.clone()));
    kafka.create(&topics)?;
    let dir = std::env::temp_dir().join(&name);
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let ran = run_both(kafka, java, case, &runs, &inputs, &phases, &dir);
    let _ = fs::remove_dir_all(&dir);
    ran?;
    let mut compared = Compared {
        read: phases.iter().map(Vec::len).sum(),
        ..Compared::default()
    };
    let [expected, found] = runs;
    outputs(kafka, case, &expected, &found, &mut compared)?;
    own_topics(kafka, &expected, &found, &mut compared)?;
    Ok(compared)
}

/// Feeds both programs and waits until they have ended.
fn run_both(
    kafka: &Kafka,
    java: &Java,
    case: &Case,
    runs: &[Run; 2],
    inputs: &[String],
    phases: &[Vec<Fed>],
    dir: &Path,
) -> Result<()> {
    let all = held(inputs, phases);
    if case.feed == Feed::AtOnce {
        kafka.load(inputs, &phases.concat())?;
    }
    thread::scope(|scope| {
        let running: Vec<_> = runs
            .iter()
            .map(|run| {
                let all = &all;
                scope.spawn(move || run.to_the_end(java, all, dir))
            })
            .collect();
        let fed = match case.feed {
            Feed::AtOnce => Ok(()),
            Feed::InPhases => feed(kafka, runs, inputs, phases),
        };
        for program in running {
            program.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        fed
    })
}

/// Writes phase after phase, each when both programs have done all that follows from the one before.
fn feed(kafka: &Kafka, runs: &[Run; 2], inputs: &[String], phases: &[Vec<Fed>]) -> Result<()> {
    for (index, phase) in phases.iter().enumerate() {
        kafka.load(inputs, phase)?;
        for run in runs {
            kafka.caught_up(&run.application, &held(inputs, &phases[..=index]))?;
        }
    }
    Ok(())
}

/// How many records each input holds after these phases.
fn held(inputs: &[String], phases: &[Vec<Fed>]) -> Vec<(String, usize)> {
    let count = |input| {
        phases
            .iter()
            .flatten()
            .filter(|fed| fed.input == input)
            .count()
    };
    inputs
        .iter()
        .enumerate()
        .map(|(index, topic)| (topic.clone(), count(index)))
        .collect()
}

impl Run<'_> {
    fn to_the_end(&self, java: &Java, inputs: &[(String, usize)], dir: &Path) -> Result<()> {
        let topology = match self.side {
            Side::Java => self.topology,
            Side::JavaWith(topology) => topology,
        };
        java.run(&Job {
            topology,
            application: &self.application,
            inputs: inputs.to_vec(),
            output: &self.output,
            guarantee: self.guarantee,
            state_dir: dir
                .to_str()
                .context("the temporary directory's path is not UTF-8")?,
        })
    }
}

fn outputs(
    kafka: &Kafka,
    case: &Case,
    expected: &Run,
    found: &Run,
    into: &mut Compared,
) -> Result<()> {
    let (one, other) = (kafka.read(&expected.output)?, kafka.read(&found.output)?);
    into.records += one.len();
    into.add("output", compare::outputs(case.order, &one, &other));
    Ok(())
}

/// Compares changelog and repartition topics, which both programs name alike after their application.
fn own_topics(kafka: &Kafka, expected: &Run, found: &Run, into: &mut Compared) -> Result<()> {
    let (ones, others) = (own(kafka, expected)?, own(kafka, found)?);
    if ones != others {
        into.differences += 1;
        into.told.push(format!(
            "topics of their own: expected {ones:?}, found {others:?}"
        ));
    }
    for name in ones.iter().filter(|name| others.contains(name)) {
        let one = kafka.read(&format!("{}-{name}", expected.application))?;
        let other = kafka.read(&format!("{}-{name}", found.application))?;
        let keys: std::collections::BTreeSet<_> = one.iter().map(|read| &read.key).collect();
        into.keys += keys.len();
        into.add(name, compare::keys(&one, &other));
    }
    Ok(())
}

/// The names of a program's own topics without its own.
fn own(kafka: &Kafka, run: &Run) -> Result<Vec<String>> {
    let prefix = format!("{}-", run.application);
    let topics = kafka.topics(&prefix)?;
    Ok(topics
        .iter()
        .filter_map(|topic| topic.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect())
}

impl Compared {
    fn add(&mut self, topic: &str, differences: Differences) {
        self.differences += differences.count;
        self.told.extend(
            differences
                .told
                .into_iter()
                .map(|told| format!("{topic}: {told}")),
        );
    }
}
