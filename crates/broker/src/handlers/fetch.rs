//! Fetch 4-18: record batches as they lie on disk, up to the high watermark, or
//! for read-committed consumers up to the last stable offset.
//!
//! A fetch that finds fewer than `min_bytes` in all its partitions parks until
//! one of them has news, the node stops or `max_wait_ms` is over; an error of a
//! partition's log answers at once. The first batch is returned even above the
//! limits, and a fetch from the middle of a batch returns all of it. Read-committed
//! consumers also get what was aborted among what they read, ordered by first
//! offset; they leave those records out themselves. A marker moves the high
//! watermark along with the last stable offset, so one wake-up serves both.
//! Versions: sessions from 7, leader epochs from 9, diverging epochs from 12,
//! topic ids from 13.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_log::{PartitionLog, ReadBound, ReadError, ReadMinimum};
use headwater_protocol::ErrorCode;
use headwater_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchPartition, FetchRequest, FetchResponse,
    FetchableTopicResponse, PartitionData,
};
use headwater_records::Batches;
use tokio::task;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::context::{ConnectionInfo, Context};
use crate::delayed::ParkedFetch;
use crate::error::ToErrorCode;
use crate::fetch_session::{Fetched, Wanted};
use crate::partitions::Partitions;
use crate::reply::Reply;
use crate::served::{Served, TopicKey};
use crate::throttle::Throttle;

/// Isolation level of clients that must not see open transactions.
const READ_COMMITTED: i8 = 1;
/// Records this close to the end were just written: they are in memory and read at once.
/// Older ones may have to come from the disk and are read off the runtime's threads.
const TAIL_RECORDS: i64 = 10_000;
/// The least a fetch may read however little memory is left.
const MEMORY_FLOOR: usize = 1 << 20;
/// A fetch waits no longer, whatever it says.
const LONGEST_WAIT: Duration = Duration::from_hours(1);
/// Consumers try again at once.
static READ_FAILED: Throttle<ErrorCode> = Throttle::new();

pub(crate) fn begin(
    context: &Context,
    connection: &ConnectionInfo,
    version: i16,
    request: FetchRequest,
) -> Reply<FetchResponse> {
    let max_wait =
        Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(LONGEST_WAIT);
    let max_bytes = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(context.settings.limits.fetch_max_bytes)
        .min(context.quotas.max_fetch_bytes(connection));
    let min_bytes = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(max_bytes);
    let bound = match request.isolation_level {
        READ_COMMITTED => ReadBound::LastStable,
        _ => ReadBound::HighWatermark,
    };
    let (wanted, session_use) = match context.fetch_sessions.begin(request, version) {
        Ok(begun) => begun,
        Err(code) => return Reply::Now(refused(code)),
    };
    let image = context.metadata.image();
    let find = |wanted: &Wanted| {
        let topic = wanted.topic.topic(&image).ok_or(wanted.topic.unknown())?;
        Served::find(&context.partitions, topic, wanted.partition.partition)
    };
    let targets = wanted
        .iter()
        .map(|wanted| Target {
            wanted: wanted.clone(),
            served: find(wanted),
        })
        .collect();
    let fetch = Fetch {
        targets,
        min_bytes,
        max_bytes,
        bound,
        deadline: Instant::now() + max_wait,
        partitions: Arc::clone(&context.partitions),
    };
    let sessions = Arc::clone(&context.fetch_sessions);
    Reply::later(async move {
        let fetched = Arc::new(fetch).wait().await;
        match sessions.finish(session_use, wanted, fetched) {
            Ok((session_id, fetched)) => answer(session_id, fetched),
            Err(code) => refused(code),
        }
    })
}

/// One request's partitions and limits.
struct Fetch {
    targets: Vec<Target>,
    min_bytes: usize,
    max_bytes: usize,
    bound: ReadBound,
    deadline: Instant,
    partitions: Arc<Partitions>,
}

struct Target {
    wanted: Wanted,
    served: Result<Served, ErrorCode>,
}

/// What one look at all partitions found.
struct Look {
    fetched: Vec<Fetched>,
    bytes: usize,
    /// A partition cannot be read: its consumer must know now.
    failed: bool,
}

