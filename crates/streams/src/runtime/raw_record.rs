//! A record as the client fetched it: a handle on librdkafka's memory, nothing copied.

use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings as native;

use super::client::Handle;
use crate::context::SourceRecord;
use crate::record::{Header, Headers};

/// A fetched record. It may go to another thread; its bytes are freed when it is dropped.
pub(crate) struct RawRecord {
    message: NonNull<native::rd_kafka_message_t>,
    /// The consumer it came from, by way of its partition's queue: one count per queue, so that threads which read
    /// different partitions do not share it.
    _lease: Arc<Lease>,
}

/// Keeps a consumer alive for as long as records of one of its partitions are.
#[derive(Debug)]
pub(crate) struct Lease {
    _handle: Arc<Handle>,
}

impl Lease {
    pub(crate) fn new(handle: Arc<Handle>) -> Arc<Self> {
        Arc::new(Self { _handle: handle })
    }
}

// SAFETY: a message belongs to whoever got it and is bound to no thread. It is not `Sync`: its headers are parsed
// when they are first asked for.
unsafe impl Send for RawRecord {}

impl RawRecord {
    /// Takes over a message.
    ///
    /// # Safety
    /// The message is valid, without an error, belongs to the caller, and came from the lease's consumer.
    pub(crate) unsafe fn new(
        message: NonNull<native::rd_kafka_message_t>,
        lease: Arc<Lease>,
    ) -> Self {
        Self {
            message,
            _lease: lease,
        }
    }

    fn message(&self) -> &native::rd_kafka_message_t {
        // SAFETY: it is valid until it is destroyed, which `drop` does.
        unsafe { self.message.as_ref() }
    }

    /// Whether it is seen to have no headers, without librdkafka, which allocates to find that out.
    ///
    /// In a record batch (the format with a leader epoch, and with headers) a record's value is followed by the
    /// number of its headers, and librdkafka hands out the value where it lies in the batch. False if it is not known.
    pub(crate) fn is_plain(&self) -> bool {
        let message = self.message();
        if message.payload.is_null() || message.len == 0 {
            // No place in the batch.
            return false;
        }
        // SAFETY: a valid message of a consumer. Its value, not empty, points into its batch, which the message keeps,
        // and the epoch says that it is one; a record there has at least one more byte, the number of headers. (A
        // malformed one may lack it, which librdkafka does not notice. In an answer to a fetch more bytes follow the
        // batch; behind the last record of a compressed batch it would be the first byte behind the memory.)
        unsafe {
            native::rd_kafka_message_leader_epoch(self.message.as_ptr()) >= 0
                && *message.payload.cast::<u8>().add(message.len) == 0
        }
    }

    /// How many bytes its key and value take.
    pub(crate) fn size(&self) -> usize {
        let message = self.message();
        message.key_len + message.len
    }
}

impl SourceRecord for RawRecord {
    fn key(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: librdkafka's pointer and length, of memory that lives as long as the message.
        unsafe { slice(message.key, message.key_len) }
    }

    fn value(&self) -> Option<&[u8]> {
        let message = self.message();
        // SAFETY: as for the key.
        unsafe { slice(message.payload, message.len) }
    }

    fn timestamp(&self) -> i64 {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a valid message, and a place for the kind.
        unsafe { native::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) }
    }

    fn offset(&self) -> i64 {
        self.message().offset
    }

    fn headers(&self) -> Headers {
        if self.is_plain() {
            return Headers::default();
        }
        let mut headers = std::ptr::null_mut();
        // SAFETY: a valid message; the headers stay its own, and are read before it is.
        unsafe {
            let code = native::rd_kafka_message_headers(self.message.as_ptr(), &raw mut headers);
            if code != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Headers::default();
            }
            (0..native::rd_kafka_header_cnt(headers))
                .map_while(|index| header(headers, index))
                .collect()
        }
    }
}

impl Drop for RawRecord {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again.
        unsafe { native::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

/// # Safety
/// `start` is null, or `length` bytes from it are valid for `'a`.
unsafe fn slice<'a>(start: *const std::ffi::c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// # Safety
/// The headers are valid.
unsafe fn header(headers: *const native::rd_kafka_headers_t, index: usize) -> Option<Header> {
    let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
    // SAFETY: valid headers, and places for what is found; a name ends with a zero.
    unsafe {
        let code = native::rd_kafka_header_get_all(
            headers,
            index,
            &raw mut name,
            &raw mut value,
            &raw mut size,
        );
        (code == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| Header {
            key: std::ffi::CStr::from_ptr(name)
                .to_string_lossy()
                .into_owned(),
            value: slice(value, size).map(Bytes::copy_from_slice),
        })
    }
}
