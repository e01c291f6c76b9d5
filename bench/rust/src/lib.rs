//! What the jobs' topics hold, and how their programs are called; `bench/java` has the same.

pub mod arguments;
pub mod events;
