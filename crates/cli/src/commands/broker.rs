//! `headwater broker`: the event store as a process.

use crate::failure::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: Arguments) -> Result<()> {
    Ok(())
}
