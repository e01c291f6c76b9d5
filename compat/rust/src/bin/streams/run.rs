//! One topology, run by two programs over the same records, and what they wrote compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use headwater_streams::{App, Membership};

use crate::cases::{Case, Feed, Kind};
use crate::compare::{self, Differences, Read};
use crate::counterpart::{Counterpart, JAVAS_ALONE, OURS_ALONE};
use crate::driven;
use crate::input::{self, Fed};
use crate::java::{Java, Job};
use crate::kafka::Kafka;
use crate::topologies::{Topics, topology};

/// Of headwater-streams; Kafka Streams has the same.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

/// What Kafka Streams is compared with.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// headwater-streams.
    Headwater,
    /// headwater-streams in its test driver, without the Kafka.
    TestDriver,
    /// Kafka Streams itself.
    Java,
    /// Kafka Streams with another topology than the case's.
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

/// A case as it is run by both programs.
pub(crate) struct Trial<'a> {
    pub(crate) kafka: &'a Kafka,
    pub(crate) java: &'a Java,
    pub(crate) case: &'a Case,
    pub(crate) seed: u64,
    pub(crate) guarantee: &'a str,
}

/// A program's run: its application and the topic that it writes.
struct Run {
    side: Side,
    application: String,
    output: String,
}

/// What a program wrote: its output, and the topics of its own by their names after the application's.
struct Written {
    output: Vec<Read>,
    own: BTreeMap<String, Vec<Read>>,
}

impl Trial<'_> {
    /// Runs the case with Kafka Streams and with the other side, and compares all they wrote.
    pub(crate) fn compare(&self, other: Side) -> Result<Compared> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let phases = input::generate(self.case, self.seed, i64::try_from(now)?);
        let name = format!("diff-{}-{}-{now:x}", self.case.name, self.seed);
        let count = self.case.inputs.len();
        let inputs: Vec<_> = (0..count)
            .map(|input| format!("{name}-in{input}"))
            .collect();
        let runs = [("reference", Side::Java), ("other", other)].map(|(label, side)| Run {
            side,
            application: format!("{name}-{label}"),
            output: format!("{name}-out-of-{label}"),
        });
        let mut topics = inputs.clone();
        topics.extend(runs.iter().map(|run| run.output.clone()));
        self.kafka.create(&topics)?;
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let written = self.run_both(&runs, &inputs, &phases, &dir);
        let _ = fs::remove_dir_all(&dir);
        let [expected, found] = written?;
        let mut compared = Compared {
            read: phases.iter().map(Vec::len).sum(),
            records: expected.output.len(),
            ..Compared::default()
        };
        compared.add(
            "output",
            compare::outputs(self.case.order, &expected.output, &found.output),
        );
        compared.own_topics(&expected, &found);
        Ok(compared)
    }

    /// Feeds both programs and waits until they have ended.
    fn run_both(
        &self,
        runs: &[Run; 2],
        inputs: &[String],
        phases: &[Vec<Fed>],
        dir: &Path,
    ) -> Result<[Written; 2]> {
        if self.case.feed == Feed::AtOnce {
            self.kafka.load(inputs, &phases.concat())?;
        }
        thread::scope(|scope| {
            let [one, other] = runs
                .each_ref()
                .map(|run| scope.spawn(|| self.to_the_end(run, inputs, phases, dir)));
            let fed = match self.case.feed {
                Feed::AtOnce => Ok(()),
                Feed::InPhases => self.feed(runs, inputs, phases),
            };
            let panicked = |_| anyhow!("a thread panicked");
            let written = [
                one.join().map_err(panicked)??,
                other.join().map_err(panicked)??,
            ];
            fed.map(|()| written)
        })
    }

    /// Writes phase after phase, each when the programs have done all that follows from the one before.
    fn feed(&self, runs: &[Run], inputs: &[String], phases: &[Vec<Fed>]) -> Result<()> {
        for (index, phase) in phases.iter().enumerate() {
            self.kafka.load(inputs, phase)?;
            for run in runs.iter().filter(|run| run.reads_kafka()) {
                let held = held(inputs, &phases[..=index]);
                self.kafka.caught_up(&run.application, &held, || false)?;
            }
        }
        Ok(())
    }

    /// Runs a program until it has read all that there will be; what it wrote.
    fn to_the_end(
        &self,
        run: &Run,
        inputs: &[String],
        phases: &[Vec<Fed>],
        dir: &Path,
    ) -> Result<Written> {
        match run.side {
            Side::TestDriver => return self.driven(run, inputs, phases),
            Side::Headwater => self.headwater(run, inputs, phases, dir)?,
            Side::Java => self.java(self.case.name, run, inputs, phases, dir)?,
            Side::JavaWith(topology) => self.java(topology, run, inputs, phases, dir)?,
        }
        let prefix = format!("{}-", run.application);
        let mut own = BTreeMap::new();
        for topic in self.kafka.topics(&prefix)? {
            let name = topic.strip_prefix(&prefix).unwrap_or(&topic);
            own.insert(name.to_owned(), self.kafka.read(&topic)?);
        }
        Ok(Written {
            output: self.kafka.read(&run.output)?,
            own,
        })
    }

    fn java(
        &self,
        topology: &str,
        run: &Run,
        inputs: &[String],
        phases: &[Vec<Fed>],
        dir: &Path,
    ) -> Result<()> {
        let state_dir = dir.to_str();
        self.java.run(&Job {
            topology,
            application: &run.application,
            inputs: held(inputs, phases),
            output: &run.output,
            guarantee: self.guarantee,
            state_dir: state_dir.context("the temporary directory's path is not UTF-8")?,
        })
    }

    /// Runs an application of headwater-streams until it has read all, then stops it.
    fn headwater(
        &self,
        run: &Run,
        inputs: &[String],
        phases: &[Vec<Fed>],
        dir: &Path,
    ) -> Result<()> {
        let build = topology(self.case.name).context("it is not written with headwater-streams")?;
        let topics = run.topics(inputs);
        let running = App::new(&run.application)
            .bootstrap(&self.kafka.bootstrap)
            .state_dir(dir)
            .commit_interval(COMMIT_INTERVAL)
            .membership(Membership::Dynamic)
            .set("processing.guarantee", self.guarantee)
            // What went from part to part is compared, too.
            .set("repartition.purge.interval.ms", "3600000")
            .start(move |b| build(b, &topics))?;
        let mut held = held(inputs, phases);
        let of_tasks = self
            .case
            .inputs
            .iter()
            .map(|input| input.kind == Kind::OfTasks);
        let mut of_tasks = of_tasks.into_iter();
        held.retain(|_| of_tasks.next().unwrap_or(true));
        let read = self
            .kafka
            .caught_up(&run.application, &held, || running.state().is_final());
        // What it failed with says more than that it did not read.
        running.stop_blocking()?;
        read
    }

    fn driven(&self, run: &Run, inputs: &[String], phases: &[Vec<Fed>]) -> Result<Written> {
        let topics = run.topics(inputs);
        let (name, guarantee) = (self.case.name, self.guarantee);
        let all = driven::run(name, &run.application, guarantee, &topics, phases)?;
        let mut written = Written {
            output: Vec::new(),
            own: BTreeMap::new(),
        };
        for (topic, records) in all {
            if topic == run.output {
                written.output = records;
            } else if let Some(name) = topic.strip_prefix(&format!("{}-", run.application)) {
                written.own.insert(name.to_owned(), records);
            }
        }
        Ok(written)
    }
}

