//! The language topologies are written in: streams, tables, windows, joins. It only builds; the runtime runs.

mod async_map;
mod branch;
pub(crate) mod chain;
mod closing;
mod dynamic_sink;
pub mod global_table;
pub mod join;
mod process;
mod repartition;
pub(crate) mod sink;
pub(crate) mod source;
mod stateless;
mod stream;
pub(crate) mod table;
pub mod windows;

pub use branch::{KeyedSplit, Split, UnkeyedSplit};
pub use chain::{Chain, Operator, Then, Through};
pub use closing::{Emit, Final};
pub use global_table::{GlobalStore, GlobalTable};
pub use join::{JoinWindows, within};
pub use process::{FixedKey, Processor, ProcessorContext};
pub use stream::{Keyed, Unkeyed};
pub use table::Table;
