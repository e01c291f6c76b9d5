//! The ids of topics, by which one that was deleted and made again is told from what it was (KIP-516).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as native;

use crate::runtime::client::ClientError;

/// The ids of those of `topics` that exist, from clusters that have them.
///
/// # Errors
/// The cluster cannot be asked.
pub(super) fn topic_ids(
    client: *mut native::rd_kafka_t,
    topics: &[&str],
    limit: Duration,
) -> Result<BTreeMap<Arc<str>, [u8; 16]>, ClientError> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let names: Vec<_> = topics
        .iter()
        .map(|topic| CString::new(*topic).expect("a topic's name has no zero byte"))
        .collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is valid for the call; names are copied into the collection; the answer is read before its
    // event is destroyed, and everything made here is destroyed here.
    unsafe {
        let collection =
            native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let queue = native::rd_kafka_queue_new(client);
        native::rd_kafka_DescribeTopics(client, collection, std::ptr::null(), queue);
        let event = native::rd_kafka_queue_poll(queue, limit_ms);
        let answer = if event.is_null() {
            ClientError::check(
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT,
                action,
            )
            .map(|()| BTreeMap::new())
        } else {
            ClientError::check(native::rd_kafka_event_error(event), action).map(|()| read(event))
        };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
        native::rd_kafka_TopicCollection_destroy(collection);
        answer
    }
}

fn action() -> String {
    "reading the ids of topics".to_owned()
}

/// # Safety
/// The event is valid, and the answer to a description of topics.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> BTreeMap<Arc<str>, [u8; 16]> {
    // SAFETY: by the caller's promise; what is found belongs to the event.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return BTreeMap::new();
        }
        let mut count = 0;
        let topics = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        (0..count)
            .filter_map(|index| {
                let topic = *topics.add(index);
                let id = native::rd_kafka_TopicDescription_topic_id(topic);
                if !native::rd_kafka_TopicDescription_error(topic).is_null()
                    && native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic))
                        != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
                    || id.is_null()
                {
                    return None;
                }
                let high = native::rd_kafka_Uuid_most_significant_bits(id).to_be_bytes();
                let low = native::rd_kafka_Uuid_least_significant_bits(id).to_be_bytes();
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&high);
                bytes[8..].copy_from_slice(&low);
                let name = CStr::from_ptr(native::rd_kafka_TopicDescription_name(topic));
                let name: Arc<str> = name.to_string_lossy().into();
                // All zeros: a cluster older than the ids.
                (bytes != [0; 16]).then_some((name, bytes))
            })
            .collect()
    }
}
