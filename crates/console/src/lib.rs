//! The live page: its JSON and SSE API, and the built assets it serves.
//!
//! [`start`] serves one address: the page at `/`, its API at `/api`, the application's own routes beside them.
//! What any Kafka can tell is read with a real client and never by joining a group, so looking changes nothing.
//! What only our store knows comes through [`StoreInsight`], an application's events through [`Feed`].

mod api;
mod assets;
mod error;
mod events;
mod feed;
mod guard;
mod insight;
mod kafka;
mod problem;
mod server;
mod settings;
mod state;
mod watched;

pub use error::ConsoleError;
pub use feed::{
    Feed, FeedError, Invariant, MinuteRevenue, OrderChange, OrderSummary, Overview, StateCount,
    Timeline, TimelineEvent, TopItem,
};
pub use insight::{JournalSnapshot, PartitionSize, StoreInsight, StoreSnapshot};
pub use server::{Console, start};
pub use settings::{ConsoleParts, ConsoleSettings};
