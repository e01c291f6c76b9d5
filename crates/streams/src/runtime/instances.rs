//! The instances of an application, as they tell one another in the compacted topic `<application>-instances`: where
//! each answers queries, which tasks it has, and how far those are.
//!
//! librdkafka carries no data of ours in assignments, so a topic does. What it says may be some seconds old: queries
//! use it to find the right instance, and never to decide what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::admin::{Admin, TopicToMake};
use super::client::ClientError;
use super::consumer::{Consumer, Isolation, PartitionQueue, StartOffset};
use super::instance::{Instance, wall_clock};
use super::producer::Producer;
use super::raw_record::RawRecord;
use super::run_state::State;
use super::running::Running;
use super::{TaskId, TopicPartition};
use crate::collector::Outgoing;
use crate::context::SourceRecord;
use crate::error::StreamsError;
use crate::query::Position;
use crate::record::Headers;

/// How often an instance tells that it lives.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long one that tells nothing is taken to live.
const EXPIRY: Duration = Duration::from_secs(10);
/// How old what an instance told may be until the others delete it.
const FORGOTTEN: Duration = Duration::from_hours(1);
/// How often the topic is looked at.
const TURN: Duration = Duration::from_millis(100);
/// How long the last word of an instance that stops may take.
const LAST_WORD: Duration = Duration::from_secs(2);
/// Records that are read at once.
const SLICE: usize = 256;
/// Instances that are remembered at most.
const MOST: usize = 10_000;

/// The settings of queries from elsewhere.
#[derive(Clone, Default)]
pub(crate) struct Queries {
    /// Where HTTP is answered.
    pub(crate) bind: Option<String>,
    /// Where the others are told that it is.
    pub(crate) advertised: Option<String>,
    /// What who asks has to show.
    pub(crate) token: Option<Arc<str>>,
    /// Whom it answers where there is no token.
    #[cfg(feature = "http")]
    pub(crate) exposure: Exposure,
}

/// Whom queries are answered without a token.
#[cfg(feature = "http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Exposure {
    /// Who is on this machine.
    #[default]
    Local,
    /// Whoever reaches the address.
    Everyone,
}

/// What [`Queries`] ask for, ready to be started with the application.
pub(crate) struct OpenQueries {
    #[cfg(feature = "http")]
    server: Option<crate::query::Server>,
    advertised: Option<String>,
}

impl Queries {
    /// Takes the port and makes the topic, so that what is wrong is told before anything runs.
    pub(crate) fn open(
        &self,
        application: &str,
        admin: &Admin,
    ) -> Result<OpenQueries, StreamsError> {
        self.check()?;
        self.check_token()?;
        #[cfg(feature = "http")]
        let server = match &self.bind {
            Some(address) => Some(crate::query::Server::bind(address)?),
            None => None,
        };
        #[cfg(feature = "http")]
        if let Some(server) = &server {
            self.check_exposure(server.address())?;
        }
        #[cfg(feature = "http")]
        let bound = server.as_ref().map(|server| server.address().to_string());
        #[cfg(not(feature = "http"))]
        let bound = self.bind.clone();
        let advertised = self.advertised.clone().or(bound);
        if advertised.is_some() {
            admin.make(&[TopicToMake {
                name: topic_of(application),
                partitions: 1,
                configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
            }])?;
        }
        Ok(OpenQueries {
            #[cfg(feature = "http")]
            server,
            advertised,
        })
    }

    fn check_token(&self) -> Result<(), StreamsError> {
        let usable =
            |token: &Arc<str>| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        if self.token.as_ref().is_none_or(usable) {
            return Ok(());
        }
        Err(StreamsError::Settings(
            "the token of queries is empty, or has characters that a header cannot carry: letters, digits and \
             punctuation can be used"
                .to_owned(),
        ))
    }

    /// Stores are not shown to a network by mistake.
    #[cfg(feature = "http")]
    pub(super) fn check_exposure(&self, address: SocketAddr) -> Result<(), StreamsError> {
        let guarded = self.token.is_some() || self.exposure == Exposure::Everyone;
        if address.ip().is_loopback() || guarded {
            return Ok(());
        }
        Err(StreamsError::Settings(format!(
            "queries at {address} would be answered to whoever reaches that address: have them show a token \
             (App::queries_token), or say that all may ask (App::queries_for_everyone)"
        )))
    }

