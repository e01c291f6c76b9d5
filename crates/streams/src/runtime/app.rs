//! The application: its settings, and the way to start it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::admin::Admin;
use super::client::ClientRole;
use super::config::{AppConfig, Guarantee, Membership, NewTopics, WorkerFailure};
use super::consumer::Consumer;
use super::globals::Globals;
use super::group::Group;
use super::instance::{Instance, Parts};
#[cfg(feature = "http")]
use super::instances::Exposure;
use super::progress::RestoreProgress;
use super::reset::{self, Reset};
use super::running::Running;
use super::state_directory::StateDirectory;
use super::topics;
use crate::error::{Policy, Stage, StreamsError};
use crate::store::{MemoryBudget, StateDatabase};
use crate::topology::{Builder, Topology};

/// A streams application.
///
/// ```no_run
/// use headwater_streams::{App, Builder, Topic};
///
/// const ORDERS: Topic<String, u64> = Topic::json("orders");
/// const LARGE: Topic<String, u64> = Topic::json("large-orders");
///
/// fn topology(b: &Builder) {
///     b.stream(ORDERS).filter(|cents| *cents > 100_000).to(LARGE);
/// }
///
/// # async fn run() -> Result<(), headwater_streams::StreamsError> {
/// App::new("shop").exactly_once().threads(2).run(topology).await
/// # }
/// ```
#[must_use = "an application does nothing before it is run or started"]
pub struct App {
    config: AppConfig,
    /// Settings that were refused, told when it starts.
    refused: Vec<String>,
}

impl App {
    /// An application with this id: its group's name, and the prefix of its internal topics. At least once, one
    /// thread, a cluster at `127.0.0.1:9092`, state in `headwater-state`.
    pub fn new(id: &str) -> Self {
        Self {
            config: AppConfig::new(id),
            refused: Vec::new(),
        }
    }

    /// Results, state and progress are as if no failure had happened (KIP-129, KIP-447): a transaction every 100 ms.
    pub fn exactly_once(mut self) -> Self {
        self.config.guarantee = Guarantee::ExactlyOnce;
        self
    }

    /// How many threads the tasks are spread over.
    pub fn threads(mut self, threads: usize) -> Self {
        self.config.threads = threads;
        self
    }

    /// Where the cluster is: `host:port`, several separated by commas.
    pub fn bootstrap(self, servers: impl Into<String>) -> Self {
        let servers = servers.into();
        self.set("bootstrap.servers", servers)
    }

