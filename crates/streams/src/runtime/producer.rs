//! The producer of a worker: idempotent, or transactional under exactly-once.
//!
//! It is used by one thread. What was sent is waited for at a commit; an error of any record sent since the last
//! commit fails that commit, and names the topic and partition. One that the cluster blames on its record is
//! remembered, and told when that record is sent again ([`refusals`]).

mod deliveries;
mod held;
mod refusals;
mod reports;
#[cfg(test)]
mod tests;
mod watched;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::bindings::rd_kafka_vtype_t as VType;

use super::TopicPartition;
use super::client::{ClientError, ClientRole, ClientSettings, DeliveryReports, ErrorKind, Handle};
use super::consumer::{GroupMetadata, OffsetToCommit};
use super::ending::{Ending, SLICE};
use super::topic_limits::{Limits, TopicLimits};
use crate::collector::{Collector, Outgoing};
use crate::error::StreamsError;
use crate::record::Headers;
use deliveries::Deliveries;
use held::Held;
use refusals::Refusals;
use reports::Reports;

/// How long a record may wait for room in the local queue, and a question about a topic for its answer.
const MAX_BLOCK: Duration = Duration::from_mins(1);
/// How long a commit waits for its records and for its transaction's end: longer than any transaction lives.
const MAX_COMMIT: Duration = Duration::from_mins(2);
/// How long an abort waits for records that are on their way.
const MAX_DRAIN: Duration = Duration::from_secs(1);
/// Records that have room here where librdkafka's queue has no limit.
const UNLIMITED_ROOM: usize = 20_000;
/// How often the local queue is looked at while it is full.
const FULL_POLL_MS: i32 = 20;

/// A producer.
pub(crate) struct Producer {
    // Topics go before the instance, the instance before what its callback is given.
    topics: Vec<Topic>,
    _reports: Reports,
    handle: Arc<Handle>,
    deliveries: Box<RefCell<Deliveries>>,
    /// What is not with librdkafka yet.
    held: Held,
    ending: Arc<Ending>,
    /// Indexes in `topics`, by name.
    names: HashMap<Arc<str>, usize>,
    /// The name that was looked up last, with its index: tasks send to one topic many times in a row.
    last: Option<(Arc<str>, usize)>,
    transactional_id: Option<String>,
    in_transaction: bool,
    /// Bytes of keys and values sent since the last commit.
    pending_bytes: u64,
    /// How often a record had to wait for room.
    full_waits: u64,
    /// The worst that a call failed with since the last abort.
    broken: Option<ErrorKind>,
    /// Of a record that was sent since the last abort and did not arrive: nothing is committed past it, though a policy
    /// may have settled the error, with the record that was at hand when it was told.
    missing: Option<ClientError>,
    /// What the topics take, where that is known.
    limits: Arc<Limits>,
    /// What the cluster refused.
    refusals: Refusals,
}

/// A topic that was written to.
struct Topic {
    native: NonNull<native::rd_kafka_topic_t>,
    name: Arc<str>,
    partitions: Option<i32>,
    limits: Option<TopicLimits>,
}

// SAFETY: a producer is used by one thread at a time; librdkafka's objects may be used from any, and the callback
// runs only inside calls that the producer makes.
unsafe impl Send for Producer {}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again; the instance is still there.
        unsafe { native::rd_kafka_topic_destroy(self.native.as_ptr()) };
    }
}

impl Producer {
    /// A producer without transactions.
    pub(crate) fn idempotent(settings: &ClientSettings) -> Result<Self, ClientError> {
        Self::new(settings, None)
    }

    /// A producer of transactions under this id. Call [`init_transactions`](Self::init_transactions) next.
    pub(crate) fn transactional(settings: &ClientSettings, id: &str) -> Result<Self, ClientError> {
        Self::new(settings, Some(id))
    }

