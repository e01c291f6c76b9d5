//! The commands, one file each: validated settings in, data on stdout.

use crate::arguments::Command;
use crate::failure::Result;

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod completions;
pub(crate) mod consume;
pub(crate) mod demo;
pub(crate) mod groups;
pub(crate) mod ordering;
pub(crate) mod produce;
pub(crate) mod topics;

mod purchases;
mod runtime;

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Broker(arguments) => broker::run(&arguments),
        Command::Topics(action) => topics::run(action),
        Command::Produce(arguments) => produce::run(&arguments),
        Command::Consume(arguments) => consume::run(&arguments),
        Command::Groups(action) => groups::run(action),
        Command::Ordering(action) => ordering::run(&action),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
