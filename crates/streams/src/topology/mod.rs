//! A topology: what the builder made of the program's function, checked, cut into sub-topologies, ready to be run as
//! tasks.
//!
//! It never reads a record: [`crate::runtime::task`] does.

mod builder;
mod json;
mod mermaid;
mod node;
mod partition_counts;
mod sub_topology;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

pub use builder::Builder;
pub(crate) use builder::{Flush, Init, TaskParts};
pub(crate) use node::COMPUTED;
pub use node::{Node, NodeId, NodeKind};
pub use partition_counts::PartitionCounts;
pub use sub_topology::SubTopology;

use crate::dsl::global_table::GlobalStore;
use crate::error::{Policy, StreamsError};
use crate::store::StoreSpec;

/// What kind of topic the application makes for itself (semantics: `<application>-<name>-<kind>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InternalTopicKind {
    /// Records by their new key, so that equal keys meet in one task.
    Repartition,
    /// The changes of a state store.
    Changelog,
}

/// A topic that the application makes for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalTopic {
    /// The whole name.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: InternalTopicKind,
    /// The number of partitions, if the program gave it; else it follows the largest upstream topic.
    pub partitions: Option<i32>,
    /// Topic configs.
    pub configs: Vec<(String, String)>,
}

/// Topics that must have equal partition counts, since an operator joins them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copartitioned {
    /// The operator that wants it.
    pub node: NodeId,
    /// The topics, repartition topics among them.
    pub topics: Vec<Arc<str>>,
}

/// The program's function.
pub(crate) type TopologyFunction = dyn Fn(&Builder) + Send + Sync;

/// A topology, checked.
pub struct Topology {
    application: Arc<str>,
    function: Box<TopologyFunction>,
    nodes: Vec<Node>,
    stores: Vec<StoreSpec>,
    internal_topics: Vec<InternalTopic>,
    copartitioned: Vec<Copartitioned>,
    globals: Vec<Arc<GlobalStore>>,
    sub_topologies: Vec<SubTopology>,
    /// The topics that patterns were matched with; none before a cluster was asked.
    existing: Option<Arc<[Arc<str>]>>,
    has_patterns: bool,
}

impl Topology {
    /// Runs the program's function once and checks what it built.
    ///
    /// # Errors
    /// [`StreamsError::Topology`] with everything that is wrong, each with its place in the program.
    pub fn build(
        application: &str,
        function: impl Fn(&Builder) + Send + Sync + 'static,
    ) -> Result<Self, StreamsError> {
        Self::describe(application.into(), Box::new(function), None)
    }

    /// The same topology with its [patterns](Builder::stream_pattern) matched against the topics that exist, which
    /// are asked for only if it has any.
    pub(crate) fn match_patterns(
        self,
        existing: impl FnOnce() -> Result<Vec<String>, StreamsError>,
    ) -> Result<Self, StreamsError> {
        if !self.has_patterns {
            return Ok(self);
        }
        let existing = existing()?.into_iter().map(Arc::from).collect();
        Self::describe(self.application, self.function, Some(existing))
    }

    /// Whether it has [patterns](Builder::stream_pattern).
    pub(crate) fn has_patterns(&self) -> bool {
        self.has_patterns
    }

    /// The topics that it reads if these are the ones that exist.
    pub(crate) fn sources_among(
        &self,
        existing: impl Iterator<Item = Arc<str>>,
    ) -> Result<BTreeSet<Arc<str>>, StreamsError> {
        let application = Arc::clone(&self.application);
        let builder = Builder::new(application, &[], Some(existing.collect()));
        (self.function)(&builder);
        let built = builder.finish().map_err(StreamsError::Topology)?;
        let parts = sub_topology::cut(&built.nodes);
        Ok(parts.into_iter().flat_map(|part| part.sources).collect())
    }

    /// The same topology, where records that cannot be read are dealt with like this. If they stop the application,
    /// no store holds any, and its restores need not look.
    pub(crate) fn with_unreadable(mut self, policy: &Policy) -> Self {
        if policy.stops() {
            self.stores.iter_mut().for_each(|store| store.check = None);
        }
        self
    }

    fn describe(
        application: Arc<str>,
        function: Box<TopologyFunction>,
        existing: Option<Arc<[Arc<str>]>>,
    ) -> Result<Self, StreamsError> {
        let builder = Builder::new(Arc::clone(&application), &[], existing.clone());
        function(&builder);
        let built = builder.finish().map_err(StreamsError::Topology)?;
        let sub_topologies = sub_topology::cut(&built.nodes);
        Ok(Self {
            application,
            function,
            existing,
            has_patterns: built.has_patterns,
            copartitioned: sub_topology::copartitioned(&built.nodes, &built.joined),
            nodes: built.nodes,
            stores: built.stores,
            internal_topics: built.internal_topics,
            globals: built.globals,
            sub_topologies,
        })
    }

    /// The application's id, the prefix of its internal topics.
    pub fn application(&self) -> &Arc<str> {
        &self.application
    }

    /// All operators, parents before children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All stores, by [`crate::store::StoreId`].
    pub fn stores(&self) -> &[StoreSpec] {
        &self.stores
    }

    /// The topics that the application makes for itself.
    pub fn internal_topics(&self) -> &[InternalTopic] {
        &self.internal_topics
    }

    /// Which topics must have equal partition counts.
    pub fn copartitioned(&self) -> &[Copartitioned] {
        &self.copartitioned
    }

    /// The global tables, one copy each for all tasks of the process. Whoever runs the tasks applies all records of
    /// their topics' partitions before any task's first record, and goes on applying what comes.
    pub fn global_stores(&self) -> &[Arc<GlobalStore>] {
        &self.globals
    }

    /// The parts that share no operator and no store: each becomes one task per partition.
    pub fn sub_topologies(&self) -> &[SubTopology] {
        &self.sub_topologies
    }

    /// Fresh closures for a task of one sub-topology.
    pub(crate) fn instantiate(&self, sub_topology: usize) -> TaskParts {
        let application = Arc::clone(&self.application);
        let builder = Builder::new(application, &self.globals, self.existing.clone());
        (self.function)(&builder);
        builder.into_task(&self.sub_topologies[sub_topology])
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("application", &self.application)
            .field("nodes", &self.nodes)
            .field("sub_topologies", &self.sub_topologies)
            .finish_non_exhaustive()
    }
}
