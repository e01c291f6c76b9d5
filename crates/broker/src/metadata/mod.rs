//! Topics, configs and producer ids: the `__cluster_metadata` log and the image of it.
//!
//! State changes in one way only: a writer, one at a time, decides on records, appends them as one
//! batch and replays them onto a copy of the image, which then takes the old one's place. Start-up
//! replays the same records. A reply that shows a change waits for the image's position.
//!
//! The log is never compacted and there are no snapshots: a start reads every change since the
//! directory was made.

mod client_quotas;
mod configs;
mod features;
mod history;
mod image;
mod producer_ids;
mod record;
mod replay;
mod security;
mod topic_name;
mod topics;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures::FutureExt;
use headwater_log::{LogConfig, Origin, Position};
use headwater_protocol::{ErrorCode, Uuid};
use headwater_records::BatchBuilder;
use thiserror::Error;

use self::history::History;
use self::producer_ids::ProducerIds;
use self::record::{FeatureLevelRecord, MetadataRecord};
use crate::clock;
use crate::config::{ConfigEntry, StaticConfigs, log_config, topic_entries};
use crate::error::{StartError, ToErrorCode};
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::settings::Settings;

pub(crate) use self::configs::Alteration;
pub(crate) use self::features::{FEATURES, FeatureUpdate, UpgradeType};
pub(crate) use self::image::{
    CLUSTER_METADATA, CONSUMER_OFFSETS, Image, ResourceType, TRANSACTION_STATE, Topic, is_internal,
};
pub(crate) use self::security::ScramChange;
pub(crate) use self::topic_name::validate_topic_name;
pub(crate) use self::topics::{NewTopic, TopicDefaults};

/// KRaft's id of the metadata topic.
pub(crate) const METADATA_TOPIC_ID: Uuid = Uuid::from_u128(1);
/// The feature under which the log's own format is recorded, and its level.
const METADATA_VERSION: (&str, i16) = ("headwater.metadata.version", 1);
/// Larger than the batch of the largest request: 10,000 partitions.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// Whether a change is made or only checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Apply,
    Validate,
}

/// Why a change was refused, fit for a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code:?}: {message}")]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Refused {
        Refused {
            code,
            message: message.into(),
        }
    }

    /// The topic asked for does not exist.
    pub(crate) fn unknown_topic() -> Refused {
        Refused::new(
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        )
    }
}

/// A topic that was made, or would have been.
#[derive(Debug)]
pub(crate) struct CreatedTopic {
    /// Nobody's if the topic was only checked.
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    pub(crate) configs: Vec<ConfigEntry>,
    pub(crate) position: Position,
}

/// A topic that is no more.
#[derive(Debug)]
pub(crate) struct DeletedTopic {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) position: Position,
}

/// The offsets of the metadata's own log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogOffsets {
    pub(crate) high_watermark: i64,
    pub(crate) end: i64,
}

/// The node's metadata.
pub(crate) struct Metadata {
    partitions: Arc<Partitions>,
    fixed: StaticConfigs,
    image: RwLock<Arc<Image>>,
    log: Arc<Partition>,
    writer: Mutex<Writer>,
}

/// What only the one who changes the metadata touches.
struct Writer {
    log: Arc<Partition>,
    history: History,
    producer_ids: ProducerIds,
}

impl Metadata {
    /// Replays `__cluster_metadata`, opens every partition of every topic and deletes from disk
    /// those no topic knows. Blocking; called once, before the port opens.
    pub(crate) fn open(
        partitions: &Arc<Partitions>,
        settings: &Arc<Settings>,
    ) -> Result<Arc<Metadata>, StartError> {
        let fixed = configs::fixed_configs(settings)?;
        let config = LogConfig {
            max_message_bytes: MAX_BATCH_BYTES,
            retention_ms: -1,
            ..LogConfig::default()
        };
        let log = partitions.open_partition(METADATA_TOPIC_ID, 0, config);
        let image = Arc::new(replay::replay(log.log())?);
        let metadata = Metadata {
            partitions: Arc::clone(partitions),
            fixed,
            log: Arc::clone(&log),
            writer: Mutex::new(Writer {
                log,
                history: History::new(Arc::clone(&image)),
                producer_ids: ProducerIds::from(&*image),
            }),
            image: RwLock::new(image),
        };
        metadata.check_version()?;
        metadata.finalize_initial_features()?;
        metadata.open_partitions();
        metadata.delete_unknown_partitions()?;
        Ok(Arc::new(metadata))
    }