    fn new(settings: &ClientSettings, id: Option<&str>) -> Result<Self, ClientError> {
        let mut required = vec![("enable.idempotence", "true")];
        if let Some(id) = id {
            required.push(("transactional.id", id));
        }
        let config = settings.config(ClientRole::Producer, &required);
        let deliveries = Box::new(RefCell::new(Deliveries::default()));
        let reports = DeliveryReports {
            callback: deliveries::delivered,
            opaque: std::ptr::from_ref(&*deliveries).cast_mut().cast(),
        };
        let handle = Arc::new(Handle::producer(&config, &reports)?);
        let room = config.get("queue.buffering.max.messages");
        let room: usize = room.and_then(|room| room.parse().ok()).unwrap_or(0);
        // 0 stands for no limit.
        let room = if room == 0 { UNLIMITED_ROOM } else { room };
        Ok(Self {
            topics: Vec::new(),
            _reports: Reports::waking(&handle, std::thread::current()),
            handle,
            deliveries,
            // What is under way and what waits have room together.
            held: Held::new((room / 2).max(1)),
            ending: Arc::clone(&settings.ending),
            names: HashMap::new(),
            last: None,
            transactional_id: id.map(str::to_owned),
            in_transaction: false,
            pending_bytes: 0,
            full_waits: 0,
            broken: None,
            missing: None,
            limits: Arc::default(),
            refusals: Refusals::default(),
        })
    }

    /// The same, that refuses itself what these topics do not take.
    pub(crate) fn with_limits(mut self, limits: Arc<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// What the last failed call asks for, however the error went on from there; none after an abort.
    pub(crate) fn broken(&self) -> Option<ErrorKind> {
        self.broken
    }

    /// Whether it is of no use any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.handle.fatal_error().is_some()
    }

    fn note<T>(&mut self, result: Result<T, ClientError>) -> Result<T, ClientError> {
        if let Err(error) = &result
            && self.broken != Some(ErrorKind::Fenced)
        {
            self.broken = Some(error.kind);
        }
        result
    }

    /// Whether it writes in transactions.
    pub(crate) fn is_transactional(&self) -> bool {
        self.transactional_id.is_some()
    }

    /// Gets a new epoch: whoever used this transactional id before is fenced, and its open transaction is aborted.
    pub(crate) fn init_transactions(&mut self, timeout: Duration) -> Result<(), ClientError> {
        let until = Instant::now() + timeout;
        loop {
            let left = self.left(until);
            // SAFETY: the handle is valid, and the error object is handed on at once.
            let result = unsafe {
                let error = native::rd_kafka_init_transactions(
                    self.handle.ptr(),
                    milliseconds(left.min(SLICE)),
                );
                ClientError::check_object(error, || self.action("initialising"))
            };
            match result {
                Err(error) if error.is_retriable() && !self.left(until).is_zero() => {}
                other => return other,
            }
        }
    }

    /// How long may still be waited.
    fn left(&self, until: Instant) -> Duration {
        let left = until.saturating_duration_since(Instant::now());
        self.ending.at_most(left)
    }

    fn action(&self, doing: &str) -> String {
        let id = self.transactional_id.as_deref().unwrap_or("(none)");
        format!("{doing} transactions of {id}")
    }

    /// Begins a transaction, if none is open and this producer has them.
    pub(crate) fn begin(&mut self) -> Result<(), ClientError> {
        if self.transactional_id.is_none() || self.in_transaction {
            return Ok(());
        }
        // SAFETY: the handle is valid, and the error object is handed on at once.
        let begun = unsafe {
            let error = native::rd_kafka_begin_transaction(self.handle.ptr());
            ClientError::check_object(error, || self.action("beginning"))
        };
        self.note(begun)?;
        self.in_transaction = true;
        Ok(())
    }

