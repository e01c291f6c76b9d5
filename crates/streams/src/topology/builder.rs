//! The builder that a topology function is handed: it collects operators, stores and errors.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

use super::{COMPUTED, InternalTopic, InternalTopicKind, Node, NodeId, NodeKind, SubTopology};
use crate::context::{ClockId, Context};
use crate::dsl::global_table::GlobalStore;
use crate::dsl::source::Source;
use crate::error::{Failure, TopologyError};
use crate::graph::{Cell, Graph, Out, Receive};
use crate::runtime::MAX_CLOCKS;
use crate::store::{StoreId, StoreSpec, changelog_configs};

/// Work of an operator before the task's first record, with its stores restored.
pub(crate) type Init = Box<dyn FnMut(&mut Context<'_>) -> Result<(), Failure> + Send>;

/// Work of an operator before each commit: handing out what it held back.
pub(crate) type Flush = Box<dyn FnMut(&mut Context<'_>) -> Result<(), Failure> + Send>;

/// What the program's function describes its topology with.
///
/// Methods take `&self`: a topology is full of streams that are alive at once. Errors do not stop the building; all
/// of them are told when the function is through.
pub struct Builder {
    inner: RefCell<Inner>,
    application: Arc<str>,
    /// The global tables that the topology's first run made: the further runs, one per task, share them.
    globals: Vec<Arc<GlobalStore>>,
    /// The topics that exist, where a cluster was asked.
    existing: Option<Arc<[Arc<str>]>>,
}

struct Inner {
    nodes: Vec<Node>,
    graph: Graph,
    sources: Vec<(NodeId, Box<dyn Source>)>,
    stores: Vec<StoreSpec>,
    clocks: Vec<String>,
    inits: Vec<(NodeId, Init)>,
    flushes: Vec<(NodeId, Flush)>,
    internal_topics: Vec<InternalTopic>,
    joined: Vec<NodeId>,
    globals: Vec<Arc<GlobalStore>>,
    has_patterns: bool,
    errors: Vec<TopologyError>,
}

/// What a topology function built, closures aside.
pub(super) struct Built {
    pub(super) nodes: Vec<Node>,
    pub(super) stores: Vec<StoreSpec>,
    pub(super) internal_topics: Vec<InternalTopic>,
    pub(super) joined: Vec<NodeId>,
    pub(super) globals: Vec<Arc<GlobalStore>>,
    pub(super) has_patterns: bool,
}

/// Kafka's limit on topics' names.
const LONGEST_TOPIC: usize = 249;

/// Whether topics' names may have it.
fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The closures of one task.
pub(crate) struct TaskParts {
    pub(crate) graph: Graph,
    pub(crate) sources: Vec<Box<dyn Source>>,
    /// Clock names by [`ClockId`]: clocks are saved by name, since an edited topology numbers them anew.
    pub(crate) clocks: Vec<String>,
    pub(crate) inits: Vec<Init>,
    pub(crate) flushes: Vec<Flush>,
    pub(crate) node_names: Arc<[String]>,
}

impl Builder {
    pub(super) fn new(
        application: Arc<str>,
        globals: &[Arc<GlobalStore>],
        existing: Option<Arc<[Arc<str>]>>,
    ) -> Self {
        Self {
            application,
            existing,
            globals: globals.to_vec(),
            inner: RefCell::new(Inner {
                nodes: Vec::new(),
                graph: Graph::default(),
                sources: Vec::new(),
                stores: Vec::new(),
                clocks: Vec::new(),
                inits: Vec::new(),
                flushes: Vec::new(),
                internal_topics: Vec::new(),
                joined: Vec::new(),
                globals: Vec::new(),
                has_patterns: false,
                errors: Vec::new(),
            }),
        }
    }

    /// The application's id.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// Says that the topology depends on which topics exist, and tells them if a cluster was asked.
    pub(crate) fn existing_topics(&self) -> Option<&[Arc<str>]> {
        self.inner.borrow_mut().has_patterns = true;
        self.existing.as_deref()
    }

    /// Adds an operator. Without a name of the program's it gets the operator's and its index.
    pub(crate) fn node(
        &self,
        name: Option<&str>,
        kind: NodeKind,
        parents: &[NodeId],
        location: &'static Location<'static>,
    ) -> NodeId {
        match &kind {
            NodeKind::Source { topics, .. } => {
                // A pattern that no cluster was asked about stands there as `<pattern>`.
                let is_pattern = |topic: &str| topic.starts_with('<') && topic.ends_with('>');
                for topic in topics.iter().filter(|topic| !is_pattern(topic)) {
                    self.check_topic(topic, location);
                }
            }
            NodeKind::Sink { topic } if &**topic != COMPUTED => self.check_topic(topic, location),
            NodeKind::Sink { .. } | NodeKind::Operator { .. } => {}
        }
        let mut inner = self.inner.borrow_mut();
        let id = NodeId(inner.nodes.len());
        let generated = match &kind {
            NodeKind::Source { .. } => format!("source-{}", id.0),
            NodeKind::Sink { .. } => format!("sink-{}", id.0),
            NodeKind::Operator { operator } => format!("{operator}-{}", id.0),
        };
        inner.nodes.push(Node {
            name: name.map_or(generated, str::to_owned),
            kind,
            parents: parents.to_vec(),
            stores: Vec::new(),
            location,
        });
        id
    }

    /// Adds an operator that takes the records of `parents`.
    pub(crate) fn operator(
        &self,
        operator: &'static str,
        name: Option<&str>,
        parents: &[NodeId],
        location: &'static Location<'static>,
    ) -> NodeId {
        self.node(name, NodeKind::Operator { operator }, parents, location)
    }

    /// An output of an operator.
    pub(crate) fn out<K, V>(&self) -> Out<K, V> {
        self.inner.borrow_mut().graph.out()
    }

    /// Puts a port behind an output.
    pub(crate) fn connect<K: 'static, V: 'static>(&self, out: Out<K, V>, port: Receive<K, V>) {
        self.inner.borrow_mut().graph.connect(out, port);
    }

    /// A value that several closures of a task share.
    pub(crate) fn cell<T: Send + 'static>(&self, value: T) -> Cell<T> {
        self.inner.borrow_mut().graph.cell(value)
    }

    /// A clock of an operator. The name must not change when the program is edited, or the clock begins anew.
    pub(crate) fn clock(&self, name: impl Into<String>) -> ClockId {
        let mut inner = self.inner.borrow_mut();
        inner.clocks.push(name.into());
        if inner.clocks.len() > MAX_CLOCKS {
            inner.errors.push(TopologyError {
                reason: format!("more than {MAX_CLOCKS} operators follow stream time; cut the topology into two applications"),
                location: Location::caller(),
            });
        }
        ClockId(inner.clocks.len() - 1)
    }

    /// Adds what a source does with the bytes of its topics. A topic has one source: its offsets are committed once.
    pub(crate) fn source(&self, node: NodeId, source: Box<dyn Source>) {
        let mut inner = self.inner.borrow_mut();
        let twice = inner
            .sources
            .iter()
            .flat_map(|(_, other)| other.topics())
            .find(|topic| source.topics().contains(topic))
            .cloned();
        if let Some(topic) = twice {
            let location = inner.nodes[node.0].location;
            inner.errors.push(TopologyError {
                reason: format!("the topic {topic} is read a second time; read it once and make two of the stream or table with tee()"),
                location,
            });
        }
        inner.sources.push((node, source));
    }

    /// Adds a store, which is `node`'s first of all.
    pub(crate) fn store(&self, node: NodeId, spec: StoreSpec) -> StoreId {
        let location = self.inner.borrow().nodes[node.0].location;
        let id = self.declare_store(spec, location);
        self.uses(node, id);
        id
    }

    /// Adds a store that operators [use](Self::uses) later. Two stores of one name are an error.
    pub(crate) fn declare_store(
        &self,
        spec: StoreSpec,
        location: &'static Location<'static>,
    ) -> StoreId {
        self.check_name("store", &spec.name, location);
        let twice = self
            .inner
            .borrow()
            .stores
            .iter()
            .any(|other| other.name == spec.name);
        if twice {
            self.error(
                location,
                format!(
                    "a second store is named \"{}\"; names of stores are unique in a topology, since changelogs are named after them",
                    spec.name
                ),
            );
        }
        let mut inner = self.inner.borrow_mut();
        if let Some(name) = spec.changelog_topic(&self.application) {
            inner.internal_topics.push(InternalTopic {
                name: name.into(),
                kind: InternalTopicKind::Changelog,
                partitions: None,
                configs: changelog_configs(&spec).into_iter().collect(),
            });
        }
        inner.stores.push(spec);
        StoreId(inner.stores.len() - 1)
    }

    /// Says that `node` uses a store which is another's.
    pub(crate) fn uses(&self, node: NodeId, store: StoreId) {
        self.inner.borrow_mut().nodes[node.0].stores.push(store);
    }

    /// Work before the task's first record.
    pub(crate) fn on_init(&self, node: NodeId, init: Init) {
        self.inner.borrow_mut().inits.push((node, init));
    }

    /// Work before each commit, run in the order of the operators: parents first.
    pub(crate) fn on_commit(&self, node: NodeId, flush: Flush) {
        self.inner.borrow_mut().flushes.push((node, flush));
    }

    /// Says that all topics upstream of `node` must have as many partitions as each other.
    pub(crate) fn joined(&self, node: NodeId) {
        self.inner.borrow_mut().joined.push(node);
    }

    /// The global table of this name: the one that the first run of the program's function made, else this.
    pub(crate) fn global_store(
        &self,
        made: GlobalStore,
        location: &'static Location<'static>,
    ) -> Arc<GlobalStore> {
        self.check_name("global table", made.name(), location);
        let named = |store: &&Arc<GlobalStore>| store.name() == made.name();
        if self
            .inner
            .borrow()
            .globals
            .iter()
            .any(|store| named(&store))
        {
            self.error(
                location,
                format!("a second global table is named \"{}\"", made.name()),
            );
        }
        let known = self.globals.iter().find(named).cloned();
        let store = known.unwrap_or_else(|| Arc::new(made));
        self.inner.borrow_mut().globals.push(Arc::clone(&store));
        store
    }

    /// The topic `<application>-<name>-repartition`.
    pub(crate) fn repartition_topic(
        &self,
        name: &str,
        partitions: Option<i32>,
        location: &'static Location<'static>,
    ) -> Arc<str> {
        self.check_name("repartition topic", name, location);
        let topic: Arc<str> = format!("{}-{name}-repartition", self.application).into();
        let twice = self
            .inner
            .borrow()
            .internal_topics
            .iter()
            .any(|other| other.name == topic);
        if twice {
            self.error(
                location,
                format!("a second repartition topic is named \"{name}\"; give this one a name of its own"),
            );
        }
        if partitions.is_some_and(|partitions| partitions < 1) {
            self.error(
                location,
                format!("the repartition topic \"{name}\" needs at least one partition"),
            );
        }
        // Purged by the application when processed, so retention must not (KIP-204); Kafka Streams' values.
        let configs = [
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("segment.bytes", "52428800"),
            ("message.timestamp.type", "CreateTime"),
        ];
        self.inner.borrow_mut().internal_topics.push(InternalTopic {
            name: Arc::clone(&topic),
            kind: InternalTopicKind::Repartition,
            partitions,
            configs: configs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        });
        topic
    }

    /// Remembers an error.
    pub(crate) fn error(&self, location: &'static Location<'static>, reason: impl Into<String>) {
        self.inner.borrow_mut().errors.push(TopologyError {
            reason: reason.into(),
            location,
        });
    }

    /// Kafka's rule, told here with the place instead of by the cluster while records are processed.
    fn check_topic(&self, name: &str, location: &'static Location<'static>) {
        if name.len() > LONGEST_TOPIC
            || matches!(name, "" | "." | "..")
            || !name.chars().all(is_legal)
        {
            self.error(
                location,
                format!("\"{name}\" cannot be the name of a topic: 1 to {LONGEST_TOPIC} of the characters a-z A-Z 0-9 . _ -, not \".\" or \"..\""),
            );
        }
    }

    /// Names become parts of topic names, so they follow the rules for those.
    fn check_name(&self, what: &str, name: &str, location: &'static Location<'static>) {
        let longest = LONGEST_TOPIC - self.application.len().min(200) - "--repartition".len();
        if name.is_empty() || !name.chars().all(is_legal) || name.len() > longest {
            self.error(
                location,
                format!("\"{name}\" cannot be the name of a {what}: 1 to {longest} of the characters a-z A-Z 0-9 . _ -"),
            );
        }
    }

    pub(super) fn finish(self) -> Result<Built, Vec<TopologyError>> {
        let mut inner = self.inner.into_inner();
        if inner.sources.is_empty() && inner.errors.is_empty() {
            inner.errors.push(TopologyError {
                reason: "nothing is read: begin with Builder::stream or Builder::table".to_owned(),
                location: Location::caller(),
            });
        }
        if !inner.errors.is_empty() {
            return Err(inner.errors);
        }
        Ok(Built {
            nodes: inner.nodes,
            stores: inner.stores,
            internal_topics: inner.internal_topics,
            joined: inner.joined,
            globals: inner.globals,
            has_patterns: inner.has_patterns,
        })
    }

    pub(super) fn into_task(self, part: &SubTopology) -> TaskParts {
        let mut inner = self.inner.into_inner();
        inner.flushes.sort_by_key(|(node, _)| *node);
        inner.inits.sort_by_key(|(node, _)| *node);
        TaskParts {
            graph: inner.graph,
            sources: of(part, inner.sources),
            clocks: inner.clocks,
            inits: of(part, inner.inits),
            flushes: of(part, inner.flushes),
            node_names: inner.nodes.into_iter().map(|node| node.name).collect(),
        }
    }
}

fn of<T>(part: &SubTopology, all: Vec<(NodeId, T)>) -> Vec<T> {
    all.into_iter()
        .filter(|(node, _)| part.nodes.contains(node))
        .map(|(_, item)| item)
        .collect()
}