    /// An address that stands for all of this machine's is none that others can ask.
    fn check(&self) -> Result<(), StreamsError> {
        let bind = self.bind.as_deref().unwrap_or_default();
        let everywhere = bind
            .parse::<SocketAddr>()
            .is_ok_and(|address| address.ip().is_unspecified());
        if everywhere && self.advertised.is_none() {
            return Err(StreamsError::Settings(format!(
                "queries are answered at `{bind}`, which is no address that other instances could be sent to: say \
                 with App::advertised by which `host:port` this instance is found"
            )));
        }
        Ok(())
    }
}

impl OpenQueries {
    /// Starts what was asked for.
    pub(crate) fn start(
        self,
        instance: &Arc<Instance>,
        running: &mut Running,
    ) -> Result<(), StreamsError> {
        #[cfg(feature = "http")]
        if let Some(server) = self.server {
            running.attach(server.start(instance)?);
        }
        if let Some(address) = self.advertised {
            running.attach(Instances::start(Arc::clone(instance), address)?);
        }
        Ok(())
    }
}

/// The topic that the instances of an application tell one another in.
pub(crate) fn topic_of(application: &str) -> Arc<str> {
    format!("{application}-instances").into()
}

/// An instance, as it told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceInfo {
    /// The id in its state directory.
    pub process_id: String,
    /// The `host:port` where it answers queries.
    pub address: String,
    /// The tasks that the group has given it.
    pub tasks: BTreeSet<TaskId>,
    /// What its committed state reflected when it told.
    pub position: Position,
    /// When it told this, in milliseconds since the Unix epoch, by its own clock.
    pub told: i64,
}

/// The value of a record; fields that a later version adds are passed over.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    address: String,
    tasks: Vec<(usize, i32)>,
    position: String,
    time: i64,
}

impl Told {
    fn read(process_id: &str, bytes: &[u8]) -> Option<InstanceInfo> {
        let told: Self = serde_json::from_slice(bytes).ok()?;
        Some(InstanceInfo {
            process_id: process_id.to_owned(),
            address: told.address,
            tasks: told
                .tasks
                .into_iter()
                .map(|(sub_topology, partition)| TaskId {
                    sub_topology,
                    partition,
                })
                .collect(),
            position: told.position.parse().ok()?,
            told: told.time,
        })
    }
}

/// Tells of this instance and listens to the others, on its thread.
struct Instances {
    instance: Arc<Instance>,
    address: String,
    topic: Arc<str>,
    consumer: Consumer,
    queue: PartitionQueue,
    producer: Producer,
    /// What the others told, and until when that holds.
    others: BTreeMap<String, (InstanceInfo, Instant)>,
    /// The tasks that were told last, and when to tell again.
    told: Option<BTreeSet<TaskId>>,
    next: Instant,
}

impl Instances {
    fn start(instance: Arc<Instance>, address: String) -> Result<JoinHandle<()>, StreamsError> {
        let config = &instance.config;
        let topic = topic_of(&config.application);
        let consumer = Consumer::reader(
            &config.clients,
            &config.application,
            Isolation::ReadUncommitted,
        )?;
        let partition = TopicPartition::new(Arc::clone(&topic), 0);
        let queue = consumer.queue(&partition)?;
        consumer.assign(&[(partition, StartOffset::Beginning)])?;
        let producer = Producer::idempotent(&config.clients)?;
        let name = format!("{}-instances", config.application);
        let mut instances = Self {
            instance,
            address,
            topic,
            consumer,
            queue,
            producer,
            others: BTreeMap::new(),
            told: None,
            next: Instant::now(),
        };
        std::thread::Builder::new()
            .name(name)
            .spawn(move || instances.run())
            .map_err(|error| StreamsError::Settings(format!("starting a thread: {error}")))
    }

    fn run(&mut self) {
        self.queue.wake(std::thread::current());
        loop {
            if self.instance.is_abandoned() {
                return;
            }
            let state = self.instance.state.get();
            if state.is_final() || matches!(state, State::PendingShutdown | State::PendingError) {
                return self.leave();
            }
            if let Err(error) = self.turn() {
                tracing::warn!(%error, "what the instances tell one another is not up to date");
                self.next = Instant::now() + HEARTBEAT;
            }
            std::thread::park_timeout(TURN);
        }
    }