/// How many records each input holds after these phases.
fn held(inputs: &[String], phases: &[Vec<Fed>]) -> Vec<(String, usize)> {
    let count = |input| {
        let records = phases.iter().flatten();
        records.filter(|fed| fed.input == input).count()
    };
    let topics = inputs.iter().enumerate();
    topics
        .map(|(index, topic)| (topic.clone(), count(index)))
        .collect()
}

impl Run {
    fn topics(&self, inputs: &[String]) -> Topics {
        Topics {
            inputs: inputs.to_vec(),
            output: self.output.clone(),
        }
    }

    fn reads_kafka(&self) -> bool {
        !matches!(self.side, Side::TestDriver)
    }
}

impl Compared {
    fn add(&mut self, topic: &str, differences: Differences) {
        self.differences += differences.count;
        let told = differences.told.into_iter();
        self.told
            .extend(told.map(|told| format!("{topic}: {told}")));
    }

    /// Compares changelog and repartition topics.
    fn own_topics(&mut self, expected: &Written, found: &Written) {
        let mut others: BTreeSet<_> = found.own.keys().map(String::as_str).collect();
        for (name, one) in &expected.own {
            if JAVAS_ALONE.contains(&name.as_str()) {
                continue;
            }
            let counterpart = Counterpart::of(name, &others);
            let Some(other) = found.own.get(counterpart.ours) else {
                self.alone(name, "Kafka Streams");
                continue;
            };
            others.remove(counterpart.ours);
            let keys: BTreeSet<_> = one.iter().map(|read| &read.key).collect();
            self.keys += keys.len();
            self.add(name, counterpart.compare(one, other));
        }
        for name in others.into_iter().filter(|name| !OURS_ALONE.contains(name)) {
            self.alone(name, "the other side");
        }
    }

    fn alone(&mut self, name: &str, whose: &str) {
        self.differences += 1;
        self.told.push(format!("{name}: a topic of {whose} alone"));
    }
}
