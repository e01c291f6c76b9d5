//! `headwater topics create|list|describe|delete`.

use clap::{Args, Subcommand};

use crate::config::Connection;
use crate::failure::Result;
use crate::output::Format;

mod create;
mod delete;
mod describe;
mod list;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Create topics
    Create(create::Arguments),
    /// List topics
    List(list::Arguments),
    /// Describe the partitions of topics, or their configuration
    Describe(describe::Arguments),
    /// Delete topics and all their records
    Delete(delete::Arguments),
}

/// Where to ask and how to print.
#[derive(Args)]
pub(crate) struct Listing {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

pub(crate) fn run(action: Action) -> Result<()> {
    match action {
        Action::Create(arguments) => create::run(&arguments),
        Action::List(arguments) => list::run(&arguments),
        Action::Describe(arguments) => describe::run(&arguments),
        Action::Delete(arguments) => delete::run(&arguments),
    }
}
