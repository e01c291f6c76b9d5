//! Records per CPU second of each job under each guarantee.

use anyhow::{Context, Result};
use serde_json::json;

use super::application::{Application, Measured, Run};
use super::job::{Guarantee, JOBS, Job};
use super::programs::Library;
use super::setup::{Input, Setup};
use super::{Bench, Better, median};

/// What the rounds of one library gave.
#[derive(Default)]
struct Rounds(Vec<Measured>);

/// Measures the jobs that are wanted; whether there was one.
pub(super) fn run(bench: &mut Bench<'_>) -> Result<bool> {
    let mut any = false;
    for job in JOBS.iter().filter(|job| bench.arguments.wants(job.name)) {
        any = true;
        of_job(bench, job).with_context(|| format!("job {}", job.name))?;
    }
    Ok(any)
}

fn of_job(bench: &mut Bench<'_>, job: &Job) -> Result<()> {
    let records = bench.arguments.records() / job.weight;
    // Enough for the JVM to have compiled what is hot, and not so much that it takes longer than what counts.
    let warm = (records / 5).max(200_000 / job.weight);
    let setup = Setup::start(&bench.programs)?;
    for (prefix, records) in [("warm-", warm), ("", records)] {
        let input = Input {
            job: job.name,
            prefix,
            records,
            keys: "cubed",
        };
        setup.load(&bench.programs, &input)?;
    }
    let mut per_second = Vec::new();
    for guarantee in Guarantee::ALL {
        let mut ours = Rounds::default();
        let mut theirs = Rounds::default();
        for round in 0..bench.arguments.rounds() {
            for library in bench.libraries().collect::<Vec<_>>() {
                let application = format!(
                    "{}-{}-{}-{round}",
                    job.name,
                    guarantee.name(),
                    library.name()
                );
                let run = Run {
                    library,
                    bootstrap: setup.bootstrap(),
                    job: job.name,
                    guarantee,
                    state: setup.state(&application),
                    application: application.clone(),
                    warm,
                    records,
                    hold: false,
                };
                let measured = Application::start(&bench.programs, &run, &setup.log())?
                    .measure(records)
                    .with_context(|| application.clone())?;
                setup.remove(&setup.state(&application))?;
                match library {
                    Library::Headwater => ours.0.push(measured),
                    Library::KafkaStreams => theirs.0.push(measured),
                }
            }
        }
        tell(
            bench,
            &format!("{} {}", job.name, guarantee.name()),
            &ours,
            &theirs,
        );
        per_second
            .push([&ours, &theirs].map(|rounds| rounds.median(|round| round.records_per_second)));
    }
    if let [at_least_once, exactly_once] = per_second[..] {
        let costs = [0, 1].map(|library| cost(at_least_once[library]?, exactly_once[library]?));
        bench.costs(job.name, costs);
    }
    Ok(())
}

/// What exactly-once takes off the records per second, in percent.
fn cost(at_least_once: f64, exactly_once: f64) -> Option<f64> {
    (at_least_once > 0.0).then(|| (1.0 - exactly_once / at_least_once) * 100.0)
}

fn tell(bench: &mut Bench<'_>, what: &str, ours: &Rounds, theirs: &Rounds) {
    let per_cpu_second =
        [ours, theirs].map(|rounds| rounds.median(|round| round.records_per_cpu_second));
    bench.row(what, "records per CPU second", per_cpu_second, Better::More);
    if let Some(row) = bench.rows.last_mut() {
        for (name, rounds) in [("headwater", ours), ("kafka-streams", theirs)] {
            row[format!("{name} records/s")] =
                json!(rounds.median(|round| round.records_per_second));
            row[format!("{name} peak bytes")] =
                json!(rounds.median(|round| round.peak_bytes as f64));
        }
        eprintln!("  {row}");
    }
}

impl Rounds {
    fn median(&self, of: impl Fn(&Measured) -> f64) -> Option<f64> {
        median(self.0.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::cost;

    #[test]
    fn the_cost_of_exactly_once_is_what_it_takes_off_the_throughput() {
        // Numbers that a float holds exactly.
        assert_eq!(cost(200.0, 150.0), Some(25.0));
        assert_eq!(cost(0.0, 190.0), None);
    }
}