impl Fetch {
    /// Looks until there is enough or the time is up.
    async fn wait(self: Arc<Fetch>) -> Vec<Fetched> {
        let look = Arc::clone(&self).look().await;
        if self.is_enough(&look) {
            return look.fetched;
        }
        drop(look);
        let served = self
            .targets
            .iter()
            .filter_map(|target| target.served.as_ref().ok());
        let parked =
            ParkedFetch::register(served.map(|served| Arc::clone(&served.partition)).collect());
        loop {
            // After registering, so that nothing is missed in between.
            let look = Arc::clone(&self).look().await;
            if self.is_enough(&look) {
                return look.fetched;
            }
            // Parked fetches hold no records in memory.
            drop(look);
            tokio::select! {
                () = parked.woken() => {}
                () = sleep_until(self.deadline) => {}
                () = self.partitions.stopping().cancelled() => {}
            }
        }
    }

    fn is_enough(&self, look: &Look) -> bool {
        look.failed
            || look.bytes >= self.min_bytes
            || self.targets.iter().all(|target| target.served.is_err())
            || Instant::now() >= self.deadline
            || self.partitions.stopping().is_cancelled()
    }

    async fn look(self: Arc<Fetch>) -> Look {
        if !self.targets.iter().any(Target::is_cold) {
            return self.read();
        }
        let fetch = Arc::clone(&self);
        match task::spawn_blocking(move || fetch.read()).await {
            Ok(look) => look,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn read(&self) -> Look {
        let mut look = Look {
            fetched: Vec::with_capacity(self.targets.len()),
            bytes: 0,
            failed: false,
        };
        for target in &self.targets {
            let data = match &target.served {
                Ok(served) => {
                    let data = self.read_partition(target, served, look.bytes);
                    look.failed |=
                        data.error_code != 0 || data.diverging_epoch != EpochEndOffset::default();
                    data
                }
                // As in Kafka, what metadata does not know does not cut the wait of the rest short.
                Err(code) => without_records(&target.wanted.partition, *code),
            };
            look.bytes += data.records.as_ref().map_or(0, Bytes::len);
            look.fetched.push(Fetched {
                topic: target.wanted.topic.clone(),
                data,
            });
        }
        look
    }

    fn read_partition(&self, target: &Target, served: &Served, before: usize) -> PartitionData {
        let wanted = &target.wanted.partition;
        let partition = &served.partition;
        if partition.is_deleted() {
            return without_records(wanted, target.wanted.topic.unknown());
        }
        if let Err(code) = served.check_epoch(wanted.current_leader_epoch) {
            return without_records(wanted, code);
        }
        if let Some(diverging) = diverging_epoch(served, wanted) {
            let mut data = without_records(wanted, ErrorCode::None);
            match diverging {
                Ok(diverging_epoch) => data.diverging_epoch = diverging_epoch,
                Err(code) => data.error_code = code.into(),
            }
            return with_offsets(data, served);
        }
        match self.read_records(served, wanted, before) {
            Ok((records, aborted_transactions)) => {
                let data = PartitionData {
                    records: Some(records),
                    aborted_transactions,
                    ..without_records(wanted, ErrorCode::None)
                };
                with_offsets(data, served)
            }
            // Without offsets, as in Kafka: the client asks for them.
            Err(code) => without_records(wanted, code),
        }
    }

    fn read_records(
        &self,
        served: &Served,
        wanted: &FetchPartition,
        before: usize,
    ) -> Result<(Bytes, Option<Vec<AbortedTransaction>>), ErrorCode> {
        let of_partition = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
        let limit = of_partition.min(self.max_bytes.saturating_sub(before));
        let (minimum, floor) = match before {
            0 => (ReadMinimum::OneBatch, MEMORY_FLOOR),
            _ => (ReadMinimum::Nothing, 0),
        };
        let mut share = self.partitions.reading().share(limit, floor);
        let log = served.partition.log();
        let max_bytes = share.bytes().min(limit);
        let read = log.read(wanted.fetch_offset, max_bytes, self.bound, minimum);
        let read = read.and_then(|records| {
            let aborted = match self.bound {
                ReadBound::LastStable => Some(aborted_in(log, wanted.fetch_offset, &records)?),
                ReadBound::HighWatermark | ReadBound::LogEnd => None,
            };
            Ok((records, aborted))
        });
        match read {
            Ok((records, aborted)) => Ok((share.attach(records), aborted)),
            Err(error) => {
                let code = error.to_error_code();
                if code != ErrorCode::OffsetOutOfRange
                    && let Some(held_back) = READ_FAILED.pass(code)
                {
                    warn!(partition = %log.id(), held_back, "read failed: {error}");
                }
                Err(code)
            }
        }
    }
}

impl Target {
    fn is_cold(&self) -> bool {
        let Ok(served) = &self.served else {
            return false;
        };
        served
            .partition
            .log()
            .high_watermark()
            .saturating_sub(self.wanted.partition.fetch_offset)
            > TAIL_RECORDS
    }
}

fn without_records(wanted: &FetchPartition, code: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: wanted.partition,
        error_code: code.into(),
        high_watermark: -1,
        aborted_transactions: None,
        records: Some(Bytes::new()),
        ..PartitionData::default()
    }
}

/// What was aborted among `records`, the first of which is at `from` or before.
fn aborted_in(
    log: &PartitionLog,
    from: i64,
    records: &Bytes,
) -> Result<Vec<AbortedTransaction>, ReadError> {
    if records.is_empty() || !log.has_aborted_behind(from) {
        return Ok(Vec::new());
    }
    let batches = Batches::new(records.clone());
    let last = batches.map_while(Result::ok).last();
    let Some(end) = last.map(|batch| batch.header.next_offset()) else {
        return Ok(Vec::new());
    };
    let aborted = log.aborted_transactions(from, end)?.into_iter();
    Ok(aborted
        .map(|aborted| AbortedTransaction {
            producer_id: aborted.producer_id,
            first_offset: aborted.first_offset,
        })
        .collect())
}

/// Read after the records, so that neither offset is ever below them.
fn with_offsets(data: PartitionData, served: &Served) -> PartitionData {
    let log = served.partition.log();
    // In this order: the first is never above the second.
    let last_stable_offset = log.last_stable_offset();
    let high_watermark = log.high_watermark();
    PartitionData {
        high_watermark,
        last_stable_offset,
        log_start_offset: log.log_start_offset(),
        ..data
    }
}

/// Where the client's log and ours part, if the epoch it last fetched ended before its offset.
fn diverging_epoch(
    served: &Served,
    wanted: &FetchPartition,
) -> Option<Result<EpochEndOffset, ErrorCode>> {
    let last_fetched = wanted.last_fetched_epoch;
    if last_fetched < 0 || last_fetched == served.leader_epoch {
        return None;
    }
    match served.end_of_epoch(last_fetched) {
        None => Some(Err(ErrorCode::OffsetOutOfRange)),
        Some((epoch, end_offset)) if epoch < last_fetched || end_offset < wanted.fetch_offset => {
            Some(Ok(EpochEndOffset { epoch, end_offset }))
        }
        Some(_) => None,
    }
}

/// Groups what was fetched by topic, keeping the order.
fn answer(session_id: i32, fetched: Vec<Fetched>) -> FetchResponse {
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut current: Option<TopicKey> = None;
    for Fetched { topic, data } in fetched {
        if current.as_ref() != Some(&topic) {
            responses.push(match &topic {
                TopicKey::Name(name) => FetchableTopicResponse {
                    topic: name.to_string(),
                    ..FetchableTopicResponse::default()
                },
                TopicKey::Id(id) => FetchableTopicResponse {
                    topic_id: *id,
                    ..FetchableTopicResponse::default()
                },
            });
            current = Some(topic);
        }
        if let Some(response) = responses.last_mut() {
            response.partitions.push(data);
        }
    }
    FetchResponse {
        session_id,
        responses,
        ..FetchResponse::default()
    }
}

fn refused(code: ErrorCode) -> FetchResponse {
    FetchResponse {
        error_code: code.into(),
        ..FetchResponse::default()
    }
}
