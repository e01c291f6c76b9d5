//! One librdkafka instance: made from settings, logging through `tracing`, destroyed by the last that holds it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use rdkafka::ClientConfig;
use rdkafka::bindings as native;

use super::{ClientError, ErrorKind};

/// Which client an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientKind {
    /// Reads.
    Consumer,
    /// Writes.
    Producer,
}

/// A delivery report's function and what it is called with.
pub(crate) struct DeliveryReports {
    /// Called on the thread that polls the producer.
    pub(crate) callback: unsafe extern "C" fn(
        *mut native::rd_kafka_t,
        *const native::rd_kafka_message_t,
        *mut c_void,
    ),
    /// Outlives the instance.
    pub(crate) opaque: *mut c_void,
}

/// A librdkafka instance. Everything taken from it (queues, topics, records) holds it, since librdkafka frees what
/// they point into when it is destroyed.
#[derive(Debug)]
pub(crate) struct Handle {
    instance: NonNull<native::rd_kafka_t>,
}

// SAFETY: an instance may be used from any thread; so librdkafka's documentation says.
unsafe impl Send for Handle {}
// SAFETY: as above, at the same time.
unsafe impl Sync for Handle {}

impl Handle {
    /// A consumer. Rebalances come as events of its queue.
    pub(crate) fn consumer(config: &ClientConfig) -> Result<Self, ClientError> {
        Self::new(ClientKind::Consumer, config, None)
    }

    /// A producer that reports deliveries.
    pub(crate) fn producer(
        config: &ClientConfig,
        reports: &DeliveryReports,
    ) -> Result<Self, ClientError> {
        Self::new(ClientKind::Producer, config, Some(reports))
    }

    fn new(
        kind: ClientKind,
        config: &ClientConfig,
        reports: Option<&DeliveryReports>,
    ) -> Result<Self, ClientError> {
        let action = || {
            format!(
                "making a {}",
                match kind {
                    ClientKind::Consumer => "consumer",
                    ClientKind::Producer => "producer",
                }
            )
        };
        let settings = config
            .create_native_config()
            .map_err(|error| ClientError::own(ErrorKind::Fatal, action(), error.to_string()))?;
        let mut told = [0 as c_char; 512];
        // SAFETY: the configuration is valid; `rd_kafka_new` takes it over only when it succeeds, and what the
        // callbacks get outlives the instance by the caller's promise.
        let instance = unsafe {
            native::rd_kafka_conf_set_log_cb(settings.ptr(), Some(log));
            native::rd_kafka_conf_set_error_cb(settings.ptr(), Some(report_error));
            let native_kind = match kind {
                ClientKind::Consumer => {
                    native::rd_kafka_conf_set_events(
                        settings.ptr(),
                        native::RD_KAFKA_EVENT_REBALANCE | native::RD_KAFKA_EVENT_ERROR,
                    );
                    native::rd_kafka_type_t::RD_KAFKA_CONSUMER
                }
                ClientKind::Producer => native::rd_kafka_type_t::RD_KAFKA_PRODUCER,
            };
            if let Some(reports) = reports {
                native::rd_kafka_conf_set_dr_msg_cb(settings.ptr(), Some(reports.callback));
                native::rd_kafka_conf_set_opaque(settings.ptr(), reports.opaque);
            }
            native::rd_kafka_new(native_kind, settings.ptr(), told.as_mut_ptr(), told.len())
        };
        match NonNull::new(instance) {
            Some(instance) => {
                let _taken_over = ManuallyDrop::new(settings);
                Ok(Self { instance })
            }
            None => Err(ClientError::own(
                ErrorKind::Fatal,
                action(),
                text(told.as_ptr()),
            )),
        }
    }

    /// The instance, for a call.
    pub(crate) fn ptr(&self) -> *mut native::rd_kafka_t {
        self.instance.as_ptr()
    }

    /// The error that made this instance useless, if one did.
    pub(crate) fn fatal_error(&self) -> Option<ClientError> {
        let mut told = [0 as c_char; 512];
        // SAFETY: the buffer is as long as it says.
        let code =
            unsafe { native::rd_kafka_fatal_error(self.ptr(), told.as_mut_ptr(), told.len()) };
        if code == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let mut error = ClientError::explained("the client failed", code, &text(told.as_ptr()));
        if error.kind != ErrorKind::Fenced {
            error.kind = ErrorKind::Fatal;
        }
        Some(error)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Without leaving the group: whoever wants to leave in order has closed the consumer before.
        // SAFETY: nothing that was taken from the instance is left, as it would hold it.
        unsafe {
            native::rd_kafka_destroy_flags(
                self.ptr(),
                native::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE,
            );
        }
    }
}

fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka's strings end with a zero.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

unsafe extern "C" fn log(
    instance: *const native::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: the instance is alive while it logs; its name is its own.
    let client = if instance.is_null() {
        String::new()
    } else {
        text(unsafe { native::rd_kafka_name(instance) })
    };
    let (facility, line) = (text(facility), text(line));
    // Levels as in syslog: up to 3 is an error, 4 a warning.
    match level {
        ..=3 => tracing::error!(client, facility, "{line}"),
        4 => tracing::warn!(client, facility, "{line}"),
        5 | 6 => tracing::info!(client, facility, "{line}"),
        _ => tracing::debug!(client, facility, "{line}"),
    }
}

unsafe extern "C" fn report_error(
    _instance: *mut native::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    _opaque: *mut c_void,
) {
    // Connections that break and come back; what concerns a call is told by the call.
    tracing::warn!(code, "librdkafka: {}", text(reason));
}
