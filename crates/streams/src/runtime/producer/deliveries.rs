//! What the cluster has said of the records that were sent.

use std::cell::RefCell;
use std::ffi::c_void;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use super::refusals::{MAX_REMEMBERED, Print, Refused, is_refusal};
use crate::collector::Outgoing;

/// Deliveries of one producer, by the topics' indexes.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    acknowledged: Vec<Vec<i64>>,
    /// How many records of a partition are with librdkafka.
    under_way: Vec<Vec<u32>>,
    failed: Option<Failed>,
    /// What the cluster blamed on its record.
    refused: Vec<Refused>,
}

/// The first record since the last commit that did not arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) topic: usize,
    pub(super) partition: i32,
    pub(super) code: Code,
}

impl Deliveries {
    pub(super) fn acknowledged(&self, topic: usize, partition: i32) -> Option<i64> {
        let partition = usize::try_from(partition).ok()?;
        let offset = *self.acknowledged.get(topic)?.get(partition)?;
        (offset >= 0).then_some(offset)
    }

    /// Whether librdkafka has told of every record of this partition that it was given.
    pub(super) fn is_idle(&self, topic: usize, partition: usize) -> bool {
        let under_way = self.under_way.get(topic).and_then(|all| all.get(partition));
        under_way.is_none_or(|count| *count == 0)
    }

    /// A record was given to librdkafka, which will tell of it.
    pub(super) fn sent(&mut self, topic: usize, partition: i32) {
        let Ok(partition) = usize::try_from(partition) else {
            return;
        };
        *slot(&mut self.under_way, topic, partition, 0) += 1;
    }

    /// librdkafka refused a record that was held: it is as if the cluster had.
    pub(super) fn refuse_late(&mut self, topic: usize, record: &Outgoing<'_>, code: Code) {
        let print = Print::of_outgoing(topic, record);
        self.refuse(Refused { print, code });
        self.fail(topic, record.partition, code);
    }

    pub(super) fn take_failed(&mut self) -> Option<Failed> {
        self.failed.take()
    }

    /// What the cluster blamed on its record, once.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    fn refuse(&mut self, refused: Refused) {
        if self.refused.len() < MAX_REMEMBERED {
            self.refused.push(refused);
        }
    }

    /// After an abort: what was thrown away has not failed.
    pub(super) fn forget(&mut self) {
        self.failed = None;
    }

    fn fail(&mut self, topic: usize, partition: i32, code: Code) {
        let failed = Failed {
            topic,
            partition,
            code,
        };
        match &self.failed {
            Some(first) if !is_lost(first.code) || is_lost(code) => {}
            // What went with a transaction does not tell why it failed.
            _ => self.failed = Some(failed),
        }
    }

    fn report(&mut self, topic: usize, partition: i32, code: Code, offset: i64) {
        if let Ok(partition) = usize::try_from(partition) {
            let under_way = slot(&mut self.under_way, topic, partition, 0);
            *under_way = under_way.saturating_sub(1);
            if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                let acknowledged = slot(&mut self.acknowledged, topic, partition, -1);
                *acknowledged = offset.max(*acknowledged);
            }
        }
        if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            self.fail(topic, partition, code);
        }
    }
}

/// The place of a partition, made where it is not there.
fn slot<T: Clone>(topics: &mut Vec<Vec<T>>, topic: usize, partition: usize, empty: T) -> &mut T {
    if topics.len() <= topic {
        topics.resize(topic + 1, Vec::new());
    }
    let partitions = &mut topics[topic];
    if partitions.len() <= partition {
        partitions.resize(partition + 1, empty);
    }
    &mut partitions[partition]
}

/// Whether the code is of a record that was lost with its transaction: through no fault of its own, and not to be
/// lost when it is sent again in the next.
pub(super) fn is_lost(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE
            | Code::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
            | Code::RD_KAFKA_RESP_ERR__STATE
            | Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID
    )
}

/// librdkafka's delivery report.
///
/// # Safety
/// `opaque` is the producer's deliveries, which nobody has borrowed during a call that delivers reports.
pub(super) unsafe extern "C" fn delivered(
    _instance: *mut native::rd_kafka_t,
    message: *const native::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid message, and what the producer was made with.
    let (message, deliveries) = unsafe { (&*message, &*opaque.cast::<RefCell<Deliveries>>()) };
    let mut deliveries = deliveries.borrow_mut();
    if is_refusal(message.err) {
        // SAFETY: a report's message has its record's bytes.
        let print = unsafe { print_of(message) };
        deliveries.refuse(Refused {
            print,
            code: message.err,
        });
    }
    deliveries.report(
        message._private as usize,
        message.partition,
        message.err,
        message.offset,
    );
}

/// # Safety
/// The message is valid, and of a record that was sent.
unsafe fn print_of(message: &native::rd_kafka_message_t) -> Print {
    // SAFETY: pointers and lengths are librdkafka's, of memory that lives as long as the message.
    unsafe {
        let bytes = |start: *mut c_void, length: usize| {
            (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast::<u8>(), length))
        };
        Print::of(
            message._private as usize,
            message.partition,
            bytes(message.key, message.key_len),
            bytes(message.payload, message.len),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_lost_transaction_is_told_and_not_what_was_lost_with_it() {
        let mut deliveries = Deliveries::default();
        deliveries.report(0, 1, Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE, -1);
        deliveries.report(0, 2, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, -1);
        deliveries.report(0, 3, Code::RD_KAFKA_RESP_ERR__PURGE_QUEUE, -1);
        deliveries.report(0, 4, Code::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, -1);
        let failed = deliveries.take_failed().unwrap();
        assert_eq!(failed.partition, 2);
        assert_eq!(failed.code, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
        assert!(deliveries.take_failed().is_none());
    }
}