    /// The metadata as of now; a cheap snapshot.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a request asks for more partitions than one may; -1 stands for the default.
    pub(crate) fn check_partitions_per_request(
        &self,
        partitions: impl Iterator<Item = i32>,
    ) -> Result<(), Refused> {
        let default = self.number("num.partitions");
        topics::check_partitions_per_request(partitions.map(|count| match count {
            -1 => default,
            count => i64::from(count.max(0)),
        }))
    }

    /// Creates a topic with its partitions and configs.
    pub(crate) fn create_topic(
        &self,
        topic: &NewTopic,
        change: Change,
    ) -> Result<CreatedTopic, Refused> {
        if is_internal(&topic.name) && self.image().topic(&topic.name).is_none() {
            return Err(Refused::new(
                ErrorCode::InvalidTopicException,
                format!("{} is made by its coordinator.", topic.name),
            ));
        }
        self.create(topic, change)
    }

    /// Creates a topic because somebody asked for it, with the broker's defaults.
    pub(crate) fn auto_create(&self, name: &str) -> Result<Position, Refused> {
        match name {
            CONSUMER_OFFSETS => self.create_consumer_offsets(),
            TRANSACTION_STATE => self.create_transaction_state(),
            _ => existing_is_fine(self.create(&self.auto_created(name), Change::Apply)),
        }
    }

    /// How many partitions [`Self::auto_create`] would make, or why it would not.
    pub(crate) fn check_auto_create(&self, name: &str) -> Result<usize, Refused> {
        let created = self.create(&self.auto_created(name), Change::Validate)?;
        Ok(created.partitions.max(0) as usize)
    }

    fn auto_created(&self, name: &str) -> NewTopic {
        match name {
            CONSUMER_OFFSETS => self.consumer_offsets(),
            TRANSACTION_STATE => self.transaction_state(),
            _ => NewTopic {
                name: name.to_owned(),
                partitions: -1,
                replication_factor: -1,
                ..NewTopic::default()
            },
        }
    }

    /// Creates the topic of committed offsets unless it is there.
    pub(crate) fn create_consumer_offsets(&self) -> Result<Position, Refused> {
        self.create_internal(CONSUMER_OFFSETS, || self.consumer_offsets())
    }

    fn consumer_offsets(&self) -> NewTopic {
        let partitions = self.number("offsets.topic.num.partitions");
        let segment_bytes = self.number("offsets.topic.segment.bytes").max(1 << 20);
        topics::consumer_offsets(partitions as i32, segment_bytes.to_string())
    }

    /// Creates the topic of transactions unless it is there.
    pub(crate) fn create_transaction_state(&self) -> Result<Position, Refused> {
        self.create_internal(TRANSACTION_STATE, || self.transaction_state())
    }

    fn transaction_state(&self) -> NewTopic {
        let partitions = self.number("transaction.state.log.num.partitions");
        let segment_bytes = self
            .number("transaction.state.log.segment.bytes")
            .max(1 << 20);
        topics::transaction_state(partitions as i32, segment_bytes.to_string())
    }

    fn create_internal(
        &self,
        name: &str,
        topic: impl FnOnce() -> NewTopic,
    ) -> Result<Position, Refused> {
        if let image = self.image()
            && image.topic(name).is_some()
        {
            return Ok(image.position());
        }
        existing_is_fine(self.create(&topic(), Change::Apply))
            .map(|position| position.max(self.image().position()))
    }

