//! The tasks of the project, as `cargo xtask <task>`: one file per task.
//!
//! Nothing here is linked into the product, and no task needs a shell.
#![expect(clippy::print_stdout, reason = "a task's results are what it prints")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod assets;
mod bench;
mod ci;
mod command;
mod compat;
mod crash;
mod e2e;
mod headwater;
mod kafka;
mod outcome;
mod tests;
mod tidy;
mod workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the project.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Format, clippy, tests, docs, tidy, licences: what must hold before a push
    Ci,
    /// What must be absent, and how long files and functions are
    Tidy,
    /// A real Apache Kafka on this machine, from Maven Central, on loopback ports
    #[command(subcommand)]
    Kafka(kafka::Action),
    /// The same suites against the embedded store and against Apache Kafka, with clients of other languages
    Compat(compat::Arguments),
    /// The page in a real browser, against `headwater demo`
    E2e,
    /// Rebuilds the page's assets and fails if they differ from those in the repository
    Assets,
    /// kill -9 in the middle of everything, again and again
    Crash(crash::Arguments),
    /// Throughput, latency, CPU and memory: ours and Apache Kafka's in one run
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.task {
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Kafka(action) => kafka::run(&action),
        Task::Compat(arguments) => compat::run(&arguments),
        Task::E2e => e2e::run(),
        Task::Assets => assets::run(),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod argument_tests {
    use clap::CommandFactory;

    #[test]
    fn the_tasks_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}
