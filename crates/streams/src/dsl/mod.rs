//! The language topologies are written in: streams, tables, windows, joins. It only builds; the runtime runs.

mod aggregate;
mod async_map;
mod branch;
pub(crate) mod chain;
mod change_serde;
mod closing;
mod declared_store;
mod dynamic_sink;
pub mod global_table;
mod grouped_table;
pub mod join;
mod materialized;
mod process;
mod repartition;
pub(crate) mod sink;
pub(crate) mod source;
mod stateless;
mod stream;
pub(crate) mod table;
mod table_source;
mod updates;
pub mod windows;

pub use aggregate::Outcome;
pub use branch::{KeyedSplit, Split, UnkeyedSplit};
pub use chain::{Chain, Operator, Then, Through};
pub use closing::{Emit, Final};
pub use declared_store::{DeclaredStore, StoreHandle};
pub use global_table::{GlobalStore, GlobalTable};
pub use grouped_table::GroupedTable;
pub use join::{JoinWindows, within};
pub use materialized::Materialized;
pub use process::{FixedKey, Processor, ProcessorContext};
pub use stream::{Keyed, Unkeyed};
pub use table::Table;