    fn create(&self, topic: &NewTopic, change: Change) -> Result<CreatedTopic, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let id = random_topic_id();
        let defaults = TopicDefaults {
            partitions: self.number("num.partitions") as i32,
            replication_factor: self.number("default.replication.factor") as i16,
        };
        let records = topics::create(&image, topic, id, defaults)?;
        self.check_room_for_partitions()?;
        let is_partition =
            |record: &&MetadataRecord| matches!(record, MetadataRecord::Partition(_));
        let partitions = records.iter().filter(is_partition).count() as i32;
        let configs = topic_entries(&topic.configs, image.dynamic_configs(&self.fixed));
        let (id, position) = match change {
            // As in Kafka, an id that nobody will meet again.
            Change::Validate => (id, Position::ZERO),
            Change::Apply => {
                let position = self.commit(&mut writer, &image, &records)?;
                self.open_topic(&topic.name);
                tracing::info!(topic = topic.name, %id, partitions, "created topic");
                (id, position)
            }
        };
        Ok(CreatedTopic {
            id,
            partitions,
            configs,
            position,
        })
    }

    /// Brings a topic to `count` partitions.
    pub(crate) fn add_partitions(
        &self,
        name: &str,
        count: i32,
        assignments: Option<&[Vec<i32>]>,
        change: Change,
    ) -> Result<Position, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let records = topics::grow(&image, name, count, assignments)?;
        self.check_room_for_partitions()?;
        if change == Change::Validate {
            return Ok(Position::ZERO);
        }
        let position = self.commit(&mut writer, &image, &records)?;
        self.open_topic(name);
        tracing::info!(topic = name, partitions = count, "added partitions");
        Ok(position)
    }

    /// Deletes a topic: first from the metadata, then its logs. A crash in between leaves
    /// directories of no topic, which the next start deletes.
    pub(crate) fn delete_topic(&self, id: Uuid) -> Result<DeletedTopic, Refused> {
        let mut writer = self.writer();
        let image = self.image();
        let topic = image.topic_by_id(id).ok_or_else(|| {
            Refused::new(
                ErrorCode::UnknownTopicId,
                "This server does not host this topic ID.",
            )
        })?;
        let mut position = self.commit(&mut writer, &image, &topics::remove(topic)?)?;
        for partition in 0..topic.partitions.len() {
            match self.partitions.delete(id, partition as i32) {
                Ok(deleted) => position = position.max(deleted),
                // The topic is gone all the same, and the next start tries again.
                Err(error) => {
                    tracing::warn!(topic = topic.name, partition, %error, "partition stays on disk");
                }
            }
        }
        tracing::info!(topic = topic.name, %id, "deleted topic");
        Ok(DeletedTopic {
            id,
            name: topic.name.clone(),
            position,
        })
    }

    /// A cordoned directory takes no new partitions.
    fn check_room_for_partitions(&self) -> Result<(), Refused> {
        if !self.is_cordoned() {
            return Ok(());
        }
        Err(Refused::new(
            ErrorCode::InvalidReplicationFactor,
            "Unable to place the partition: the data directory is cordoned.",
        ))
    }

    /// How far the metadata's own log has come.
    pub(crate) fn log_offsets(&self) -> LogOffsets {
        let log = self.log.log();
        let high_watermark = log.high_watermark();
        LogOffsets {
            high_watermark,
            end: log.log_end_offset().max(high_watermark),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the records as one batch, replays them and publishes the image they make.
    fn commit(
        &self,
        writer: &mut Writer,
        image: &Image,
        records: &[MetadataRecord],
    ) -> Result<Position, Refused> {
        if records.is_empty() {
            return Ok(image.position());
        }
        let mut batch = BatchBuilder::new();
        for record in records {
            let value = record
                .encode()
                .map_err(|error| Refused::new(ErrorCode::InvalidRequest, error.to_string()))?;
            batch.append(clock::now_ms(), None, Some(&value), &[]);
        }
        let appended = self
            .partitions
            .append(&writer.log, batch.build(0), Origin::Coordinator, 0)
            .map_err(|error| Refused::new(error.to_error_code(), error.to_string()))?;
        let mut next = image.clone();
        for record in records {
            next.replay(record);
        }
        next.set_position(image, appended.position);
        next.set_end_offset(image.end_offset() + records.len() as i64);
        let next = Arc::new(next);
        writer
            .history
            .push(Arc::clone(&next), |position| self.is_durable(position));
        self.publish(next);
        Ok(appended.position)
    }

    /// The disk has failed: what did not get there is taken back, so that reads can go on.
    pub(crate) fn go_back_to_durable(&self) {
        let mut writer = self.writer();
        let durable = writer.history.go_back(|position| self.is_durable(position));
        if let Some(image) = durable {
            self.publish(image);
        }
    }

    fn publish(&self, image: Arc<Image>) {
        *self.image.write().unwrap_or_else(PoisonError::into_inner) = image;
    }

    fn is_durable(&self, position: Position) -> bool {
        matches!(
            self.partitions.durable(position).now_or_never(),
            Some(Ok(()))
        )
    }

    /// Records the format of a new log, and refuses one of a later version.
    fn check_version(&self) -> Result<(), StartError> {
        let (name, level) = METADATA_VERSION;
        match self.image().feature(name) {
            found if found > level => Err(StartError::Metadata {
                reason: format!(
                    "written by a later version ({name} {found}, this one reads up to {level}): use that version"
                ),
            }),
            1.. => Ok(()),
            _ => {
                let record = MetadataRecord::FeatureLevel(FeatureLevelRecord {
                    name: name.to_owned(),
                    feature_level: level,
                });
                self.commit(&mut self.writer(), &self.image(), &[record])
                    .map(|_| ())
                    .map_err(|refused| StartError::Metadata {
                        reason: refused.message,
                    })
            }
        }
    }

    fn open_partitions(&self) {
        for topic in self.image().topics() {
            self.open_topic(&topic.name);
        }
    }

    /// Opens a topic's partitions, or gives them their new configuration.
    fn open_topic(&self, name: &str) {
        let image = self.image();
        let Some(topic) = image.topic(name) else {
            return;
        };
        let own = image.configs(ResourceType::Topic, name);
        let config = log_config(own, image.dynamic_configs(&self.fixed));
        for partition in 0..topic.partitions.len() {
            self.partitions
                .open_partition(topic.id, partition as i32, config.clone());
        }
    }

    fn delete_unknown_partitions(&self) -> Result<(), StartError> {
        let image = self.image();
        for id in self.partitions.ids_on_disk() {
            let topic_id = Uuid(id.topic_id);
            let known = topic_id == METADATA_TOPIC_ID
                || image
                    .topic_by_id(topic_id)
                    .is_some_and(|topic| (id.partition as usize) < topic.partitions.len());
            if !known {
                tracing::info!(%topic_id, partition = id.partition, "deleting a partition of no topic");
                self.partitions.delete(topic_id, id.partition)?;
            }
        }
        Ok(())
    }
}

fn existing_is_fine(created: Result<CreatedTopic, Refused>) -> Result<Position, Refused> {
    match created {
        Ok(created) => Ok(created.position),
        // Somebody else was faster: the reply's own image tells what to wait for.
        Err(refused) if refused.code == ErrorCode::TopicAlreadyExists => Ok(Position::ZERO),
        Err(refused) => Err(refused),
    }
}

/// An id no topic has had, clear of those Kafka reserves. Kafka's tools trip over ids whose text
/// begins with a dash.
fn random_topic_id() -> Uuid {
    loop {
        let id = Uuid(uuid::Uuid::new_v4().into_bytes());
        if id.as_u128() > 1 && !id.to_string().starts_with('-') {
            return id;
        }
    }
}
