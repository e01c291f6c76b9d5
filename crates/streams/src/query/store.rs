//! A store as queries find it: which of its partitions are here, how far they are, and who has the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::upstream::{self, Upstream};
use super::{KeyValueView, Position, QueryError, SessionView, VersionedView, WindowView};
use crate::dsl::GlobalStore;
use crate::key::Key;
use crate::partitioner::partition_for;
use crate::runtime::{Instance, InstanceInfo, State, TaskId, TopicPartition};
use crate::serde::{Codec, Value};
use crate::store::{Stamped, StoreKind, StoreReader, StoreSpec};

/// How long is waited between two questions to the cluster.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A store of a running application, to be read: made by [`Running::store`](crate::Running::store).
///
/// Reads see what is committed, and nothing else. Cheap to clone. It does not keep the application alive, nor its state
/// directory locked: when that has stopped, it answers [`QueryError::NotRunning`].
#[derive(Clone)]
pub struct StoreQuery {
    instance: Weak<Instance>,
    spec: Arc<StoreSpec>,
    /// Whose rows it reads.
    place: Place,
    partition_count: i32,
    /// The topic whose name serdes are told.
    topic: Arc<str>,
    /// The topics that the store's tasks read.
    inputs: Arc<[Arc<str>]>,
    at_least: Position,
    /// Whether copies that may be old will do.
    stale: bool,
}

/// Whose rows a query reads.
#[derive(Clone)]
enum Place {
    /// Those of the tasks of this sub-topology.
    Tasks(usize),
    /// A global table's, which are all in each instance.
    Global(Arc<GlobalStore>),
}

impl std::fmt::Debug for StoreQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreQuery")
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

/// What queries call a kind of store; none for those that are the operators' own affair.
pub(super) fn kind_name(kind: StoreKind) -> Option<&'static str> {
    match kind {
        StoreKind::KeyValue => Some("key-value"),
        StoreKind::Window { .. } => Some("window"),
        StoreKind::Session { .. } => Some("session"),
        StoreKind::Versioned { .. } => Some("versioned"),
        StoreKind::JoinWindow { .. } | StoreKind::Buffer => None,
    }
}

impl StoreQuery {
    pub(crate) fn new(instance: &Arc<Instance>, name: &str) -> Result<Self, QueryError> {
        let topology = &instance.topology;
        let globals = topology.global_stores();
        if let Some(store) = globals.iter().find(|store| store.name() == name) {
            return Ok(Self::of_global(instance, store));
        }
        let stores = topology.stores();
        let known = |spec: &&StoreSpec| kind_name(spec.kind).is_some();
        let index = stores.iter().position(|spec| spec.name == name);
        let sub_topology = index.and_then(|index| {
            let mut parts = topology.sub_topologies().iter();
            parts.position(|part| part.stores.iter().any(|store| store.index() == index))
        });
        match (index, sub_topology) {
            (Some(index), Some(sub_topology)) if known(&&stores[index]) => Ok(Self {
                instance: Arc::downgrade(instance),
                partition_count: partition_count(instance, sub_topology),
                topic: serde_topic(instance, &stores[index]).into(),
                inputs: topology.sub_topologies()[sub_topology]
                    .sources
                    .iter()
                    .cloned()
                    .collect(),
                spec: Arc::new(stores[index].clone()),
                place: Place::Tasks(sub_topology),
                at_least: Position::new(),
                stale: false,
            }),
            _ => Err(QueryError::UnknownStore {
                name: name.to_owned(),
                known: stores
                    .iter()
                    .filter(known)
                    .map(|spec| spec.name.clone())
                    .chain(globals.iter().map(|store| store.name().to_owned()))
                    .collect(),
            }),
        }
    }

