//! What the tests of several crates share: the event store as a process of its own, to be killed and restarted.
//!
//! A dev-dependency only. In-process stores are `Broker::ephemeral()`'s business.

mod ports;
mod process;
mod store;

pub use ports::free_ports;
pub use process::{Process, send_signal};
pub use rustix::process::Signal;
pub use store::{Store, StoreSettings};