    /// Puts offsets into the open transaction, on behalf of the group's member that `group` describes.
    pub(crate) fn send_offsets(
        &mut self,
        offsets: &[OffsetToCommit],
        group: &GroupMetadata,
    ) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let list = OffsetToCommit::list(offsets);
        // Each attempt begins anew, so it gets all the time that there is.
        let sent = self.until_done("adding offsets to", MAX_COMMIT, |handle, left| {
            // SAFETY: all are valid; the list and the metadata are copied.
            unsafe {
                native::rd_kafka_send_offsets_to_transaction(
                    handle.ptr(),
                    list.ptr(),
                    group.ptr(),
                    left,
                )
            }
        });
        self.note(sent)
    }

    /// Sends everything that waits, ends the transaction, and returns when the cluster has it.
    pub(crate) fn commit(&mut self) -> Result<(), ClientError> {
        self.flush()?;
        let committed = self.until_done("committing", SLICE, |handle, left| {
            // SAFETY: the handle is valid.
            unsafe { native::rd_kafka_commit_transaction(handle.ptr(), left) }
        });
        self.note(committed)?;
        // What went wrong before was settled by a policy, or it would not have come to this.
        self.broken = None;
        self.in_transaction = false;
        self.refusals.committed();
        Ok(())
    }

    /// Throws the open transaction away, with what has not been sent yet.
    pub(crate) fn abort(&mut self) -> Result<(), ClientError> {
        self.held.clear();
        self.pending_bytes = 0;
        self.missing = None;
        let broken = self.broken.take();
        let whole = broken.is_none() && !self.is_dead();
        if !self.in_transaction || self.ending.has_given_up() {
            if broken == Some(ErrorKind::Refused) {
                // What else is refused of what was sent is remembered too, and not told again.
                self.drain(MAX_DRAIN);
                self.forget_failures();
            }
            return Ok(());
        }
        if whole {
            // librdkafka throws away requests that already have their sequence numbers, and goes on behind the gap:
            // the cluster would refuse the next transaction. So they go out first.
            // SAFETY: the handle is valid; reports are delivered within the call.
            unsafe { native::rd_kafka_flush(self.handle.ptr(), milliseconds(MAX_DRAIN)) };
        }
        let result = self.until_done("aborting", SLICE, |handle, left| {
            // SAFETY: the handle is valid.
            unsafe { native::rd_kafka_abort_transaction(handle.ptr(), left) }
        });
        self.forget_failures();
        self.in_transaction = false;
        result
    }

    /// Calls, for `slice` at once, until it is done or cannot be: librdkafka resumes a call that timed out.
    fn until_done(
        &self,
        doing: &str,
        slice: Duration,
        mut call: impl FnMut(&Handle, i32) -> *mut native::rd_kafka_error_t,
    ) -> Result<(), ClientError> {
        let until = Instant::now() + MAX_COMMIT;
        loop {
            let left = self.left(until);
            let error = call(&self.handle, milliseconds(left.min(slice)));
            // SAFETY: what the call returned, used nowhere else.
            let result = unsafe { ClientError::check_object(error, || self.action(doing)) };
            match result {
                Err(error) if error.is_time_out() && left > slice => {}
                Err(error) if error.is_retriable() && !self.left(until).is_zero() => {
                    tracing::warn!(%error, "trying again");
                }
                other => return other,
            }
        }
    }

    /// Sends everything that waits and returns when the cluster has it.
    ///
    /// # Errors
    /// A record that was sent since the last commit did not arrive.
    pub(crate) fn flush(&mut self) -> Result<(), ClientError> {
        if let Some(missing) = &self.missing {
            return Err(missing.clone());
        }
        let released = self.release_in_turn(Instant::now() + MAX_COMMIT);
        if released.is_err() {
            self.failed()?;
            return released;
        }
        let code = self.drain(MAX_COMMIT);
        self.failed()?;
        let flushed = ClientError::check(code, || "sending what waits".to_owned());
        self.note(flushed)?;
        self.pending_bytes = 0;
        if !self.is_transactional() {
            self.refusals.committed();
        }
        Ok(())
    }

    fn drain(&self, limit: Duration) -> Code {
        let until = Instant::now() + limit;
        loop {
            let left = self.left(until);
            // SAFETY: the handle is valid; reports are delivered within the call.
            let code =
                unsafe { native::rd_kafka_flush(self.handle.ptr(), milliseconds(left.min(SLICE))) };
            if code != Code::RD_KAFKA_RESP_ERR__TIMED_OUT || left.is_zero() {
                return code;
            }
        }
    }

    /// Takes note of what was delivered, without waiting.
    ///
    /// # Errors
    /// A record that was sent since the last commit did not arrive.
    pub(crate) fn poll(&mut self) -> Result<(), ClientError> {
        self.serve(0);
        self.failed()?;
        self.release_idle()
    }

    fn serve(&self, wait_ms: i32) {
        // SAFETY: the handle is valid; reports are delivered within the call.
        unsafe { native::rd_kafka_poll(self.handle.ptr(), wait_ms) };
    }

    /// The highest offset of this partition that the cluster has acknowledged to this producer.
    pub(crate) fn acknowledged(&self, partition: &TopicPartition) -> Option<i64> {
        let topic = *self.names.get(&partition.topic)?;
        self.deliveries
            .borrow()
            .acknowledged(topic, partition.partition)
    }

    /// Bytes of keys and values sent since the last commit.
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// How often a record had to wait for room in the local queue.
    pub(crate) fn full_waits(&self) -> u64 {
        self.full_waits
    }

    fn topic(&mut self, name: &Arc<str>) -> Result<usize, ClientError> {
        if let Some((last, index)) = &self.last
            && (Arc::ptr_eq(last, name) || last == name)
        {
            return Ok(*index);
        }
        let index = match self.names.get(name) {
            Some(index) => *index,
            None => self.add_topic(name)?,
        };
        self.last = Some((Arc::clone(name), index));
        Ok(index)
    }

    fn add_topic(&mut self, name: &Arc<str>) -> Result<usize, ClientError> {
        let action = || format!("writing to {name}");
        let c_name = CString::new(&**name)
            .map_err(|error| ClientError::own(ErrorKind::Fatal, action(), error.to_string()))?;
        // SAFETY: the instance and the name are valid; a topic without settings has the instance's.
        let topic = unsafe {
            native::rd_kafka_topic_new(self.handle.ptr(), c_name.as_ptr(), std::ptr::null_mut())
        };
        // SAFETY: the error of the call before, in this thread.
        let native = NonNull::new(topic).ok_or_else(|| {
            ClientError::of_code(action(), unsafe { native::rd_kafka_last_error() })
        })?;
        self.topics.push(Topic {
            native,
            name: Arc::clone(name),
            partitions: None,
            limits: self.limits.get(name).copied(),
        });
        let index = self.topics.len() - 1;
        self.names.insert(Arc::clone(name), index);
        Ok(index)
    }

    /// Sends a record; its bytes are copied. Waits while the local queue is full.
    ///
    /// Timestamp 0 goes out as 1: librdkafka takes 0 for "now", which would move the readers' time by decades.
    ///
    /// # Errors
    /// The record is refused at once, or there was no room for a minute.
    pub(crate) fn produce(&mut self, record: &Outgoing<'_>) -> Result<(), ClientError> {
        debug_assert!(record.timestamp >= 0, "a record's time is never negative");
        self.begin()?;
        let index = self.topic(record.topic)?;
        self.check_limits(index, record)?;
        if !self.refusals.is_empty() {
            self.release_all()?;
            return self.produce_watched(index, record);
        }
        self.send_in_turn(index, record)
    }

    fn hand_over(&mut self, index: usize, record: &Outgoing<'_>) -> Result<(), ClientError> {
        match self.put(index, record) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            code if refusals::is_refusal(code) => return Err(self.refusal(index, record, code)),
            code => {
                let failed = self.put_failed(record, code);
                return self.note(Err(failed));
            }
        }
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        self.pending_bytes += size as u64;
        Ok(())
    }

    /// Gives librdkafka a record; waits while its queue is full.
    fn put(&mut self, index: usize, record: &Outgoing<'_>) -> Code {
        let headers = NativeHeaders::new(record.headers);
        let mut until = LazyDeadline::new(MAX_BLOCK);
        loop {
            let code = self.enqueue(index, record, headers.as_ref());
            match code {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    if let Some(headers) = headers {
                        headers.taken_over();
                    }
                    self.deliveries.borrow_mut().sent(index, record.partition);
                    return code;
                }
                Code::RD_KAFKA_RESP_ERR__QUEUE_FULL
                    if !until.passed() && !self.ending.has_given_up() =>
                {
                    self.full_waits += 1;
                    self.serve(FULL_POLL_MS);
                }
                code => return code,
            }
        }
    }

    fn put_failed(&mut self, record: &Outgoing<'_>, code: Code) -> ClientError {
        self.refused(
            format!("writing to {}-{}", record.topic, record.partition),
            code,
        )
    }

    fn refused(&mut self, action: String, code: Code) -> ClientError {
        if code == Code::RD_KAFKA_RESP_ERR__STATE && self.is_transactional() {
            // The transaction failed with an earlier record: that one's error says why, once it is told.
            self.serve(0);
            if let Err(error) = self.failed() {
                return error;
            }
        }
        // After a fatal error every record is refused with a code that does not say why.
        if let Some(mut fatal) = self.handle.fatal_error() {
            fatal.action = action;
            return self.remember_missing(fatal);
        }
        let mut error = ClientError::of_code(action, code);
        if self.is_transactional() && deliveries::is_lost(code) {
            error.kind = ErrorKind::AbortTransaction;
        }
        error
    }

    fn enqueue(
        &self,
        topic: usize,
        record: &Outgoing<'_>,
        headers: Option<&NativeHeaders>,
    ) -> Code {
        let arguments = [
            variadic(VType::RD_KAFKA_VTYPE_RKT, |u| {
                u.rkt = self.topics[topic].native.as_ptr();
            }),
            variadic(VType::RD_KAFKA_VTYPE_PARTITION, |u| {
                u.i32_ = record.partition;
            }),
            variadic(VType::RD_KAFKA_VTYPE_MSGFLAGS, |u| {
                u.i = native::RD_KAFKA_MSG_F_COPY;
            }),
            variadic(VType::RD_KAFKA_VTYPE_KEY, |u| {
                u.mem = memory(record.key);
            }),
            variadic(VType::RD_KAFKA_VTYPE_VALUE, |u| {
                u.mem = memory(record.value);
            }),
            variadic(VType::RD_KAFKA_VTYPE_TIMESTAMP, |u| {
                u.i64_ = record.timestamp.max(1);
            }),
            variadic(VType::RD_KAFKA_VTYPE_OPAQUE, |u| {
                u.ptr = topic as *mut c_void;
            }),
            variadic(VType::RD_KAFKA_VTYPE_HEADERS, |u| {
                u.headers = headers.map_or(std::ptr::null_mut(), |headers| headers.0.as_ptr());
            }),
        ];
        let count = arguments.len() - usize::from(headers.is_none());
        // SAFETY: the first `count` arguments are of the types they say; key and value are copied, headers are taken
        // over only when the call succeeds. The error object is destroyed here.
        unsafe {
            let error = native::rd_kafka_produceva(self.handle.ptr(), arguments.as_ptr(), count);
            if error.is_null() {
                return Code::RD_KAFKA_RESP_ERR_NO_ERROR;
            }
            let code = native::rd_kafka_error_code(error);
            native::rd_kafka_error_destroy(error);
            code
        }
    }

    /// How many partitions a topic has, asked once.
    pub(crate) fn partition_count(&mut self, name: &Arc<str>) -> Result<i32, ClientError> {
        let index = self.topic(name)?;
        if let Some(partitions) = self.topics[index].partitions {
            return Ok(partitions);
        }
        let counted = self.count_partitions(name, index);
        let partitions = self.note(counted)?;
        self.topics[index].partitions = Some(partitions);
        Ok(partitions)
    }

    fn count_partitions(&self, name: &str, index: usize) -> Result<i32, ClientError> {
        let mut metadata = std::ptr::null();
        let action = || format!("counting the partitions of {name}");
        // SAFETY: all are valid; the metadata is read and destroyed below.
        let count = unsafe {
            let code = native::rd_kafka_metadata(
                self.handle.ptr(),
                0,
                self.topics[index].native.as_ptr(),
                &raw mut metadata,
                milliseconds(self.ending.at_most(MAX_BLOCK)),
            );
            ClientError::check(code, action)?;
            let found = ((*metadata).topic_cnt > 0).then(|| &*(*metadata).topics);
            let count = found.map(|topic| (topic.err, topic.partition_cnt));
            native::rd_kafka_metadata_destroy(metadata);
            count
        };
        let (code, partitions) =
            count.unwrap_or((Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, 0));
        ClientError::check(code, action)?;
        if partitions <= 0 {
            return Err(ClientError::of_code(
                action(),
                Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            ));
        }
        Ok(partitions)
    }
}