    fn turn(&mut self) -> Result<(), ClientError> {
        self.listen()?;
        let tasks = self.instance.known.assigned();
        if self.told.as_ref() != Some(&tasks) || Instant::now() >= self.next {
            self.tell(&tasks)?;
            self.told = Some(tasks);
            self.next = Instant::now() + HEARTBEAT;
        }
        self.producer.poll()?;
        self.expire()
    }

    fn own(&self, tasks: &BTreeSet<TaskId>) -> InstanceInfo {
        let mut position = Position::new();
        for (at, reached) in self.instance.known.all_reached() {
            if reached > 0 {
                position.add(at, reached - 1);
            }
        }
        InstanceInfo {
            process_id: self.instance.directory.process_id().to_owned(),
            address: self.address.clone(),
            tasks: tasks.clone(),
            position,
            told: wall_clock(),
        }
    }

    fn tell(&mut self, tasks: &BTreeSet<TaskId>) -> Result<(), ClientError> {
        let own = self.own(tasks);
        let told = Told {
            address: own.address.clone(),
            tasks: tasks
                .iter()
                .map(|task| (task.sub_topology, task.partition))
                .collect(),
            position: own.position.to_string(),
            time: own.told,
        };
        let value = serde_json::to_vec(&told).unwrap_or_default();
        self.produce(&own.process_id, Some(&value))
    }

    fn produce(&mut self, process_id: &str, value: Option<&[u8]>) -> Result<(), ClientError> {
        let topic = Arc::clone(&self.topic);
        self.producer.produce(&Outgoing {
            topic: &topic,
            partition: 0,
            key: Some(process_id.as_bytes()),
            value,
            timestamp: wall_clock(),
            headers: &Headers::default(),
        })
    }

    fn listen(&mut self) -> Result<(), ClientError> {
        // Its events: connections that come and go.
        let _ = self.consumer.poll(Duration::ZERO);
        let mut records = Vec::new();
        while self.queue.poll(SLICE, &mut records)?.records > 0 {
            for record in records.drain(..) {
                self.hear(&record);
            }
        }
        Ok(())
    }

    fn hear(&mut self, record: &RawRecord) {
        let Some(process_id) = record.key().and_then(|key| std::str::from_utf8(key).ok()) else {
            return;
        };
        if process_id == self.instance.directory.process_id() {
            return;
        }
        let told = record
            .value()
            .and_then(|value| Told::read(process_id, value));
        let Some(told) = told else {
            self.others.remove(process_id);
            return;
        };
        // What was told before this one listened is as old as it says.
        let age = u64::try_from(wall_clock() - told.told).unwrap_or(0);
        let until = Instant::now() + EXPIRY.saturating_sub(Duration::from_millis(age));
        if self.others.len() < MOST || self.others.contains_key(process_id) {
            self.others.insert(process_id.to_owned(), (told, until));
        }
    }

    /// Shows the instances that live, and deletes what was told by those that have long been gone.
    fn expire(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        let mut shown = vec![self.own(&self.instance.known.assigned())];
        let live = self.others.values().filter(|(_, until)| *until > now);
        shown.extend(live.map(|(info, _)| info.clone()));
        self.instance.known.set_instances(shown);
        let old = wall_clock() - FORGOTTEN.as_millis() as i64;
        let gone = self.others.values().find(|(info, _)| info.told < old);
        if let Some(process_id) = gone.map(|(info, _)| info.process_id.clone()) {
            self.others.remove(&process_id);
            self.produce(&process_id, None)?;
        }
        Ok(())
    }

    /// Tells the others that this instance is gone.
    fn leave(&mut self) {
        let partition = TopicPartition::new(Arc::clone(&self.topic), 0);
        let process_id = self.instance.directory.process_id().to_owned();
        let before = self.producer.acknowledged(&partition);
        if self.produce(&process_id, None).is_err() {
            return;
        }
        let until = Instant::now() + LAST_WORD;
        while Instant::now() < until && self.producer.acknowledged(&partition) == before {
            if self.producer.poll().is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