    fn of_global(instance: &Arc<Instance>, store: &Arc<GlobalStore>) -> Self {
        Self {
            instance: Arc::downgrade(instance),
            spec: Arc::new(store.spec().clone()),
            partition_count: i32::try_from(store.readers().len()).unwrap_or(1),
            topic: Arc::clone(store.topic()),
            inputs: [Arc::clone(store.topic())].into(),
            place: Place::Global(Arc::clone(store)),
            at_least: Position::new(),
            stale: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it was declared to be.
    pub fn spec(&self) -> &StoreSpec {
        &self.spec
    }

    /// How many partitions it has, here and elsewhere.
    pub fn partition_count(&self) -> i32 {
        self.partition_count
    }

    /// The partition that this key's rows are in, as the sinks route keys: Kafka's own partitioner over the key's
    /// bytes. Where records were partitioned in another way, name the partition
    /// ([`in_partition`](KeyValueView::in_partition)).
    pub fn partition_of<K: Key>(&self, key: &K) -> i32 {
        let mut route = Vec::new();
        key.write_route(&mut route);
        partition_for(&route, self.partition_count().max(1))
    }

    /// The partitions that are here, to be read as bytes.
    pub fn partitions(&self) -> BTreeMap<i32, StoreReader> {
        match (self.instance.upgrade(), &self.place) {
            (Some(instance), Place::Tasks(_)) => instance.store(&self.spec.name),
            (Some(_), Place::Global(store)) => (0..).zip(store.readers()).collect(),
            (None, _) => BTreeMap::new(),
        }
    }

    /// The `host:port` of the instance that has a partition, if one told that it has.
    pub fn owner(&self, partition: i32) -> Option<String> {
        let task = self.task(partition)?;
        let instances = self.instance.upgrade()?.known.instances().into_iter();
        // The one that told last, while a task moves.
        let owner = instances
            .filter(|info| has_task(info, task))
            .max_by_key(|info| info.told)?;
        Some(owner.address)
    }

    /// As [`owner`](Self::owner), but never this instance.
    pub(super) fn other_owner(&self, partition: i32) -> Option<String> {
        let instance = self.instance.upgrade()?;
        let own = instance.directory.process_id();
        let task = self.task(partition)?;
        let instances = instance.known.instances().into_iter();
        let other = instances
            .filter(|info| info.process_id != own && has_task(info, task))
            .max_by_key(|info| info.told)?;
        Some(other.address)
    }

    /// None of a global table's.
    fn task(&self, partition: i32) -> Option<TaskId> {
        match self.place {
            Place::Tasks(sub_topology) => Some(TaskId {
                sub_topology,
                partition,
            }),
            Place::Global(_) => None,
        }
    }

    /// Whether a partition of the inputs is read by this instance.
    fn is_here(&self, assigned: &BTreeSet<TaskId>, partition: i32) -> bool {
        self.task(partition)
            .is_none_or(|task| assigned.contains(&task))
    }

    /// The same, reading the copies that this instance keeps for others too ([`App::standbys`](crate::App::standbys),
    /// KIP-535): as of some moments ago, and reflecting no position that could be told.
    pub fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// The rows of a key-value store.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn key_value<K: Key, V: Value>(&self) -> Result<KeyValueView<K, V>, QueryError> {
        self.key_value_with(V::codec())
    }

    /// [`key_value`](Self::key_value), with the codec that the store was given.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn key_value_with<K: Key, V: 'static>(
        &self,
        codec: Codec<V>,
    ) -> Result<KeyValueView<K, V>, QueryError> {
        self.check_kind("key-value")?;
        Ok(KeyValueView::new(self.clone(), codec))
    }

