//! The one binary: event store, tools, ordering system and page.
fn main() {}
