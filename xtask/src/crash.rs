//! `cargo xtask crash`: the kill tests of the command line, as many rounds as asked for.

use anyhow::{Result, bail};
use clap::Args;

use crate::command::command;
use crate::tests;
use crate::workspace::root;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each part is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut command = command(
        "cargo",
        &[
            "test",
            "--package",
            "headwater-cli",
            "--test",
            "it",
            "kill",
            "--",
            "--nocapture",
            "--test-threads=1",
        ],
        &root(),
    );
    command.env("HEADWATER_KILL_ROUNDS", arguments.rounds.to_string());
    let crates = tests::run(&mut command)?;
    if crates.values().all(|counts| counts.passed == 0) {
        bail!("no test ran");
    }
    println!(
        "crash: {} rounds each: {}",
        arguments.rounds,
        tests::summary(&crates)
    );
    Ok(())
}