    /// The directory for state on disk, which instances on one machine do not share.
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.state_dir = directory.into();
        self
    }

    /// How often is committed: every 30 s, under exactly-once every 100 ms, if nothing is said.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.config.commit_interval = Some(interval);
        self
    }

    /// How long a stop may wait for the cluster, and for the program's own closures: 20 s, if nothing is said. Then
    /// the application ends with [`StreamsError::StopTimeout`], which tells what was not committed; that is processed
    /// again. Kafka Streams' `close(Duration)`, and `stop.timeout.ms` among the settings.
    pub fn stop_timeout(mut self, limit: Duration) -> Self {
        self.config.stop_timeout = limit;
        self
    }

    /// How the group knows this process.
    pub fn membership(mut self, membership: Membership) -> Self {
        self.config.membership = membership;
        self
    }

    /// How much memory all stores may take together, in bytes, for write buffers, caches of blocks and rows, and results
    /// that wait for a commit: 96 MiB if nothing is said. Rows of stores in memory, and changes that are not committed,
    /// come on top.
    pub fn state_memory(mut self, bytes: u64) -> Self {
        self.config.memory = MemoryBudget::of(bytes);
        self
    }

    /// Any setting: Kafka Streams' (`commit.interval.ms`, `num.stream.threads`, `topic.retention.ms` for internal
    /// topics), or librdkafka's, for all clients or with a prefix (`consumer.`, `main.consumer.`,
    /// `restore.consumer.`, `producer.`, `admin.`) for one.
    pub fn set(mut self, key: impl AsRef<str>, value: impl Into<String>) -> Self {
        if let Err(refused) = self.config.set(key.as_ref(), &value.into()) {
            self.refused.push(refused);
        }
        self
    }

    /// The topic that [`Policy::DeadLetter`] writes to.
    pub fn dead_letter(mut self, topic: impl Into<Arc<str>>) -> Self {
        self.config.task.policies.dead_letter = Some(topic.into());
        self
    }

    /// What becomes of a record that cannot be read, processed or written: the application stops, if nothing is
    /// said.
    pub fn on_error(mut self, policy: &Policy) -> Self {
        for stage in [Stage::Deserialization, Stage::Processing, Stage::Production] {
            self = self.on_error_at(stage, policy.clone());
        }
        self
    }

    /// The same for one stage of a record's way.
    pub fn on_error_at(mut self, stage: Stage, policy: Policy) -> Self {
        let policies = &mut self.config.task.policies;
        match stage {
            Stage::Deserialization => policies.deserialization = policy,
            Stage::Processing => policies.processing = policy,
            Stage::Production => policies.production = policy,
        }
        self
    }

    /// How many other instances keep an up-to-date copy of each store, so that one that takes over has little to
    /// restore: none, if nothing is said. Kafka Streams' `num.standby.replicas`.
    pub fn standbys(mut self, replicas: usize) -> Self {
        self.config.standby_replicas = replicas;
        self
    }

    /// What becomes of a worker that fails: the application stops with the error, if nothing is said.
    pub fn on_failure(
        mut self,
        decide: impl Fn(&StreamsError) -> WorkerFailure + Send + Sync + 'static,
    ) -> Self {
        self.config.on_failure = Arc::new(decide);
        self
    }

    /// Called with each step of each store's restore, on the worker's thread.
    pub fn on_restore(mut self, told: impl Fn(&RestoreProgress) + Send + Sync + 'static) -> Self {
        self.config.on_restore = Arc::new(told);
        self
    }

    /// Answers queries over HTTP at this address, as `127.0.0.1:7070`, port 0 for any; instances find one another
    /// through the topic `<application>-instances`. An address that is not the loopback's needs a
    /// [token](Self::queries_token), or the word that [everyone](Self::queries_for_everyone) may ask.
    #[cfg(feature = "http")]
    pub fn queries(mut self, address: impl Into<String>) -> Self {
        self.config.queries.bind = Some(address.into());
        self
    }

    /// What who asks over HTTP has to show, as `Authorization: Bearer <token>`: the same for all instances of the
    /// application. It travels as it is: beyond a network that is trusted, put a proxy that speaks TLS before it.
    /// `queries.token` among the settings.
    #[cfg(feature = "http")]
    pub fn queries_token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.config.queries.token = Some(token.into());
        self
    }

    /// Answers queries over HTTP to whoever reaches the address, without a token, though it is not the loopback's.
    #[cfg(feature = "http")]
    pub fn queries_for_everyone(mut self) -> Self {
        self.config.queries.exposure = Exposure::Everyone;
        self
    }

    /// The `host:port` at which the others find this instance: where its queries are answered, if nothing is said;
    /// needed where that is `0.0.0.0`.
    /// Kafka Streams' `application.server` (KIP-67). Without `queries` it is told to the others all
    /// the same, for programs with a transport of their own.
    pub fn advertised(mut self, address: impl Into<String>) -> Self {
        self.config.queries.advertised = Some(address.into());
        self
    }

    /// Runs the application until the process is asked to stop (SIGINT or SIGTERM), then stops in order, within
    /// [`stop_timeout`](Self::stop_timeout). Asked a second time, it ends at once.
    ///
    /// When a topic is made that matches a [pattern](Builder::stream_pattern) of the topology, the application stops
    /// in order and starts again with it, within this call.
    ///
    /// # Errors
    /// The topology is not sound, the topics are not as it needs them, or the application failed while it ran;
    /// [`StreamsError::StopTimeout`].
    pub async fn run(
        self,
        topology: impl Fn(&Builder) + Send + Sync + 'static,
    ) -> Result<(), StreamsError> {
        let topology = Arc::new(topology);
        let mut app = self;
        app.config.new_topics = NewTopics::BeginAgain;
        // One for all rounds: a signal that comes between two of them is not lost.
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            let topology = Arc::clone(&topology);
            let topology = move |b: &Builder| topology(b);
            if !app.anew().run_once(topology, stop.as_mut()).await? {
                return Ok(());
            }
        }
    }

    /// The same application, of which nothing was asked yet.
    fn anew(&self) -> Self {
        let mut config = self.config.clone();
        config.clients.ending = Arc::default();
        Self {
            config,
            refused: self.refused.clone(),
        }
    }

    /// Runs until it is asked to stop, or stops to begin again: then true.
    async fn run_once(
        self,
        topology: impl Fn(&Builder) + Send + Sync + 'static,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<bool, StreamsError> {
        let started = tokio::task::spawn_blocking(move || self.start(topology)).await;
        let running = started.map_err(|error| {
            StreamsError::Settings(format!("the start was cut short: {error}"))
        })??;
        let ending = running.ending();
        tokio::select! {
            () = stop => {}
            ended = running.ended() => {
                ended?;
                let again = running.begins_again();
                // Its threads have ended when it returns, and the state directory is free.
                running.stop().await?;
                return Ok(again);
            }
        }
        let mut stopped = std::pin::pin!(running.stop());
        tokio::select! {
            ended = &mut stopped => ended?,
            // Who asks twice waits for nothing.
            () = stop_signal() => {
                ending.abandon();
                stopped.await?;
            }
        }
        Ok(false)
    }

    /// Starts the application and returns a handle on it. Blocks until the topics are checked and made.
    ///
    /// # Errors
    /// The topology is not sound, or the topics are not as it needs them; the cluster cannot be reached; another
    /// process has the state directory.
    pub fn start(
        self,
        topology: impl Fn(&Builder) + Send + Sync + 'static,
    ) -> Result<Running, StreamsError> {
        let config = self.checked()?;
        let topology = Topology::build(&config.application, topology)?;
        let directory = StateDirectory::open(&config.state_dir, &config.application)?;
        let admin = Admin::new(&config.clients, config.replication_factor)?;
        let topology =
            topology.match_patterns(|| Ok(admin.partition_counts()?.into_keys().collect()))?;
        let topology = topology.with_unreadable(&config.task.policies.deserialization);
        let topics = topics::prepare(&topology, &config, &admin)?;
        let queries = config.queries.open(&config.application, &admin)?;
        let database = StateDatabase::open(directory.stores(), config.memory)?;
        let instance_id = match config.membership {
            Membership::Static => Some(directory.process_id()),
            Membership::Dynamic => None,
        };
        let consumer = Consumer::group(
            &config.clients,
            &config.application,
            instance_id,
            config.guarantee.isolation(),
        )?;
        let globals = Globals::load(&topology, &config, &admin, &topics, &database)?;
        let instance = Arc::new(Instance::new(Parts {
            config,
            topology,
            topics,
            consumer,
            database,
            directory,
        }));
        let globals = globals.follow(&instance)?;
        let group = match Group::new(Arc::clone(&instance), admin) {
            Ok(group) => group,
            Err(error) => {
                instance.ending.abandon();
                return Err(error);
            }
        };
        let mut running = Running::new(Arc::clone(&instance), group, globals)?;
        queries.start(&instance, &mut running)?;
        Ok(running)
    }

    /// Deletes what the application made for itself, in the cluster and in the state directory: its committed
    /// offsets, its repartition and changelog topics, its stores. Started again, it begins where its topics' offset
    /// resets say. Its inputs and outputs are left as they are.
    ///
    /// # Errors
    /// An instance of it runs, or ran until a moment ago; or the cluster cannot be asked.
    pub fn reset(
        self,
        topology: impl Fn(&Builder) + Send + Sync + 'static,
    ) -> Result<Reset, StreamsError> {
        let config = self.checked()?;
        let topology = Topology::build(&config.application, topology)?;
        reset::reset(&topology, &config)
    }

    fn checked(mut self) -> Result<AppConfig, StreamsError> {
        let queries = &mut self.config.queries;
        if self.config.standby_replicas > 0 && queries.bind.is_none() {
            // Who keeps which copies follows from what the instances tell one another.
            queries.advertised.get_or_insert_default();
        }
        let mut refused = self.refused;
        refused.extend(self.config.check().err());
        if !refused.is_empty() {
            return Err(StreamsError::Settings(refused.join("; ")));
        }
        // What librdkafka refuses is told before anything is done.
        for role in [
            ClientRole::Group,
            ClientRole::Restore,
            ClientRole::Producer,
            ClientRole::Admin,
        ] {
            let config = self.config.clients.config(role, &[]);
            if let Err(error) = config.create_native_config() {
                return Err(StreamsError::Settings(error.to_string()));
            }
        }
        Ok(self.config)
    }
}

/// Returns when the process is asked to stop.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        // Without a handler the signal ends the process, which loses nothing that is committed.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        pressed = tokio::signal::ctrl_c() => {
            if pressed.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    /// Without a port: nothing is shown to a network for a test.
    #[test]
    fn an_address_that_others_reach_is_open_to_everyone_only_by_the_programs_word() {
        let may_answer_at = |app: App, address: &str| {
            let address = address.parse().unwrap();
            app.config.queries.check_exposure(address).is_ok()
        };
        let app = || App::new("shop").queries("0.0.0.0:7070");
        for address in ["0.0.0.0:7070", "10.0.0.1:7070", "[::]:7070"] {
            assert!(!may_answer_at(app(), address), "{address}");
            assert!(may_answer_at(app().queries_for_everyone(), address));
            assert!(may_answer_at(app().queries_token("s3cret"), address));
        }
        assert!(may_answer_at(app(), "127.0.0.1:7070"));
    }
}
