//! Interactive queries (KIP-67, KIP-535, KIP-796, KIP-805): reading an application's stores from outside of its
//! topology, in the same process or over HTTP.
//!
//! Queries see committed rows only, never hold a task up for longer than a page of rows, and change nothing. What is
//! in another instance is not fetched from there: the answer says which instance has it.

mod error;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod key_text;
mod key_value;
mod known;
mod position;
mod rows;
mod store;
mod upstream;
mod windows;

pub use error::QueryError;
#[cfg(feature = "http")]
pub(crate) use http::Server;
pub use key_value::{Entries, Entry, KeyValueView, VersionedView};
pub(crate) use known::Known;
pub use position::Position;
pub use store::StoreQuery;
pub use windows::{Session, SessionView, Window, WindowView};

/// An answer, and which records of the inputs it reflects at the least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The inputs' records that the state reflected when it was read; it may have reflected more.
    pub position: Position,
}

impl<T> Answer<T> {
    /// The same answer with its value changed.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer {
            value: f(self.value),
            position: self.position,
        }
    }
}
