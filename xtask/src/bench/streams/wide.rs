//! Memory of an application with a hundred store-partitions: ten stores, each of ten partitions.

use anyhow::{Context, Result};

use super::application::{Application, Run};
use super::job::Guarantee;
use super::setup::{Input, Setup};
use super::{Bench, Better};

const JOB: &str = "stores";

pub(super) fn run(bench: &mut Bench<'_>) -> Result<bool> {
    if !bench.arguments.wants("memory") {
        return Ok(false);
    }
    let records = bench.arguments.records() / 2;
    let setup = Setup::start(&bench.programs)?;
    let input = Input {
        job: JOB,
        prefix: "",
        records,
        keys: "cubed",
    };
    setup.load(&bench.programs, &input)?;
    let mut peaks = [None, None];
    for library in bench.libraries().collect::<Vec<_>>() {
        let run = Run {
            library,
            bootstrap: setup.bootstrap(),
            job: JOB,
            guarantee: Guarantee::AtLeastOnce,
            application: library.name().to_owned(),
            state: setup.state(library.name()),
            warm: 0,
            records,
            hold: false,
        };
        let measured = Application::start(&bench.programs, &run, &setup.log())?
            .measure(records)
            .with_context(|| format!("memory of {}", library.name()))?;
        peaks[library as usize] = Some(measured.peak_bytes as f64 / f64::from(1 << 20));
    }
    bench.row(
        "memory-100-store-partitions at-least-once",
        "peak resident MiB",
        peaks,
        Better::Less,
    );
    Ok(true)
}
