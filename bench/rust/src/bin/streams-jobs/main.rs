//! A job of headwater-streams, measured from outside. Arguments are `key=value`: bootstrap, job, guarantee, application,
//! state, warm, records, hold.
//!
//! First the topics whose names begin with `warm-` are run through the same topology, as Java's program does it; nothing
//! is printed of that. Then the others: `first` at the first record, `done` when `records` were taken, `quiet MILLIS`
//! when nothing follows, `end` when it has closed in order. With `hold=true` it stays until it is killed.
#![expect(clippy::print_stdout, reason = "what it prints are the marks")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use headwater_bench::arguments::Arguments;
use headwater_streams::App;
use mimalloc::MiMalloc;

mod jobs;
mod progress;

use jobs::Jobs;
use progress::Progress;

/// Also C's: librdkafka's threads allocate what the workers free, and the other way round.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Result<()> {
    let arguments = Arguments::of_process()?;
    let warm = arguments.number("warm")?;
    if warm > 0 {
        run(&arguments, "warm-", Progress::untold(warm))?;
    }
    run(&arguments, "", Progress::told(arguments.number("records")?))
}

fn run(arguments: &Arguments, prefix: &'static str, progress: Progress) -> Result<()> {
    let progress = Arc::new(progress);
    let application = format!("{prefix}{}", arguments.text("application")?);
    let exactly_once = arguments.text("guarantee")? == "exactly-once";
    let commit = Duration::from_millis(if exactly_once { 100 } else { 1000 });
    let mut app = App::new(&application)
        .bootstrap(arguments.text("bootstrap")?)
        .state_dir(arguments.text("state")?)
        .commit_interval(commit);
    if exactly_once {
        app = app.exactly_once();
    }
    let jobs = Jobs {
        prefix,
        out: format!("{application}-out"),
        progress: Arc::clone(&progress),
    };
    let topology = jobs.topology(arguments.text("job")?)?;
    let running = app.start(topology).context("start")?;
    let ended = || running.state().is_final();
    let quiet = progress.wait_until_quiet(commit * 2 + Duration::from_millis(200), ended);
    if let Some(quiet) = quiet {
        progress.mark(&format!("quiet {}", quiet.as_millis()));
        if progress.is_told() && arguments.text("hold")? == "true" {
            while !running.state().is_final() {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
    running.stop_blocking()?;
    progress.mark("end");
    Ok(())
}
