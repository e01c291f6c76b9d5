//! Calls to the outside, several at once: results leave in the order of their key's records, and all before a commit.
//!
//! The calls run on the tokio runtime that the task was started in, results are handed on by the task's own thread.
//! Nothing is in the air at a commit, so a position that is committed is that of a record whose result is out.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashSet;
use tokio::runtime::{Handle, Runtime};
use tokio::task::AbortHandle;

use crate::context::{Context, Origin, SourceRecord};
use crate::dsl::chain::Chain;
use crate::dsl::stream::{Keyed, Run, Unkeyed};
use crate::error::{BoxError, Failure, Policy, Stage};
use crate::graph::{Cell, Out};
use crate::key::Key;
use crate::processor::{PunctuationId, PunctuationType};
use crate::record::{Headers, Record};
use crate::topology::NodeId;

/// How often results are looked for while no record comes, in milliseconds of the wall clock.
const LOOK_MS: i64 = 10;

macro_rules! async_map {
    ($stream:ident) => {
        impl<'b, K: Key, V: Clone + Send + 'static, C: Chain<Key = K, Value = V>>
            $stream<'b, K, V, C>
        {
            /// Each value replaced by what a call to the outside makes of it, at most `concurrency` of them at once
            /// per task.
            ///
            /// Results of one key leave in the order of its records, those of different keys as they come. Before
            /// each commit all calls are waited for: give them a timeout, well below the transaction's under
            /// exactly-once. A call that fails is treated by the policy for processing, and one that is retried is
            /// called again without rolling anything back. After a crash a call may be made a second time.
            #[track_caller]
            pub fn async_map<W, E, F, T>(
                self,
                name: &str,
                concurrency: usize,
                f: F,
            ) -> $stream<'b, K, W>
            where
                W: Send + 'static,
                E: Into<BoxError> + 'static,
                F: FnMut(V) -> T + Send + 'static,
                T: Future<Output = Result<W, E>> + Send + 'static,
            {
                let builder = self.run.builder;
                let (node, out) =
                    call_outside(self.run, name, concurrency, boxed(f), Location::caller());
                $stream::begin(builder, node, out)
            }
        }
    };
}

async_map!(Keyed);
async_map!(Unkeyed);

/// A call under way.
type Answer<W> = std::pin::Pin<Box<dyn Future<Output = Result<W, BoxError>> + Send>>;

/// Begins a call.
type Begin<V, W> = Box<dyn FnMut(V) -> Answer<W> + Send>;

fn boxed<V, W, E, T>(mut f: impl FnMut(V) -> T + Send + 'static) -> Begin<V, W>
where
    E: Into<BoxError>,
    T: Future<Output = Result<W, E>> + Send + 'static,
{
    Box::new(move |value| {
        let call = f(value);
        Box::pin(async move { call.await.map_err(Into::into) })
    })
}

/// A record whose call has not been handed on yet.
struct Waiting<K, V, W> {
    number: u64,
    record: Record<K, V>,
    origin: Origin,
    /// The input record, where the policy may want it for a dead letter.
    source: Option<KeptRecord>,
    tried: u32,
    call: AbortHandle,
    answer: Option<Result<W, BoxError>>,
}

/// The calls of a task's operator.
struct Calls<K, V, W> {
    node: NodeId,
    out: Out<K, W>,
    begin: Begin<V, W>,
    concurrency: usize,
    waiting: VecDeque<Waiting<K, V, W>>,
    issued: u64,
    sender: Sender<(u64, Result<W, BoxError>)>,
    answers: Receiver<(u64, Result<W, BoxError>)>,
    /// Looks for results while no record comes.
    look: Option<PunctuationId>,
}

fn call_outside<K: Key, V, W, C>(
    run: Run<'_, C>,
    name: &str,
    concurrency: usize,
    begin: Begin<V, W>,
    location: &'static Location<'static>,
) -> (NodeId, Out<K, W>)
where
    V: Clone + Send + 'static,
    W: Send + 'static,
    C: Chain<Key = K, Value = V>,
{
    let builder = run.builder;
    if concurrency == 0 {
        builder.error(
            location,
            format!("async_map \"{name}\" with a concurrency of 0 calls nothing: at least one call at a time"),
        );
    }
    let node = builder.operator("async_map", Some(name), &[run.node], location);
    let out = builder.out();
    let (sender, answers) = channel();
    let calls = builder.cell(Calls {
        node,
        out,
        begin,
        concurrency: concurrency.max(1),
        waiting: VecDeque::new(),
        issued: 0,
        sender,
        answers,
        look: None,
    });
    run.end(move |context, record| {
        context.with_cell(calls, |context, own| own.take(context, calls, record))
    });
    builder.on_commit(
        node,
        Box::new(move |context| context.with_cell(calls, |context, calls| calls.drain(context, 0))),
    );
    (node, out)
}

impl<K: Key, V: Clone + Send + 'static, W: Send + 'static> Calls<K, V, W> {
    /// Begins the call of a record, when there is room for one.
    fn take(
        &mut self,
        context: &mut Context<'_>,
        cell: Cell<Self>,
        record: Record<K, V>,
    ) -> Result<(), Failure> {
        self.drain(context, self.concurrency - 1)?;
        let number = self.issued;
        self.issued += 1;
        let call = self.spawn(number, record.value.clone(), Duration::ZERO);
        self.waiting.push_back(Waiting {
            number,
            record,
            origin: context.origin().clone(),
            source: context
                .source
                .filter(|_| may_keep(&context.state.policies.processing))
                .map(KeptRecord::of),
            tried: 0,
            call,
            answer: None,
        });
        if self.look.is_none() {
            let now = context.wall_clock();
            let punctuators = &mut context.state.punctuators;
            self.look = Some(punctuators.schedule(
                PunctuationType::WallClock,
                LOOK_MS,
                now,
                Box::new(move |context, _| {
                    context.with_cell(cell, |context, calls| calls.drain(context, usize::MAX))
                }),
            ));
        }
        Ok(())
    }

    fn spawn(&mut self, number: u64, value: V, pause: Duration) -> AbortHandle {
        let call = (self.begin)(value);
        let mut promise = Promise {
            number,
            sender: self.sender.clone(),
            kept: false,
        };
        let promised = runtime().spawn(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            promise.keep(call.await);
        });
        promised.abort_handle()
    }

    /// Hands on what is there, and waits until at most `left` calls are under way.
    fn drain(&mut self, context: &mut Context<'_>, left: usize) -> Result<(), Failure> {
        loop {
            while let Ok(answer) = self.answers.try_recv() {
                self.answered(answer);
            }
            self.release(context)?;
            if self.waiting.len() <= left {
                break;
            }
            // Each call under way answers, if only by being dropped.
            if let Ok(answer) = self.answers.recv() {
                self.answered(answer);
            }
        }
        if self.waiting.is_empty()
            && let Some(look) = self.look.take()
        {
            context.state.punctuators.cancel(look);
        }
        Ok(())
    }

    fn answered(&mut self, (number, answer): (u64, Result<W, BoxError>)) {
        let waiting = self.waiting.iter_mut();
        if let Some(waiting) = waiting.rev().find(|waiting| waiting.number == number) {
            waiting.answer = Some(answer);
        }
    }

    /// Hands on the results in front of which no call of the same key is under way.
    fn release(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mut blocked: HashSet<Option<K>> = HashSet::new();
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            if blocked.contains(&waiting.record.key) {
                at += 1;
                continue;
            }
            let Some(answer) = waiting.answer.take() else {
                blocked.insert(waiting.record.key.clone());
                at += 1;
                continue;
            };
            let error = match answer {
                Ok(value) => {
                    let waiting = self.waiting.remove(at).expect("it is there");
                    let out = self.out;
                    waiting.enter(context, |context, record| {
                        context.forward(out, record.with_value(value))
                    })?;
                    continue;
                }
                Err(error) => error,
            };
            if let Policy::Retry {
                attempts, backoff, ..
            } = &context.state.policies.processing
                && waiting.tried < *attempts
            {
                waiting.tried += 1;
                let (number, value) = (waiting.number, waiting.record.value.clone());
                tracing::debug!(%error, "a call is made again");
                let call = self.spawn(number, value, *backoff);
                self.waiting[at].call = call;
                continue;
            }
            let waiting = self.waiting.remove(at).expect("it is there");
            let node = self.node;
            waiting.enter(context, |context, _| {
                context.failed_for_good(node, Stage::Processing, error)
            })?;
        }
        Ok(())
    }
}

