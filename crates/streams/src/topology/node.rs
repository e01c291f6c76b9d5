//! An operator as the topology's description knows it: name, kind, parents, stores.

use std::panic::Location;
use std::sync::Arc;

use crate::store::StoreId;
use crate::topic::OffsetReset;

/// An operator of the topology; parents have smaller ids than their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// Its index in [`crate::topology::Topology::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Stands for the topic of a sink whose records decide.
pub(crate) const COMPUTED: &str = "<computed>";

/// What an operator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// Reads topics.
    Source {
        /// Their names.
        topics: Vec<Arc<str>>,
        /// Where it begins in a partition without a committed offset.
        reset: OffsetReset,
    },
    /// Anything between.
    Operator {
        /// The method that made it, as `filter` or `join`.
        operator: &'static str,
    },
    /// Writes a topic.
    Sink {
        /// Its name, or `<computed>` where the record decides.
        topic: Arc<str>,
    },
}

/// An operator.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name: the program's where it gave one, else the method and the index.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Those whose records it takes.
    pub parents: Vec<NodeId>,
    /// The stores it reads or writes.
    pub stores: Vec<StoreId>,
    /// Where in the program it was made.
    pub location: &'static Location<'static>,
}
