//! The one binary, `headwater`: raw flags become validated settings, settings run a command.
//!
//! Data goes to stdout, everything else to stderr; the exit code says what kind of failure it was.

use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod client;
mod commands;
mod config;
mod envelope;
mod failure;
mod interrupt;
mod logging;
mod offset;
mod output;
mod record_format;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    logging::start(&arguments.logging, arguments.command.is_service());
    match commands::run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        // `headwater consume ... | head` has what it wanted.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}
