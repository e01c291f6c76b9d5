//! Applications that run, on the event store in this process.

mod cluster;
mod commits;
mod crashes;
mod global_tables;
mod guarded_queries;
mod hung;
mod metrics;
mod odd_records;
mod odd_topics;
mod operators;
mod processes;
mod queries;
mod rebalances;
mod refusals;
mod resets;
mod restores;
mod standbys;
mod starts;
mod state;
mod stops;
mod withdrawals;
mod word_count;
