//! The consumer: one per process as a member of the group, and others that read changelogs and global tables from
//! explicit offsets.
//!
//! Its own queue carries rebalances and errors and is polled all the while by one thread; each partition's records
//! come by a queue of their own, to whichever thread holds it. A partition is never paused, since that throws away
//! what was fetched: a queue that nobody polls fills up to its limit and librdkafka stops fetching for it.

mod extent;
mod partition_queue;
#[cfg(test)]
mod tests;
mod waiting;

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::TopicPartition;
use super::client::{
    ClientError, ClientRole, ClientSettings, ErrorKind, Handle, PartitionList, read_list,
};
use super::ending::Ending;
pub(crate) use partition_queue::PartitionQueue;

/// What a reader may see. Under exactly-once everything is read committed, repartition topics and changelogs too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Records of open and aborted transactions too.
    ReadUncommitted,
    /// Only what is committed.
    ReadCommitted,
}

impl Isolation {
    fn setting(self) -> (&'static str, &'static str) {
        let value = match self {
            Self::ReadUncommitted => "read_uncommitted",
            Self::ReadCommitted => "read_committed",
        };
        ("isolation.level", value)
    }
}

/// Where reading begins in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartOffset {
    /// At this offset.
    At(i64),
    /// At the first record.
    Beginning,
    /// Behind the last record.
    End,
}

impl StartOffset {
    fn raw(self) -> i64 {
        match self {
            Self::At(offset) => offset,
            Self::Beginning => i64::from(native::RD_KAFKA_OFFSET_BEGINNING),
            Self::End => i64::from(native::RD_KAFKA_OFFSET_END),
        }
    }
}

/// What the consumer's own queue tells.
#[derive(Debug)]
pub(crate) enum Signal {
    /// These partitions are assigned: answer with [`Consumer::assign`].
    Assigned(Vec<TopicPartition>),
    /// These are taken away, which are all if the group is not incremental: answer with [`Consumer::unassign`], or
    /// with [`Consumer::remove`], when nothing is read of them any more.
    Revoked(Vec<TopicPartition>),
    /// Something went wrong that is not of one partition.
    Error(ClientError),
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OffsetToCommit {
    /// The partition.
    pub(crate) partition: TopicPartition,
    /// The offset to go on with.
    pub(crate) offset: i64,
    /// Kept with the offset.
    pub(crate) metadata: String,
}

impl OffsetToCommit {
    pub(crate) fn list(offsets: &[Self]) -> PartitionList {
        let mut list = PartitionList::new();
        for offset in offsets {
            list.add_commit(&offset.partition, offset.offset, &offset.metadata);
        }
        list
    }
}

/// A committed offset with its metadata, if there is one.
pub(crate) type Committed = Option<(i64, String)>;

/// Who the consumer is in its group at this moment; a transaction that commits offsets shows it.
pub(crate) struct GroupMetadata(NonNull<native::rd_kafka_consumer_group_metadata_t>);

// SAFETY: it is a copy, bound to no thread.
unsafe impl Send for GroupMetadata {}

impl GroupMetadata {
    /// For a call.
    pub(crate) fn ptr(&self) -> *const native::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }

    /// Which assignment of the group it is from: each rebalance makes a new one.
    #[cfg(test)]
    pub(crate) fn generation(&self) -> i32 {
        // SAFETY: it is valid.
        unsafe { native::rd_kafka_consumer_group_metadata_generation_id(self.ptr()) }
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { native::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}

/// A consumer.
pub(crate) struct Consumer {
    // Before the handle: a queue goes before its consumer.
    queue: Queue,
    handle: Arc<Handle>,
    ending: Arc<Ending>,
}

/// A queue of librdkafka's.
struct Queue(NonNull<native::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above, at the same time.
unsafe impl Sync for Queue {}

impl Queue {
    fn ptr(&self) -> *mut native::rd_kafka_queue_t {
        self.0.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again; no callback stays behind.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.ptr(), None, std::ptr::null_mut());
            native::rd_kafka_queue_destroy(self.ptr());
        }
    }
}

impl Consumer {
    /// A member of `group`, with a name of its own (static membership) if it has one.
    pub(crate) fn group(
        settings: &ClientSettings,
        group: &str,
        instance: Option<&str>,
        isolation: Isolation,
    ) -> Result<Self, ClientError> {
        let mut required = vec![("group.id", group)];
        if let Some(instance) = instance {
            required.push(("group.instance.id", instance));
        }
        Self::new(settings, ClientRole::Group, required, isolation)
    }