impl<K, V, W> Waiting<K, V, W> {
    /// Handles the record as if it were the one at hand.
    fn enter(
        self,
        context: &mut Context<'_>,
        f: impl FnOnce(&mut Context<'_>, Record<K, V>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let source = self.source;
        let before = std::mem::replace(&mut context.state.origin, self.origin);
        let result = {
            let mut context = context.reborrow();
            context.source = source.as_ref().map(|source| source as &dyn SourceRecord);
            f(&mut context, self.record)
        };
        context.state.origin = before;
        result
    }
}

impl<K, V, W> Drop for Calls<K, V, W> {
    /// A task that goes back or away does not want the answers.
    fn drop(&mut self) {
        for waiting in &self.waiting {
            waiting.call.abort();
        }
    }
}

/// Answers in any case: a call that panics or is dropped has failed.
struct Promise<W> {
    number: u64,
    sender: Sender<(u64, Result<W, BoxError>)>,
    kept: bool,
}

impl<W> Promise<W> {
    fn keep(&mut self, answer: Result<W, BoxError>) {
        self.kept = true;
        // Without a receiver the task is gone.
        let _ = self.sender.send((self.number, answer));
    }
}

impl<W> Drop for Promise<W> {
    fn drop(&mut self) {
        if !self.kept {
            self.keep(Err("the call panicked or was cancelled".into()));
        }
    }
}

/// The runtime that the task was started in; without one, a thread of our own.
fn runtime() -> Handle {
    static OWN: OnceLock<Runtime> = OnceLock::new();
    Handle::try_current().unwrap_or_else(|_| {
        OWN.get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("async-map")
                .enable_all()
                .build()
                .expect("a thread can be started")
        })
        .handle()
        .clone()
    })
}

fn may_keep(policy: &Policy) -> bool {
    match policy {
        Policy::DeadLetter => true,
        Policy::Retry { then, .. } => may_keep(then),
        Policy::Fail | Policy::Skip => false,
    }
}

/// An input record's bytes, copied.
struct KeptRecord {
    key: Option<Bytes>,
    value: Option<Bytes>,
    timestamp: i64,
    offset: i64,
    headers: Headers,
}

impl KeptRecord {
    fn of(record: &dyn SourceRecord) -> Self {
        Self {
            key: record.key().map(Bytes::copy_from_slice),
            value: record.value().map(Bytes::copy_from_slice),
            timestamp: record.timestamp(),
            offset: record.offset(),
            headers: record.headers(),
        }
    }
}

impl SourceRecord for KeptRecord {
    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn timestamp(&self) -> i64 {
        self.timestamp
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn headers(&self) -> Headers {
        self.headers.clone()
    }
}
