//! Where a partition begins and ends for whoever has to read all of it.
//!
//! A reader of committed records sees a partition end at its last stable offset: before the first record of a
//! transaction that is open, however much was committed behind that. This asks for the end itself, so that a restore
//! waits for such a transaction to end and does not stop short of it.

use std::time::Duration;

use rdkafka::bindings as native;

use super::{Consumer, milliseconds};
use crate::runtime::TopicPartition;
use crate::runtime::client::{ClientError, PartitionList};

impl Consumer {
    /// The first offset and the one behind the last record, those of open transactions and the markers of ended ones
    /// included, whatever this consumer may read.
    pub(crate) fn extent(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<(i64, i64), ClientError> {
        let (start, _) = self.watermarks(partition, timeout)?;
        Ok((start, self.log_end(partition, timeout)?))
    }

    fn log_end(&self, partition: &TopicPartition, timeout: Duration) -> Result<i64, ClientError> {
        let action = || format!("reading the end of {partition}");
        let mut list = PartitionList::new();
        let latest = native::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST;
        list.add_offset(partition, latest as i64);
        // SAFETY: the handle is valid and the list is copied; without options everything that is written counts. The
        // answer is read before its event is destroyed, and the queue is used nowhere else.
        unsafe {
            let queue = native::rd_kafka_queue_new(self.handle.ptr());
            native::rd_kafka_ListOffsets(self.handle.ptr(), list.ptr(), std::ptr::null(), queue);
            let event = native::rd_kafka_queue_poll(queue, milliseconds(timeout));
            let answer = if event.is_null() {
                let code = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT;
                Err(ClientError::of_code(action(), code))
            } else {
                ClientError::check(native::rd_kafka_event_error(event), action)
                    .and_then(|()| first_offset(event, action))
            };
            if !event.is_null() {
                native::rd_kafka_event_destroy(event);
            }
            native::rd_kafka_queue_destroy(queue);
            answer
        }
    }
}

/// # Safety
/// The event is valid, and the answer to a question for offsets.
unsafe fn first_offset(
    event: *mut native::rd_kafka_event_t,
    action: impl Fn() -> String,
) -> Result<i64, ClientError> {
    let unknown = || {
        let code = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
        ClientError::of_code(action(), code)
    };
    // SAFETY: by the caller's promise; what is found belongs to the event.
    unsafe {
        let result = native::rd_kafka_event_ListOffsets_result(event);
        if result.is_null() {
            return Err(unknown());
        }
        let mut count = 0;
        let found = native::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
        if count == 0 {
            return Err(unknown());
        }
        let element = &*native::rd_kafka_ListOffsetsResultInfo_topic_partition(*found);
        ClientError::check(element.err, &action)?;
        Ok(element.offset)
    }
}