    /// A reader of explicit offsets that belongs to no group, for `application`.
    pub(crate) fn reader(
        settings: &ClientSettings,
        application: &str,
        isolation: Isolation,
    ) -> Result<Self, ClientError> {
        // librdkafka wants a group even where none is joined; nothing is ever committed to it.
        let group = format!("{application}-reader");
        Self::new(
            settings,
            ClientRole::Restore,
            vec![("group.id", &group)],
            isolation,
        )
    }

    fn new(
        settings: &ClientSettings,
        role: ClientRole,
        mut required: Vec<(&str, &str)>,
        isolation: Isolation,
    ) -> Result<Self, ClientError> {
        required.extend([
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            isolation.setting(),
        ]);
        let handle = Arc::new(Handle::consumer(&settings.config(role, &required))?);
        // SAFETY: a consumer with a group has both queues; forwarding its main one lets one poll serve both.
        let queue = unsafe {
            native::rd_kafka_poll_set_consumer(handle.ptr());
            native::rd_kafka_queue_get_consumer(handle.ptr())
        };
        let queue = NonNull::new(queue).ok_or_else(|| {
            ClientError::own(ErrorKind::Fatal, "making a consumer", "it has no queue")
        })?;
        Ok(Self {
            handle,
            queue: Queue(queue),
            ending: Arc::clone(&settings.ending),
        })
    }

    /// Joins the group for these topics; one that begins with `^` is a pattern.
    pub(crate) fn subscribe(&self, topics: &[&str]) -> Result<(), ClientError> {
        let mut list = PartitionList::new();
        for topic in topics {
            list.add_topic(topic);
        }
        // SAFETY: both are valid; the list is copied.
        let code = unsafe { native::rd_kafka_subscribe(self.handle.ptr(), list.ptr()) };
        ClientError::check(code, || format!("subscribing to {}", topics.join(", ")))
    }

    /// Leaves the group.
    pub(crate) fn unsubscribe(&self) -> Result<(), ClientError> {
        // SAFETY: the handle is valid.
        let code = unsafe { native::rd_kafka_unsubscribe(self.handle.ptr()) };
        ClientError::check(code, || "leaving the group".to_owned())
    }

    /// Waits up to `timeout` for something to be told. To be called all the while, or the member loses its place.
    pub(crate) fn poll(&self, timeout: Duration) -> Option<Signal> {
        // SAFETY: the queue is valid; the event is destroyed below.
        let event = NonNull::new(unsafe {
            native::rd_kafka_queue_poll(self.queue.ptr(), milliseconds(timeout))
        })?;
        // SAFETY: a valid event, read before it is destroyed.
        unsafe {
            let signal = signal(event.as_ptr());
            native::rd_kafka_event_destroy(event.as_ptr());
            Some(signal)
        }
    }

    /// Reads these partitions from now on, and no others. Their queues are to be taken before: a queue taken later
    /// may miss records.
    pub(crate) fn assign(
        &self,
        partitions: &[(TopicPartition, StartOffset)],
    ) -> Result<(), ClientError> {
        let mut list = PartitionList::new();
        for (partition, start) in partitions {
            list.add_offset(partition, start.raw());
        }
        // SAFETY: both are valid; the list is copied.
        let code = unsafe { native::rd_kafka_assign(self.handle.ptr(), list.ptr()) };
        ClientError::check(code, || {
            format!("assigning {} partitions", partitions.len())
        })
    }

    /// Whether the group takes and gives single partitions (KIP-848's protocol), not all at once: then changes are
    /// answered with [`add`](Self::add) and [`remove`](Self::remove).
    pub(crate) fn is_incremental(&self) -> bool {
        // SAFETY: the handle is valid; the name is a static string.
        let protocol = unsafe { native::rd_kafka_rebalance_protocol(self.handle.ptr()) };
        // SAFETY: as above.
        !protocol.is_null() && unsafe { CStr::from_ptr(protocol) } == c"COOPERATIVE"
    }

    /// Reads these partitions too. Their queues are to be taken before.
    pub(crate) fn add(
        &self,
        partitions: &[(TopicPartition, StartOffset)],
    ) -> Result<(), ClientError> {
        let mut list = PartitionList::new();
        for (partition, start) in partitions {
            list.add_offset(partition, start.raw());
        }
        // SAFETY: both are valid, the list is copied, and the error object is handed on at once.
        unsafe {
            let error = native::rd_kafka_incremental_assign(self.handle.ptr(), list.ptr());
            ClientError::check_object(error, || format!("adding {} partitions", partitions.len()))
        }
    }

    /// Does not read these partitions any more.
    pub(crate) fn remove(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let mut list = PartitionList::new();
        for partition in partitions {
            list.add_partition(partition);
        }
        // SAFETY: as above.
        unsafe {
            let error = native::rd_kafka_incremental_unassign(self.handle.ptr(), list.ptr());
            ClientError::check_object(error, || {
                format!("removing {} partitions", partitions.len())
            })
        }
    }

