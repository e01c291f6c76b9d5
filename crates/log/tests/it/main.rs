//! The log as its owner sees it, on a disk that fails as told and on the real one.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod basics;
mod compaction;
mod compaction_crashes;
mod crashes;
mod damage;
mod deletions;
mod faults;
mod hooked_disk;
mod journal;
mod ledger;
mod lookups;
mod losses;
mod model;
mod producers;
mod real_disk;
mod restart;
mod retention;
mod store;
mod transaction_model;
mod transactions;
