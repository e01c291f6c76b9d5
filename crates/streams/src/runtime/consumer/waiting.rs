//! Questions to the group's coordinator, which are given up when the application gives up.

use std::ptr::NonNull;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;

use super::{Committed, Consumer, OffsetToCommit, Queue, milliseconds};
use crate::runtime::TopicPartition;
use crate::runtime::client::{ClientError, ErrorKind, ListedOffset, PartitionList, read_list};
use crate::runtime::ending::SLICE;

/// How long one question for committed offsets may take before it is asked anew: while a transaction holds offsets that
/// it has not ended, librdkafka does not answer.
const ASK: Duration = Duration::from_secs(1);
/// How often a consumer that closes is looked at.
const CLOSING: Duration = Duration::from_millis(10);

impl Consumer {
    /// What the group has committed for these partitions: offsets with their metadata, `None` where nothing is. Not
    /// waited for once a stop is asked for, as nothing is begun any more.
    pub(crate) fn committed(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<(TopicPartition, Committed)>, ClientError> {
        let until = Instant::now() + timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = self.ending.at_most(left);
            match self.ask_committed(partitions, left.min(ASK)) {
                Err(error) if error.is_time_out() && left > ASK && !self.ending.is_asked() => {}
                answer => return answer,
            }
        }
    }

    fn ask_committed(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<(TopicPartition, Committed)>, ClientError> {
        let mut list = PartitionList::new();
        for partition in partitions {
            list.add_partition(partition);
        }
        // SAFETY: both are valid; the call fills the list.
        let code = unsafe {
            native::rd_kafka_committed(self.handle.ptr(), list.ptr(), milliseconds(timeout))
        };
        ClientError::check(code, || "reading committed offsets".to_owned())?;
        list.offsets("reading the committed offset of")
            .into_iter()
            .map(|listed: ListedOffset| {
                listed.result?;
                let metadata = String::from_utf8_lossy(&listed.metadata).into_owned();
                let committed = (listed.offset >= 0).then_some((listed.offset, metadata));
                Ok((listed.partition, committed))
            })
            .collect()
    }

    /// Commits offsets and waits for the answer. Not for transactions, which carry their offsets themselves.
    pub(crate) fn commit(&self, offsets: &[OffsetToCommit]) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let list = OffsetToCommit::list(offsets);
        let queue = self.reply_queue()?;
        // SAFETY: all are valid; the list is copied, and the answer comes by the queue as an event.
        let code = unsafe {
            native::rd_kafka_commit_queue(
                self.handle.ptr(),
                list.ptr(),
                queue.ptr(),
                None,
                std::ptr::null_mut(),
            )
        };
        let action = || format!("committing the offsets of {} partitions", offsets.len());
        ClientError::check(code, action)?;
        // librdkafka answers in any case, if only that it is ended itself.
        while !self.ending.has_given_up() {
            // SAFETY: the queue is valid.
            let event = unsafe { native::rd_kafka_queue_poll(queue.ptr(), milliseconds(SLICE)) };
            let Some(event) = NonNull::new(event) else {
                continue;
            };
            // SAFETY: a valid event, read before it is destroyed.
            let (code, listed) = unsafe {
                let code = native::rd_kafka_event_error(event.as_ptr());
                let list = native::rd_kafka_event_topic_partition_list(event.as_ptr());
                let listed = if list.is_null() {
                    Vec::new()
                } else {
                    read_list(list, "committing the offset of")
                };
                native::rd_kafka_event_destroy(event.as_ptr());
                (code, listed)
            };
            ClientError::check(code, action)?;
            return listed.into_iter().try_for_each(|listed| listed.result);
        }
        Err(ClientError::given_up(action()))
    }

    /// Ends in order: a member without a name of its own leaves the group at once, one with a name keeps its
    /// partitions until its session ends.
    pub(crate) fn close(&self) -> Result<(), ClientError> {
        let queue = self.reply_queue()?;
        let action = || "closing the consumer".to_owned();
        // SAFETY: both are valid, and the error object is handed on at once.
        unsafe {
            let error = native::rd_kafka_consumer_close_queue(self.handle.ptr(), queue.ptr());
            ClientError::check_object(error, action)?;
        }
        loop {
            // SAFETY: the handle is valid.
            if unsafe { native::rd_kafka_consumer_closed(self.handle.ptr()) } != 0 {
                return Ok(());
            }
            if self.ending.has_given_up() {
                return Err(ClientError::given_up(action()));
            }
            // SAFETY: the queue is valid; the event is read before it is destroyed.
            let told = unsafe {
                let event = native::rd_kafka_queue_poll(queue.ptr(), milliseconds(CLOSING));
                let rebalance = NonNull::new(event).is_some_and(|event| {
                    let kind = native::rd_kafka_event_type(event.as_ptr());
                    kind == native::RD_KAFKA_EVENT_REBALANCE
                });
                if !event.is_null() {
                    native::rd_kafka_event_destroy(event);
                }
                rebalance
            };
            if told {
                // Whatever the group gives or takes now: nothing is read any more.
                self.unassign()?;
            }
        }
    }

    fn reply_queue(&self) -> Result<Queue, ClientError> {
        // SAFETY: the handle is valid.
        let queue = unsafe { native::rd_kafka_queue_new(self.handle.ptr()) };
        NonNull::new(queue)
            .map(Queue)
            .ok_or_else(|| ClientError::own(ErrorKind::Fatal, "asking the group", "no queue"))
    }
}
