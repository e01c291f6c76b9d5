//! Joins: of streams within a time, of a stream with what a table says, of tables.

mod table_table;
mod windows;

pub use windows::{JoinWindows, within};
