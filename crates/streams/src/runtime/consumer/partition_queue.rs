//! The records of one partition, on the thread that works on them.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::Thread;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::{Queue, c_topic};
use crate::context::SourceRecord;
use crate::runtime::TopicPartition;
use crate::runtime::client::{ClientError, Handle, PartitionList};
use crate::runtime::raw_record::{Lease, RawRecord};

/// How many records one call of librdkafka is asked for.
const BATCH: usize = 512;

/// The queue of a partition's records.
///
/// Reading a batch keeps state per queue only, so threads may read different queues at once; one queue has one
/// reader, which `&mut self` sees to.
pub(crate) struct PartitionQueue {
    // Before the lease: a queue goes before its consumer.
    queue: Queue,
    lease: Arc<Lease>,
    handle: Arc<Handle>,
    partition: TopicPartition,
    topic: std::ffi::CString,
    /// The thread to wake, where librdkafka's callback finds it.
    woken: Option<Box<Thread>>,
    batch: Vec<*mut native::rd_kafka_message_t>,
    /// The offset behind the last record that was polled.
    position: Option<i64>,
    /// Where the partition ended, as it was told last.
    end: Option<i64>,
}

// SAFETY: the pointers in `batch` are only there during a call.
unsafe impl Send for PartitionQueue {}

/// What a poll found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polled {
    /// How many records.
    pub(crate) records: usize,
    /// How many bytes of keys and values they have.
    pub(crate) bytes: usize,
}

impl PartitionQueue {
    pub(super) fn new(handle: Arc<Handle>, partition: TopicPartition) -> Result<Self, ClientError> {
        let topic = c_topic(&partition.topic);
        // SAFETY: both are valid. Forwarding to nowhere makes the queue the application's: an assignment leaves it
        // alone.
        let queue = unsafe {
            let queue = native::rd_kafka_queue_get_partition(
                handle.ptr(),
                topic.as_ptr(),
                partition.partition,
            );
            if !queue.is_null() {
                native::rd_kafka_queue_forward(queue, std::ptr::null_mut());
            }
            queue
        };
        let queue = NonNull::new(queue).ok_or_else(|| {
            ClientError::of_code(
                format!("taking the queue of {partition}"),
                Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
            )
        })?;
        Ok(Self {
            queue: Queue(queue),
            lease: Lease::new(Arc::clone(&handle)),
            handle,
            partition,
            topic,
            woken: None,
            batch: Vec::with_capacity(BATCH),
            position: None,
            end: None,
        })
    }

