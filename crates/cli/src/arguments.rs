//! The command line as typed: one variant per command, each command's flags beside its code.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    bench, broker, completions, consume, demo, groups, ordering, produce, topics,
};

/// The event store, its tools, the ordering system and its page.
///
/// The tools speak the Apache Kafka protocol: they work on the embedded event store and on any Kafka.
#[derive(Parser)]
#[command(name = "headwater", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) logging: LoggingArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 denied, 5 timeout, 10 unhealthy.";

#[derive(Args)]
pub(crate) struct LoggingArguments {
    /// What is logged on stderr, for example `debug` or `headwater_broker=trace,librdkafka=debug`
    #[arg(long, global = true, env = "HEADWATER_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the event store: one durable node that speaks the Kafka protocol
    Broker(broker::Arguments),
    /// Create, list, describe and delete topics
    #[command(subcommand)]
    Topics(topics::Action),
    /// Send records to a topic
    Produce(produce::Arguments),
    /// Read records of topics
    Consume(consume::Arguments),
    /// List and describe consumer groups
    #[command(subcommand)]
    Groups(groups::Action),
    /// Run one service of the ordering system, or check its invariants
    #[command(subcommand)]
    Ordering(ordering::Action),
    /// Run everything in one process: event store, ordering system, customers, page
    Demo(demo::Arguments),
    /// Measure throughput and latency of a Kafka
    Bench(bench::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

impl Command {
    /// Services log what they do; tools only what goes wrong.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Self::Broker(_) | Self::Demo(_) => true,
            Self::Ordering(action) => action.is_service(),
            _ => false,
        }
    }
}