    /// The rows of a window store.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn window<K: Key, V: Value>(&self) -> Result<WindowView<K, V>, QueryError> {
        self.window_with(V::codec())
    }

    /// [`window`](Self::window), with the codec that the store was given.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn window_with<K: Key, V: 'static>(
        &self,
        codec: Codec<V>,
    ) -> Result<WindowView<K, V>, QueryError> {
        self.check_kind("window")?;
        Ok(WindowView::new(self.clone(), codec))
    }

    /// The rows of a session store.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn session<K: Key, V: Value>(&self) -> Result<SessionView<K, V>, QueryError> {
        self.session_with(V::codec())
    }

    /// [`session`](Self::session), with the codec that the store was given.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn session_with<K: Key, V: 'static>(
        &self,
        codec: Codec<V>,
    ) -> Result<SessionView<K, V>, QueryError> {
        self.check_kind("session")?;
        Ok(SessionView::new(self.clone(), codec))
    }

    /// The rows of a versioned store.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn versioned<K: Key, V: Value>(&self) -> Result<VersionedView<K, V>, QueryError> {
        self.versioned_with(V::codec())
    }

    /// [`versioned`](Self::versioned), with the codec that the store was given.
    ///
    /// # Errors
    /// It is a store of another kind.
    pub fn versioned_with<K: Key, V: 'static>(
        &self,
        codec: Codec<V>,
    ) -> Result<VersionedView<K, V>, QueryError> {
        self.check_kind("versioned")?;
        Ok(VersionedView::new(self.clone(), codec))
    }

    pub(super) fn check_kind(&self, asked: &'static str) -> Result<(), QueryError> {
        let kind = kind_name(self.spec().kind).unwrap_or("private");
        if kind == asked {
            return Ok(());
        }
        Err(QueryError::WrongKind {
            store: self.spec.name.clone(),
            kind,
            asked,
        })
    }

    /// The topic whose name serdes are told.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Waits until the committed state that is here reflects `position`, and refuses reads of state that does not
    /// (KIP-796): what a producer was told of its records becomes a position, and then their results can be read.
    ///
    /// The position names topics that the store is made from, directly or by way of repartition topics: of those it
    /// waits until what followed from the records has come through. Partitions of it whose stores are in other
    /// instances are left to them.
    ///
    /// # Errors
    /// [`QueryError::Behind`] with the partition that is not there in time; [`QueryError::UnrelatedTopic`];
    /// [`QueryError::Cluster`].
    pub async fn at_least(
        &self,
        position: &Position,
        timeout: Duration,
    ) -> Result<Self, QueryError> {
        let began = Instant::now();
        let until = tokio::time::Instant::now() + timeout;
        let (mut direct, above) = self.split(&*self.instance()?, position)?;
        if !above.is_empty() {
            direct.merge(&self.descend(&above, until, began).await?);
        }
        let bound = Self {
            at_least: direct,
            ..self.clone()
        };
        let mut changes = self.instance()?.known.changes();
        loop {
            changes.mark_unchanged();
            let Some((partition, wanted)) = bound.missing(&*self.instance()?) else {
                return Ok(bound);
            };
            if self.instance()?.state.get().is_final() {
                return Err(self.not_running());
            }
            match tokio::time::timeout_at(until, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(self.not_running()),
                Err(_) => return Err(self.behind(partition, wanted, began.elapsed())),
            }
        }
    }

    /// What of a position names topics that the store's tasks read, and what names topics above those.
    fn split(
        &self,
        instance: &Instance,
        position: &Position,
    ) -> Result<(Position, Position), QueryError> {
        let (mut direct, mut above) = (Position::new(), Position::new());
        let parts = instance.topology.sub_topologies();
        let leading = match self.place {
            Place::Tasks(sub_topology) => upstream::leading(instance, sub_topology),
            Place::Global(_) => BTreeSet::new(),
        };
        let inputs = || {
            let above = leading.iter().flat_map(|part| &parts[*part].sources);
            above.chain(&*self.inputs)
        };
        for (at, offset) in position.iter() {
            if self.inputs.contains(&at.topic) {
                direct.add(at.clone(), offset);
            } else if inputs().any(|topic| *topic == at.topic) {
                above.add(at.clone(), offset);
            } else {
                return Err(QueryError::UnrelatedTopic {
                    store: self.spec.name.clone(),
                    topic: at.topic.to_string(),
                    inputs: inputs().map(ToString::to_string).collect(),
                });
            }
        }
        Ok((direct, above))
    }

    /// The position of the store's own inputs that follows from one above them.
    async fn descend(
        &self,
        above: &Position,
        until: tokio::time::Instant,
        began: Instant,
    ) -> Result<Position, QueryError> {
        let Place::Tasks(sub_topology) = self.place else {
            return Ok(Position::new());
        };
        let mut upstream = Upstream::new(&self.instance()?, sub_topology, above);
        let mut pause = SHORTEST_PAUSE;
        loop {
            let stepped = tokio::task::spawn_blocking(move || {
                let missing = upstream.step();
                (upstream, missing)
            });
            let Ok((next, missing)) = stepped.await else {
                return Err(self.not_running());
            };
            upstream = next;
            let Some((partition, wanted, reached)) = missing? else {
                return Ok(upstream.position);
            };
            if tokio::time::Instant::now() >= until {
                return Err(QueryError::Behind {
                    partition,
                    wanted,
                    reached,
                    waited: began.elapsed(),
                });
            }
            tokio::time::sleep(pause.min(until.duration_since(tokio::time::Instant::now()))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn instance(&self) -> Result<Arc<Instance>, QueryError> {
        self.instance.upgrade().ok_or_else(|| self.not_running())
    }

    fn not_running(&self) -> QueryError {
        let instance = self.instance.upgrade();
        QueryError::NotRunning {
            state: instance.map_or(State::NotRunning, |instance| instance.state.get()),
        }
    }

    fn behind(&self, partition: TopicPartition, wanted: i64, waited: Duration) -> QueryError {
        let instance = self.instance.upgrade();
        let reached = instance.and_then(|instance| instance.known.reached(&partition));
        QueryError::Behind {
            reached: reached.and_then(|offset| (offset > 0).then(|| offset - 1)),
            partition,
            wanted,
            waited,
        }
    }

    /// A partition of a task that is here, and is not as far as was asked for.
    fn missing(&self, instance: &Instance) -> Option<(TopicPartition, i64)> {
        let assigned = instance.known.assigned();
        self.at_least
            .iter()
            .filter(|(at, _)| self.is_here(&assigned, at.partition))
            .find(|(at, wanted)| !has(instance, at, *wanted))
            .map(|(at, wanted)| (at.clone(), wanted))
    }

    /// A partition that is here, with what it reflects.
    pub(super) fn reader(&self, partition: i32) -> Result<(StoreReader, Position), QueryError> {
        let instance = &*self.instance()?;
        if let Place::Global(store) = &self.place {
            return self.global_reader(instance, store, partition);
        }
        // Read before the rows are: they reflect this at the least.
        let position = self.position_of(instance, partition);
        let Some(reader) = instance.reader(&self.spec.name, partition) else {
            // A copy is never known to be as far as was asked for.
            let standby = (self.stale && self.at_least.is_empty())
                .then(|| instance.standby_reader(&self.spec.name, partition));
            return match standby.flatten() {
                Some(standby) => Ok((standby, Position::new())),
                None => Err(self.absent(instance, partition)),
            };
        };
        let mut own = self.at_least.iter();
        if let Some((at, wanted)) =
            own.find(|(at, wanted)| at.partition == partition && !has(instance, at, *wanted))
        {
            return Err(self.behind(at.clone(), wanted, Duration::ZERO));
        }
        Ok((reader, position))
    }

    /// A global table is read whatever the application does, as long as it is there.
    fn global_reader(
        &self,
        instance: &Instance,
        store: &GlobalStore,
        partition: i32,
    ) -> Result<(StoreReader, Position), QueryError> {
        let mut wanted = self.at_least.iter();
        if let Some((at, wanted)) = wanted.find(|(at, wanted)| !has(instance, at, *wanted)) {
            return Err(self.behind(at.clone(), wanted, Duration::ZERO));
        }
        // In memory the one store reflects all partitions of the topic.
        let mut position = Position::new();
        for (at, reached) in instance.known.all_reached() {
            if self.inputs.contains(&at.topic) && reached > 0 {
                position.add(at, reached - 1);
            }
        }
        let index = usize::try_from(partition).ok();
        let reader = index.and_then(|index| store.readers().into_iter().nth(index));
        let reader = reader.ok_or_else(|| self.not_here(partition))?;
        Ok((reader, position))
    }

    /// The latest value of a key, in its partition or the one that is named.
    pub(super) fn find(
        &self,
        partition: i32,
        key: &[u8],
    ) -> Result<(Option<Stamped>, Position), QueryError> {
        let (reader, position) = self.reader(partition)?;
        let found = match &self.place {
            Place::Tasks(_) => reader.get(key)?,
            // Whoever filled the topic may have put it elsewhere.
            Place::Global(store) => store.get(key)?,
        };
        Ok((found, position))
    }

    /// All partitions that are here, with what they reflect together.
    pub(super) fn readers(&self) -> Result<(BTreeMap<i32, StoreReader>, Position), QueryError> {
        let instance = &*self.instance()?;
        let mut position = Position::new();
        let mut readers = BTreeMap::new();
        for partition in 0..self.partition_count() {
            let (reader, reflected) = match self.reader(partition) {
                Ok(read) => read,
                Err(behind @ QueryError::Behind { .. }) => return Err(behind),
                Err(_) => continue,
            };
            position.merge(&reflected);
            readers.insert(partition, reader);
        }
        if !readers.is_empty() {
            return Ok((readers, position));
        }
        let assigned = instance.known.assigned();
        let own = (0..self.partition_count).find(|partition| self.is_here(&assigned, *partition));
        Err(self.absent(instance, own.unwrap_or(0)))
    }

    fn position_of(&self, instance: &Instance, partition: i32) -> Position {
        let mut position = Position::new();
        for topic in self.inputs.iter() {
            let at = TopicPartition::new(Arc::clone(topic), partition);
            if let Some(reached) = instance.known.reached(&at)
                && reached > 0
            {
                position.add(at, reached - 1);
            }
        }
        position
    }

    /// Why a partition cannot be read here.
    fn absent(&self, instance: &Instance, partition: i32) -> QueryError {
        let state = instance.state.get();
        let assigned = instance.known.assigned();
        match state {
            State::Running | State::Rebalancing if self.is_here(&assigned, partition) => {
                QueryError::Restoring {
                    store: self.spec.name.clone(),
                    partition,
                }
            }
            State::Running => self.not_here(partition),
            // Between two assignments: what others told is all there is.
            State::Rebalancing if self.other_owner(partition).is_some() => self.not_here(partition),
            _ => self.not_running(),
        }
    }

    fn not_here(&self, partition: i32) -> QueryError {
        QueryError::NotHere {
            store: self.spec.name.clone(),
            partition,
            owner: self.other_owner(partition),
        }
    }
}

/// Whether committed state reflects a record.
fn has(instance: &Instance, partition: &TopicPartition, wanted: i64) -> bool {
    let reached = instance.known.reached(partition);
    reached.is_some_and(|reached| reached > wanted)
}

fn partition_count(instance: &Instance, sub_topology: usize) -> i32 {
    let tasks = instance.topics.counts.tasks();
    let own = tasks.filter(|task| task.sub_topology == sub_topology);
    i32::try_from(own.count()).unwrap_or(i32::MAX)
}

fn serde_topic(instance: &Instance, spec: &StoreSpec) -> String {
    let application = instance.topology.application();
    spec.restore_topic(application)
        .unwrap_or_else(|| format!("{application}-{}-changelog", spec.name))
}

/// Whether an instance has a task, and can be asked.
fn has_task(info: &InstanceInfo, task: TaskId) -> bool {
    info.tasks.contains(&task) && !info.address.is_empty()
}