    /// The partition.
    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// Unparks `thread` when records come into the empty queue.
    pub(crate) fn wake(&mut self, thread: Thread) {
        let thread = Box::new(thread);
        // SAFETY: the thread's handle stays where it is until another takes its place, or the queue is destroyed,
        // which takes the callback away first; librdkafka calls it with the queue locked.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(
                self.queue.ptr(),
                Some(unpark),
                std::ptr::from_ref::<Thread>(&thread).cast_mut().cast(),
            );
        }
        self.woken = Some(thread);
    }

    /// Takes up to `limit` records that are there, without waiting, in the order of their offsets.
    ///
    /// # Errors
    /// The partition cannot be read. The records before the error are in `into`.
    pub(crate) fn poll(
        &mut self,
        limit: usize,
        into: &mut Vec<RawRecord>,
    ) -> Result<Polled, ClientError> {
        let mut polled = Polled {
            records: 0,
            bytes: 0,
        };
        while polled.records < limit {
            let wanted = (limit - polled.records).min(BATCH);
            let mut failed = None;
            let read = self.read(wanted);
            for index in 0..read {
                let message = self.batch[index];
                if let Err(error) = self.take(message, into, &mut polled) {
                    failed.get_or_insert(error);
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if read < wanted {
                break;
            }
        }
        Ok(polled)
    }

    fn read(&mut self, wanted: usize) -> usize {
        self.batch.resize(BATCH, std::ptr::null_mut());
        // SAFETY: there is room for `wanted` pointers; the messages are ours from here on.
        let read = unsafe {
            native::rd_kafka_consume_batch_queue(
                self.queue.ptr(),
                0,
                self.batch.as_mut_ptr(),
                wanted,
            )
        };
        usize::try_from(read).unwrap_or(0)
    }

    fn take(
        &mut self,
        message: *mut native::rd_kafka_message_t,
        into: &mut Vec<RawRecord>,
        polled: &mut Polled,
    ) -> Result<(), ClientError> {
        let message = NonNull::new(message).expect("librdkafka fills what it counts");
        // SAFETY: a message that the batch returned.
        let code = unsafe { message.as_ref() }.err;
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            // SAFETY: it has no error, is ours, and came from the lease's consumer.
            let record = unsafe { RawRecord::new(message, Arc::clone(&self.lease)) };
            self.position = Some(record.offset() + 1);
            polled.records += 1;
            polled.bytes += record.size();
            into.push(record);
            return Ok(());
        }
        // SAFETY: as above; an error is copied before it is destroyed.
        let (offset, reason) = unsafe {
            let offset = message.as_ref().offset;
            let reason = native::rd_kafka_message_errstr(message.as_ptr());
            let reason = (!reason.is_null()).then(|| {
                std::ffi::CStr::from_ptr(reason)
                    .to_string_lossy()
                    .into_owned()
            });
            native::rd_kafka_message_destroy(message.as_ptr());
            (offset, reason.unwrap_or_default())
        };
        if code == Code::RD_KAFKA_RESP_ERR__PARTITION_EOF {
            self.end = Some(offset);
            return Ok(());
        }
        let error = ClientError::explained(format!("reading {}", self.partition), code, &reason);
        if error.is_retriable() {
            tracing::warn!(%error, "librdkafka tries again");
            return Ok(());
        }
        Err(error)
    }

    /// The first offset and the one behind the last, as the last fetch told them; `None` before it.
    pub(crate) fn watermarks(&self) -> Option<(i64, i64)> {
        let (mut low, mut high) = (-1, -1);
        // SAFETY: all are valid for the call.
        let code = unsafe {
            native::rd_kafka_get_watermark_offsets(
                self.handle.ptr(),
                self.topic.as_ptr(),
                self.partition.partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (code == Code::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low, high))
    }

    /// The offset behind the last record that was polled.
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    /// How many records, and other things told, are fetched and not polled.
    pub(crate) fn fetched(&self) -> usize {
        // SAFETY: the queue is valid.
        unsafe { native::rd_kafka_queue_length(self.queue.ptr()) }
    }

    /// Whether everything that the cluster is known to have of this partition was polled.
    pub(crate) fn is_caught_up(&self) -> bool {
        if self.fetched() > 0 {
            return false;
        }
        // Told by librdkafka, where nothing came since. That takes a fetch which waits for records, so the position
        // is looked at too: librdkafka's own, which is behind a trailing commit marker, where ours is before it.
        match (self.end, self.position) {
            (Some(end), position) if position.is_none_or(|position| position <= end) => true,
            (_, None) => false,
            (_, Some(_)) => self
                .watermarks()
                .is_some_and(|(_, high)| high <= self.native_position()),
        }
    }

    /// Whether everything below `end` was polled, but for what is none of this reader's: markers, and what was aborted
    /// or compacted.
    pub(crate) fn has_reached(&self, end: i64) -> bool {
        self.position.is_some_and(|position| position >= end)
            || self.end.is_some_and(|told| told >= end)
            || self.native_position() >= end
    }

    fn native_position(&self) -> i64 {
        let mut list = PartitionList::new();
        list.add_partition(&self.partition);
        // SAFETY: both are valid; the call fills the list.
        unsafe { native::rd_kafka_position(self.handle.ptr(), list.ptr()) };
        list.offsets("reading the position of")
            .first()
            .map_or(-1, |listed| listed.offset)
    }

    /// Forgets position and end, for a partition that is read from elsewhere.
    pub(crate) fn rewound(&mut self) {
        self.position = None;
        self.end = None;
    }
}

unsafe extern "C" fn unpark(_instance: *mut native::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: `wake` put a thread's handle there, which outlives the callback.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}
