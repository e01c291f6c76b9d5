//! The page's server as a browser and as programs meet it.
#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]

mod events;
mod page;
mod scripted;
mod served;
mod store;
mod unreachable;
