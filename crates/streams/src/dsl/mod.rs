//! The language topologies are written in: streams, tables, windows, joins. It only builds; the runtime runs.

pub(crate) mod chain;
mod closing;
pub mod global_table;
pub mod join;
mod repartition;
pub(crate) mod sink;
pub(crate) mod source;
mod stateless;
mod stream;
pub(crate) mod table;
pub mod windows;

pub use chain::{Chain, Operator, Then, Through};
pub use closing::{Emit, Final};
pub use global_table::{GlobalStore, GlobalTable};
pub use join::{JoinWindows, within};
pub use stream::{Keyed, Unkeyed};
pub use table::Table;
