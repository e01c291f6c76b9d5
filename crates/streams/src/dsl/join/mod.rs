//! Joins: of streams within a time, of a stream with what a table says, of tables.

mod foreign_key;
mod foreign_key_answer;
mod global;
mod headers;
mod left_over;
mod stream_stream;
mod stream_table;
mod subscription;
mod subscriptions;
mod table_table;
mod unjoined;
mod values;
mod windows;

pub use windows::{JoinWindows, within};
