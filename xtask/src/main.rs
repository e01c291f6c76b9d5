//! The tasks of the project, as `cargo xtask <task>`: one file per task.
//!
//! Nothing here is linked into the product, and no task needs a shell.
#![expect(clippy::print_stdout, reason = "a task's results are what it prints")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod command;
mod kafka;
mod workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the project.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A real Apache Kafka on this machine, from Maven Central, on loopback ports
    #[command(subcommand)]
    Kafka(kafka::Action),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.task {
        Task::Kafka(action) => kafka::run(&action),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
