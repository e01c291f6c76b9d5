//! The page's server as a browser and as programs meet it.

mod events;
mod page;
mod scripted;
mod served;
mod store;
mod unreachable;
