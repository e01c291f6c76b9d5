//! `cargo xtask bench`: what is measured, one file per subject.

use anyhow::Result;
use clap::{Args, Subcommand};

mod process;
mod store;
mod streams;

#[derive(Args)]
#[group(skip)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    subject: Option<Subject>,
    #[command(flatten)]
    store: store::Arguments,
}

#[derive(Subcommand)]
enum Subject {
    /// The event store and Apache Kafka: throughput, latency, CPU, memory; what is measured without a subject
    Store(store::Arguments),
    /// headwater-streams and Kafka Streams on the same event store: records per CPU second, restore, memory
    Streams(streams::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.subject {
        None => store::run(&arguments.store),
        Some(Subject::Store(arguments)) => store::run(arguments),
        Some(Subject::Streams(arguments)) => streams::run(arguments),
    }
}
