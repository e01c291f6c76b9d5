//! State stores: what a task remembers between records, and how that survives.
//!
//! A [`Store`] is one partition of one store, as bytes in order. Its changes lie in an overlay until the transaction
//! that carries them to the changelog has committed; then they and the changelog's offset go to the committed rows in
//! one atomic step, for all stores of a task together. An abort drops the overlay. Operators hold typed handles
//! ([`KeyValue`], [`WindowStore`] and so on), which know the layout of their rows and pass through [`Stores`].
//!
//! A store's clock is the largest time that its kind goes by: a window's start, a session's end, a record's time. It
//! moves back with an abort, is saved in the checkpoint with each commit, and is found again by a restore.

mod arrivals;
mod batch;
mod cache_budget;
mod cell;
mod checkpoint;
mod clean_up;
mod clock;
mod commit_log;
mod compactor;
mod disk;
mod error;
mod expiry;
mod hashed;
mod join_window;
mod key_value;
mod layout;
mod memory;
mod memory_budget;
mod merge;
mod overlay;
mod presence;
mod reader;
mod restore;
mod session;
mod sorted;
mod spec;
mod state;
#[expect(
    clippy::module_inception,
    reason = "a store's module is named after it"
)]
mod store;
mod stores;
mod table;
mod time_buffer;
mod timed_rows;
mod tree;
mod upcoming;
mod values;
mod versioned;
mod window;
mod write_cache;

pub use batch::Batch;
pub use checkpoint::{ChangelogState, Checkpoint, Restore, WipeReason};
pub use error::StoreError;
pub use join_window::{Arrived, JoinWindow};
pub use key_value::KeyValue;
pub use memory_budget::MemoryBudget;
pub use reader::{Stamped, StoreReader, WindowRow};
pub use session::{SessionEntry, SessionStore};
pub(crate) use spec::RestoreCheck;
pub use spec::{
    ADDITIONAL_RETENTION_MS, Backend, Caching, Changelog, StoreKind, StoreSpec, WindowLayout,
    changelog_configs, check_retention,
};
pub use state::StateDatabase;
pub use store::{ChangelogEntry, ChangelogRecord, Store};
pub use stores::{StoreId, Stores};
pub use time_buffer::{BufferEntry, TimeOrderedBuffer};
pub(crate) use values::Values;
pub use versioned::{Version, VersionedStore};
pub use window::{Stored, WindowEntry, WindowStore, WindowValue};
pub use write_cache::{CachedChange, WriteCache};

#[cfg(test)]
mod tests;
