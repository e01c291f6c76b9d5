//! Applications that run, on the event store in this process.

mod cluster;
mod crashes;
mod rebalances;
mod restores;
mod starts;
mod state;
mod word_count;
