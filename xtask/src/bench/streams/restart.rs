//! What a restart costs an application with a large state under exactly-once: after `kill -9` in the middle of a
//! transaction, where the state on disk can be kept, and with no state on disk, where the changelog has to be read.
//!
//! Both are measured from the process's start: the resume until it has taken the first record that waited, the restore
//! until it has taken all, those of the partition that was restored last among them.

use std::time::Duration;

use anyhow::{Context, Result};

use super::application::{Application, Came, Run};
use super::job::Guarantee;
use super::programs::Library;
use super::setup::{Input, Setup};
use super::{Bench, Better};

/// The job whose state it is: a count by key.
const JOB: &str = "count";
/// Records that wait for a restarted application.
const WAITING: u64 = 10_000;

/// Restarts of one library.
struct Restarts {
    killed: Came,
    wiped: Came,
}

pub(super) fn run(bench: &mut Bench<'_>) -> Result<bool> {
    if !bench.arguments.wants("restore") {
        return Ok(false);
    }
    let sizes: &[u64] = if bench.arguments.quick {
        &[1_000_000]
    } else {
        &[1_000_000, 10_000_000]
    };
    for keys in sizes {
        of_state(bench, *keys).with_context(|| format!("restore of {keys} keys"))?;
    }
    Ok(true)
}

fn of_state(bench: &mut Bench<'_>, keys: u64) -> Result<()> {
    let mut ours = None;
    let mut theirs = None;
    for library in bench.libraries().collect::<Vec<_>>() {
        let restarts = of_library(bench, library, keys)?;
        match library {
            Library::Headwater => ours = Some(restarts),
            Library::KafkaStreams => theirs = Some(restarts),
        }
    }
    let both = |of: fn(&Restarts) -> f64| [ours.as_ref().map(of), theirs.as_ref().map(of)];
    let millions = keys / 1_000_000;
    let killed = both(|restarts| milliseconds(restarts.killed.first));
    bench.row(
        &format!("resume-after-kill-{millions}M-keys exactly-once"),
        "milliseconds",
        killed,
        Better::Less,
    );
    let wiped = both(|restarts| milliseconds(restarts.wiped.last));
    bench.row(
        &format!("restore-{millions}M-keys-time exactly-once"),
        "milliseconds",
        wiped,
        Better::Less,
    );
    let cpu = [&ours, &theirs].map(|restarts| {
        let restarts = restarts.as_ref()?;
        Some(keys as f64 / restarts.wiped.cpu_seconds.max(0.01))
    });
    bench.row(
        &format!("restore-{millions}M-keys exactly-once"),
        "records per CPU second",
        cpu,
        Better::More,
    );
    Ok(())
}

fn of_library(bench: &Bench<'_>, library: Library, keys: u64) -> Result<Restarts> {
    let setup = Setup::start(&bench.programs)?;
    let load = |records, keys| {
        let input = Input {
            job: JOB,
            prefix: "",
            records,
            keys,
        };
        setup.load(&bench.programs, &input)
    };
    let state = setup.state(library.name());
    let start = |records, hold| {
        let run = Run {
            library,
            bootstrap: setup.bootstrap(),
            job: JOB,
            guarantee: Guarantee::ExactlyOnce,
            state: state.clone(),
            application: library.name().to_owned(),
            warm: 0,
            records,
            hold,
        };
        Application::start(&bench.programs, &run, &setup.log())
    };
    load(keys, "distinct")?;
    let mut first = start(keys, true)?;
    first.took_all()?;
    first.kill();
    load(WAITING, "cubed")?;
    let mut second = start(WAITING, false)?;
    let killed = second.took_all().context("after kill -9")?;
    second.ends()?;
    match library {
        // Its process id stays, by which its group knows it again, as Kafka Streams' member has a given one.
        Library::Headwater => setup.remove(&state.join(library.name()).join("stores"))?,
        Library::KafkaStreams => setup.remove(&state)?,
    }
    load(WAITING, "cubed")?;
    let mut third = start(WAITING, false)?;
    let wiped = third.took_all().context("without its state")?;
    third.ends()?;
    Ok(Restarts { killed, wiped })
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