    /// Whether what is being revoked is with others already: nothing of it can be committed.
    pub(crate) fn is_assignment_lost(&self) -> bool {
        // SAFETY: the handle is valid.
        unsafe { native::rd_kafka_assignment_lost(self.handle.ptr()) != 0 }
    }

    /// Reads nothing any more.
    pub(crate) fn unassign(&self) -> Result<(), ClientError> {
        // SAFETY: null stands for no partitions.
        let code = unsafe { native::rd_kafka_assign(self.handle.ptr(), std::ptr::null()) };
        ClientError::check(code, || "giving up all partitions".to_owned())
    }

    /// Reads on elsewhere in partitions that are assigned; what was fetched of them is thrown away.
    pub(crate) fn seek(
        &self,
        partitions: &[(TopicPartition, StartOffset)],
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let mut list = PartitionList::new();
        for (partition, start) in partitions {
            list.add_offset(partition, start.raw());
        }
        // SAFETY: both are valid, and the error object is handed on at once.
        unsafe {
            let error = native::rd_kafka_seek_partitions(
                self.handle.ptr(),
                list.ptr(),
                milliseconds(self.ending.at_most(timeout)),
            );
            ClientError::check_object(error, || "seeking".to_owned())?;
        }
        list.offsets("seeking")
            .into_iter()
            .try_for_each(|listed| listed.result)
    }

    /// The queue of a partition, which wakes the thread that takes it when records come.
    pub(crate) fn queue(&self, partition: &TopicPartition) -> Result<PartitionQueue, ClientError> {
        PartitionQueue::new(Arc::clone(&self.handle), partition.clone())
    }

    /// Who this member is now; to be asked anew for each commit.
    pub(crate) fn group_metadata(&self) -> Result<GroupMetadata, ClientError> {
        // SAFETY: the handle is valid.
        let metadata = unsafe { native::rd_kafka_consumer_group_metadata(self.handle.ptr()) };
        NonNull::new(metadata).map(GroupMetadata).ok_or_else(|| {
            ClientError::own(
                ErrorKind::Fatal,
                "reading the group's metadata",
                "the consumer has no group",
            )
        })
    }

    /// The first offset and the one behind the last, asked of the cluster: under read committed, the last stable
    /// offset.
    pub(crate) fn watermarks(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<(i64, i64), ClientError> {
        let topic = c_topic(&partition.topic);
        let (mut low, mut high) = (0, 0);
        // SAFETY: all are valid for the call.
        let code = unsafe {
            native::rd_kafka_query_watermark_offsets(
                self.handle.ptr(),
                topic.as_ptr(),
                partition.partition,
                &raw mut low,
                &raw mut high,
                milliseconds(self.ending.at_most(timeout)),
            )
        };
        ClientError::check(code, || format!("reading the offsets of {partition}"))?;
        Ok((low, high))
    }

    /// The error that made this consumer useless, if one did.
    pub(crate) fn fatal_error(&self) -> Option<ClientError> {
        self.handle.fatal_error()
    }
}

fn c_topic(topic: &str) -> CString {
    CString::new(topic).expect("a topic's name has no zero byte")
}

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// # Safety
/// The event is valid.
unsafe fn signal(event: *mut native::rd_kafka_event_t) -> Signal {
    // SAFETY: a valid event; its list and its strings are read while it lives.
    unsafe {
        let code = native::rd_kafka_event_error(event);
        match native::rd_kafka_event_type(event) {
            native::RD_KAFKA_EVENT_REBALANCE => {
                let list = native::rd_kafka_event_topic_partition_list(event);
                let partitions = read_list(list, "assigning")
                    .into_iter()
                    .map(|listed| listed.partition)
                    .collect();
                match code {
                    Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Signal::Assigned(partitions),
                    _ => Signal::Revoked(partitions),
                }
            }
            native::RD_KAFKA_EVENT_ERROR => {
                let reason =
                    CStr::from_ptr(native::rd_kafka_event_error_string(event)).to_string_lossy();
                let mut error = ClientError::explained("consuming", code, &reason);
                if native::rd_kafka_event_error_is_fatal(event) != 0
                    && error.kind != ErrorKind::Fenced
                {
                    error.kind = ErrorKind::Fatal;
                }
                Signal::Error(error)
            }
            // A record here would be of a partition whose queue was not taken before it was assigned.
            other => Signal::Error(ClientError::own(
                ErrorKind::Fatal,
                "consuming",
                format!("an event of type {other} came where none is expected"),
            )),
        }
    }
}
