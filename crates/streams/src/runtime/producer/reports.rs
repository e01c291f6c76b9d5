//! The queue of a producer's delivery reports, which wakes the thread that sends.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::thread::Thread;

use rdkafka::bindings as native;

use crate::runtime::client::Handle;

/// The queue, with the thread that it wakes. To be dropped before its producer.
pub(super) struct Reports {
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Where librdkafka's callback finds it.
    _woken: Box<Thread>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Reports {}

impl Reports {
    /// Unparks `thread` when reports come into the empty queue.
    pub(super) fn waking(handle: &Handle, thread: Thread) -> Self {
        let woken = Box::new(thread);
        // SAFETY: the handle is valid. The thread's handle stays where it is until the callback was taken away, which
        // `drop` does; librdkafka calls it with the queue locked.
        let queue = unsafe {
            let queue = native::rd_kafka_queue_get_main(handle.ptr());
            native::rd_kafka_queue_cb_event_enable(
                queue,
                Some(unpark),
                std::ptr::from_ref::<Thread>(&woken).cast_mut().cast(),
            );
            queue
        };
        Self {
            queue: NonNull::new(queue).expect("every instance has this queue"),
            _woken: woken,
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // SAFETY: ours, and not used again; no callback stays behind.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, std::ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

unsafe extern "C" fn unpark(_instance: *mut native::rd_kafka_t, thread: *mut c_void) {
    // SAFETY: `waking` put a thread's handle there, which outlives the callback.
    unsafe { &*thread.cast::<Thread>() }.unpark();
}