impl Collector for Producer {
    fn partitions(&mut self, topic: &Arc<str>) -> Result<i32, StreamsError> {
        Ok(self.partition_count(topic)?)
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), StreamsError> {
        Ok(self.produce(&record)?)
    }
}

/// A deadline that begins when it is first asked for, so that a send that does not wait reads no clock.
struct LazyDeadline {
    limit: Duration,
    at: Option<Instant>,
}

impl LazyDeadline {
    fn new(limit: Duration) -> Self {
        Self { limit, at: None }
    }

    fn passed(&mut self) -> bool {
        let at = *self.at.get_or_insert_with(|| Instant::now() + self.limit);
        Instant::now() >= at
    }
}

/// Headers in librdkafka's memory, until a record has taken them over.
struct NativeHeaders(NonNull<native::rd_kafka_headers_t>);

impl NativeHeaders {
    fn new(headers: &Headers) -> Option<Self> {
        if headers.is_empty() {
            return None;
        }
        // SAFETY: names and values are copied; lengths are theirs, and -1 stands for a null value.
        unsafe {
            let list = native::rd_kafka_headers_new(headers.iter().len());
            for header in headers {
                let (value, size) = header
                    .value
                    .as_ref()
                    .map_or((std::ptr::null(), -1), |value| {
                        (value.as_ptr().cast::<c_void>(), value.len() as isize)
                    });
                native::rd_kafka_header_add(
                    list,
                    header.key.as_ptr().cast(),
                    header.key.len() as isize,
                    value,
                    size,
                );
            }
            NonNull::new(list).map(Self)
        }
    }

    /// The record frees them from now on.
    fn taken_over(self) {
        std::mem::forget(self);
    }
}

impl Drop for NativeHeaders {
    fn drop(&mut self) {
        // SAFETY: no record has taken them over.
        unsafe { native::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

type Argument = native::rd_kafka_vu_s__bindgen_ty_1;

fn variadic(vtype: VType, set: impl FnOnce(&mut Argument)) -> native::rd_kafka_vu_t {
    let mut u = Argument { i64_: 0 };
    set(&mut u);
    native::rd_kafka_vu_t { vtype, u }
}

fn memory(bytes: Option<&[u8]>) -> native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    // Null is no bytes; none at all is a pointer to nothing of length 0.
    native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: bytes.map_or(std::ptr::null_mut(), |bytes| {
            bytes.as_ptr().cast_mut().cast()
        }),
        size: bytes.map_or(0, <[u8]>::len),
    }
}

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
