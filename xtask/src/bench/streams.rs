//! `cargo xtask bench streams`: the same jobs in headwater-streams and in Kafka Streams, on the same event store and the
//! same records, one after the other in rounds, on a processor of their own.
//!
//! What counts is what an application's process costs: records per second of processor time, from its first record till
//! it has committed and closed. Both begin warm: a first part of the input goes through the same topology in the same
//! process before. What exactly-once costs is told in records per second of both guarantees.
//!
//! Each runs as its guide recommends: ours with mimalloc (docs/streams.md, "Speed and memory"), Kafka Streams on a
//! default JVM.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

mod application;
mod job;
mod programs;
mod restart;
mod setup;
mod throughput;
mod wide;

use programs::{Library, Programs};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A tenth of the records, one round
    #[arg(long)]
    quick: bool,
    /// Write what was measured to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this job: filter, word-count, count, windowed-count, join, q1, q3, q5, q8, restore or memory
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Rounds, of which the median is told
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure the release build that is there
    #[arg(long)]
    built: bool,
    /// Only headwater-streams
    #[arg(long)]
    headwater_only: bool,
}

impl Arguments {
    fn wants(&self, job: &str) -> bool {
        self.job.as_deref().is_none_or(|wanted| wanted == job)
    }

    fn records(&self) -> u64 {
        if self.quick { 200_000 } else { 2_000_000 }
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 }).max(1)
    }
}

/// What is measured, with what it needs.
struct Bench<'a> {
    arguments: &'a Arguments,
    programs: Programs,
    /// Lines that were printed, as JSON.
    rows: Vec<Value>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut bench = Bench {
        arguments,
        programs: Programs::build(arguments.built)?,
        rows: Vec::new(),
    };
    let known = throughput::run(&mut bench)? | restart::run(&mut bench)? | wide::run(&mut bench)?;
    ensure!(
        known,
        "no such job: {}",
        arguments.job.as_deref().unwrap_or_default()
    );
    if let Some(file) = &arguments.json {
        let text = json!({ "records": arguments.records(), "rounds": arguments.rounds(), "rows": bench.rows });
        fs::write(file, format!("{text:#}\n"))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

impl Bench<'_> {
    /// The libraries that are measured here.
    fn libraries(&self) -> impl Iterator<Item = Library> {
        let java = !self.arguments.headwater_only && self.programs.has(Library::KafkaStreams);
        Library::ALL
            .into_iter()
            .filter(move |library| java || *library == Library::Headwater)
    }

    /// Prints a row, `what` with a figure of each library and how many times better the first one is, and keeps it.
    fn row(&mut self, what: &str, unit: &str, figures: [Option<f64>; 2], better: Better) {
        let [ours, theirs] = figures;
        let ratio = ours.zip(theirs).map(|(ours, theirs)| match better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
        });
        let shown =
            |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.0}"));
        println!(
            "{what} headwater {} kafka-streams {} ratio {}",
            shown(ours),
            shown(theirs),
            ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}")),
        );
        self.rows.push(json!({
            "row": what, "unit": unit, "headwater": ours, "kafka-streams": theirs, "ratio": ratio,
        }));
    }

    /// Prints what exactly-once costs of a job's throughput with each library, in percent, and keeps it.
    fn costs(&mut self, job: &str, costs: [Option<f64>; 2]) {
        let [ours, theirs] = costs;
        let shown =
            |cost: Option<f64>| cost.map_or("-".to_owned(), |percent| format!("{percent:.1}%"));
        println!(
            "{job} exactly-once-cost headwater {} kafka-streams {}",
            shown(ours),
            shown(theirs)
        );
        self.rows.push(json!({
            "row": format!("{job} exactly-once-cost"), "unit": "percent of records per second",
            "headwater": ours, "kafka-streams": theirs,
        }));
    }
}

/// Which way a figure is good.
#[derive(Clone, Copy)]
enum Better {
    More,
    Less,
}

/// The middle one of several figures.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_figure() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![]), None);
    }
}
