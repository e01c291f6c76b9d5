//! librdkafka's list of partitions with offsets and metadata.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use rdkafka::bindings as native;

use super::ClientError;
use crate::runtime::TopicPartition;

/// No partition in particular: librdkafka's `RD_KAFKA_PARTITION_UA`, which has no binding.
const UNASSIGNED: i32 = -1;

/// A list that is owned.
pub(crate) struct PartitionList(NonNull<native::rd_kafka_topic_partition_list_t>);

/// A partition of a list as a call left it.
#[derive(Debug)]
pub(crate) struct ListedOffset {
    /// The partition.
    pub(crate) partition: TopicPartition,
    /// The offset, negative where it is one of librdkafka's special ones.
    pub(crate) offset: i64,
    /// The metadata, empty if there is none.
    pub(crate) metadata: Vec<u8>,
    /// How the call ended for this partition.
    pub(crate) result: Result<(), ClientError>,
}

impl PartitionList {
    /// An empty list.
    pub(crate) fn new() -> Self {
        // SAFETY: it only allocates; librdkafka aborts when memory is out.
        let list = unsafe { native::rd_kafka_topic_partition_list_new(8) };
        Self(NonNull::new(list).expect("librdkafka never returns null here"))
    }

    /// Adds a topic for a subscription; one that begins with `^` is a pattern.
    pub(crate) fn add_topic(&mut self, topic: &str) {
        self.add(topic, UNASSIGNED);
    }

    /// Adds a partition without an offset.
    pub(crate) fn add_partition(&mut self, partition: &TopicPartition) {
        self.add(&partition.topic, partition.partition);
    }

    /// Adds a partition with an offset, which may be one of librdkafka's special ones.
    pub(crate) fn add_offset(&mut self, partition: &TopicPartition, offset: i64) {
        let element = self.add(&partition.topic, partition.partition);
        // SAFETY: the element was just added.
        unsafe { (*element).offset = offset };
    }

    /// Adds a partition with an offset to commit and the metadata to keep with it.
    pub(crate) fn add_commit(&mut self, partition: &TopicPartition, offset: i64, metadata: &str) {
        let element = self.add(&partition.topic, partition.partition);
        // SAFETY: the element was just added; its metadata is freed with the list by C's `free`, so it is copied
        // into memory of C's.
        unsafe {
            (*element).offset = offset;
            let copy = libc::malloc(metadata.len().max(1));
            assert!(!copy.is_null(), "out of memory");
            std::ptr::copy_nonoverlapping(metadata.as_ptr(), copy.cast::<u8>(), metadata.len());
            (*element).metadata = copy;
            (*element).metadata_size = metadata.len();
        }
    }

    fn add(&mut self, topic: &str, partition: i32) -> *mut native::rd_kafka_topic_partition_t {
        let topic = CString::new(topic).expect("a topic's name has no zero byte");
        // SAFETY: the list is ours and the name is copied.
        unsafe { native::rd_kafka_topic_partition_list_add(self.ptr(), topic.as_ptr(), partition) }
    }

    /// The list, for a call.
    pub(crate) fn ptr(&self) -> *mut native::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// What is in it.
    pub(crate) fn offsets(&self, action: &str) -> Vec<ListedOffset> {
        // SAFETY: the list is ours.
        unsafe { read(self.ptr(), action) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: the list is ours and is not used again.
        unsafe { native::rd_kafka_topic_partition_list_destroy(self.ptr()) };
    }
}

/// The contents of a list that belongs to somebody else.
///
/// # Safety
/// The list is null or valid for the call.
pub(crate) unsafe fn read(
    list: *const native::rd_kafka_topic_partition_list_t,
    action: &str,
) -> Vec<ListedOffset> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the list is valid and has `cnt` elements, whose names end with a zero and whose metadata is as long as
    // it says.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        std::slice::from_raw_parts((*list).elems, count)
            .iter()
            .map(|element| {
                let topic = CStr::from_ptr(element.topic).to_string_lossy();
                let partition = TopicPartition::new(topic.as_ref(), element.partition);
                let metadata = if element.metadata.is_null() || element.metadata_size == 0 {
                    Vec::new()
                } else {
                    std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size)
                        .to_vec()
                };
                ListedOffset {
                    result: ClientError::check(element.err, || format!("{action} {partition}")),
                    partition,
                    offset: element.offset,
                    metadata,
                }
            })
            .collect()
    }
}
