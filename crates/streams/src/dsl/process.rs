//! Processors: operators of the program's own, with stores and punctuations. Kafka Streams' Processor API.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::time::Duration;

use crate::context::{Context, Origin};
use crate::dsl::chain::Chain;
use crate::dsl::stream::{Keyed, Unkeyed};
use crate::error::{BoxError, Failure, Stage};
use crate::graph::{Cell, Out};
use crate::processor::{Punctuate, PunctuationId, PunctuationType};
use crate::record::{Headers, Record};
use crate::runtime::TaskId;
use crate::store::{StoreError, StoreId, Stores};
use crate::topology::NodeId;

/// An operator of the program's own.
///
/// There is one of it per task, which owns it: it needs no lock. What Java does in `close` belongs in `Drop`.
///
/// ```
/// use headwater_streams::{BoxError, Builder, Processor, ProcessorContext, Record, Topic};
///
/// const READINGS: Topic<String, f64> = Topic::json("readings");
/// const CHANGES: Topic<String, f64> = Topic::json("changes");
///
/// /// Passes on what differs from the reading before.
/// struct Changes {
///     last: Option<f64>,
/// }
///
/// impl Processor for Changes {
///     type Key = String;
///     type Value = f64;
///     type OutKey = String;
///     type OutValue = f64;
///
///     fn process(
///         &mut self,
///         context: &mut ProcessorContext<'_, Self>,
///         record: Record<String, f64>,
///     ) -> Result<(), BoxError> {
///         if self.last.replace(record.value) != Some(record.value) {
///             context.forward(record);
///         }
///         Ok(())
///     }
/// }
///
/// fn topology(b: &Builder) {
///     b.stream(READINGS)
///         .process("changes", [], Changes { last: None })
///         .to(CHANGES);
/// }
/// ```
pub trait Processor: Sized + Send + 'static {
    /// The keys that come in.
    type Key: Send + 'static;
    /// The values that come in.
    type Value: Send + 'static;
    /// The keys that go out.
    type OutKey: Send + 'static;
    /// The values that go out.
    type OutValue: Send + 'static;

    /// Prepares, before the task's first record, with stores and clocks restored: the place to schedule punctuations.
    ///
    /// # Errors
    /// The application stops with them.
    fn init(&mut self, context: &mut ProcessorContext<'_, Self>) -> Result<(), BoxError> {
        let _ = context;
        Ok(())
    }

    /// Handles a record.
    ///
    /// # Errors
    /// Treated by the policy for processing; a [`StoreError`] stops the application, whatever the policy.
    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Self>,
        record: Record<Self::Key, Self::Value>,
    ) -> Result<(), BoxError>;
}

/// A key that a processor may pass on and not make: so its results stay where their keys belong.
/// See [`Keyed::process_values`]. Kafka Streams' `FixedKeyRecord`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FixedKey<K>(K);

impl<K> Deref for FixedKey<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K: fmt::Display> fmt::Display for FixedKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When a processor is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before the first record after a start.
    Starting,
    /// For a record or a punctuation.
    Running,
}

/// Where a processor stands in its task.
struct Place<P: Processor> {
    node: NodeId,
    processor: Cell<P>,
    out: Out<P::OutKey, P::OutValue>,
}

impl<P: Processor> Clone for Place<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: Processor> Copy for Place<P> {}

impl<P: Processor> Place<P> {
    /// Calls the processor; what a record behind it failed with goes before what it says itself.
    fn call(
        self,
        context: &mut Context<'_>,
        moment: Moment,
        f: impl FnOnce(&mut P, &mut ProcessorContext<'_, P>) -> Result<(), BoxError>,
        on_error: impl FnOnce(&mut Context<'_>, BoxError) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        context.with_cell(self.processor, |context, processor| {
            let mut lent = ProcessorContext {
                context: context.reborrow(),
                place: self,
                moment,
                failure: None,
            };
            let result = f(processor, &mut lent);
            match (lent.failure, result) {
                (Some(failure), _) => Err(failure),
                (None, Ok(())) => Ok(()),
                (None, Err(error)) => match error.downcast::<StoreError>() {
                    Ok(error) => Err(context.fatal(self.node, error)),
                    Err(error) => on_error(context, error),
                },
            }
        })
    }

    fn failed(self, context: &mut Context<'_>, error: BoxError) -> Result<(), Failure> {
        context.failed(self.node, Stage::Processing, error)
    }
}

/// What a processor sees of its task: the way on, the stores, the clocks, and where the record came from.
pub struct ProcessorContext<'a, P: Processor> {
    context: Context<'a>,
    place: Place<P>,
    moment: Moment,
    /// What a record that was forwarded failed with: the task goes back to its last commit or stops.
    failure: Option<Failure>,
}

impl<P: Processor> ProcessorContext<'_, P> {
    /// Hands a record to what is behind, depth first: it returns when the record is through. When that failed in a
    /// way that no policy settles, what is forwarded after it is not looked at, since the task goes back.
    pub fn forward(&mut self, record: Record<P::OutKey, P::OutValue>) {
        if self.failure.is_none() {
            self.failure = self.context.forward(self.place.out, record).err();
        }
    }

    /// The task's stores, for the handles that the processor holds.
    pub fn stores(&mut self) -> &mut Stores {
        self.context.stores
    }

    /// Calls `f` each time the clock has moved by `interval`, with the clock's time in milliseconds: once for each
    /// move, however far it went. By stream time the first call comes with the first record, by the wall clock after
    /// one interval. A punctuation by stream time that is scheduled in [`init`](Processor::init) keeps its rhythm over
    /// a restart; Kafka Streams begins it anew.
    ///
    /// # Panics
    /// If the interval is shorter than a millisecond.
    pub fn schedule(
        &mut self,
        interval: Duration,
        clock: PunctuationType,
        mut f: impl FnMut(&mut P, &mut ProcessorContext<'_, P>, i64) -> Result<(), BoxError>
        + Send
        + 'static,
    ) -> PunctuationId {
        let place = self.place;
        let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let punctuate: Punctuate = Box::new(move |context, time| {
            place.call(
                context,
                Moment::Running,
                |processor, context| f(processor, context, time),
                |context, error| place.failed(context, error),
            )
        });
        let (now, stream_time) = (self.wall_clock(), self.stream_time());
        let punctuators = &mut self.context.state.punctuators;
        match (clock, self.moment) {
            (PunctuationType::StreamTime, Moment::Starting) => {
                punctuators.resume(interval_ms, stream_time, punctuate)
            }
            _ => punctuators.schedule(clock, interval_ms, now, punctuate),
        }
    }

    /// Ends a punctuation, the one at hand too.
    pub fn cancel(&mut self, punctuation: PunctuationId) {
        self.context.state.punctuators.cancel(punctuation);
    }

    /// The largest timestamp of any record the task has taken, in milliseconds; -1 before the first.
    pub fn stream_time(&self) -> i64 {
        self.context.stream_time()
    }

    /// The wall clock in milliseconds since the Unix epoch, as of the batch at hand.
    pub fn wall_clock(&self) -> i64 {
        self.context.wall_clock()
    }

    /// Where the record at hand came from; in a punctuation, the last record.
    pub fn origin(&self) -> &Origin {
        self.context.origin()
    }

    /// The headers of the input record; none in a punctuation. A record on its way has its own.
    pub fn headers(&self) -> Headers {
        self.context.headers()
    }

    /// The task: sub-topology and partition.
    pub fn task_id(&self) -> TaskId {
        self.context.task_id()
    }

    /// The application's id.
    pub fn application_id(&self) -> &str {
        self.context.application_id()
    }
}

/// What both kinds of streams have.
macro_rules! process {
    ($stream:ident) => {
        impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>
            $stream<'b, K, V, C>
        {
            /// Sends the records through a processor, which may give its results any key.
            ///
            /// `stores` are the stores it uses, each made by a method of the builder such as
            /// [`key_value_store`](crate::Builder::key_value_store).
            #[track_caller]
            pub fn process<P: Processor<Key = K, Value = V>>(
                self,
                name: &str,
                stores: impl IntoIterator<Item = StoreId>,
                processor: P,
            ) -> Unkeyed<'b, P::OutKey, P::OutValue> {
                let builder = self.run.builder;
                let node =
                    builder.operator("process", Some(name), &[self.run.node], Location::caller());
                let out = builder.out();
                let place = place(builder, node, out, stores, processor);
                self.run.end(move |context, record| {
                    place.call(
                        context,
                        Moment::Running,
                        |processor, context| processor.process(context, record),
                        |context, error| place.failed(context, error),
                    )
                });
                Unkeyed::begin(builder, node, out)
            }

            /// Sends the records through a processor that leaves keys as they are: what comes out is as well
            /// partitioned as what went in.
            #[track_caller]
            pub fn process_values<
                P: Processor<Key = FixedKey<K>, Value = V, OutKey = FixedKey<K>>,
            >(
                self,
                name: &str,
                stores: impl IntoIterator<Item = StoreId>,
                processor: P,
            ) -> $stream<'b, K, P::OutValue> {
                let builder = self.run.builder;
                let node =
                    builder.operator("process", Some(name), &[self.run.node], Location::caller());
                let (fixed, out) = (builder.out(), builder.out());
                let place = place(builder, node, fixed, stores, processor);
                self.run.end(move |context, record| {
                    let Record {
                        key,
                        value,
                        timestamp,
                        headers,
                    } = record;
                    let record = Record {
                        key: key.map(FixedKey),
                        value,
                        timestamp,
                        headers,
                    };
                    place.call(
                        context,
                        Moment::Running,
                        |processor, context| processor.process(context, record),
                        |context, error| place.failed(context, error),
                    )
                });
                builder.connect(
                    fixed,
                    Box::new(move |context, record: Record<FixedKey<K>, P::OutValue>| {
                        let Record {
                            key,
                            value,
                            timestamp,
                            headers,
                        } = record;
                        let record = Record {
                            key: key.map(|key| key.0),
                            value,
                            timestamp,
                            headers,
                        };
                        context.forward(out, record)
                    }),
                );
                $stream::begin(builder, node, out)
            }
        }
    };
}

process!(Keyed);
process!(Unkeyed);

/// Puts a processor into the task.
fn place<P: Processor>(
    builder: &crate::Builder,
    node: NodeId,
    out: Out<P::OutKey, P::OutValue>,
    stores: impl IntoIterator<Item = StoreId>,
    processor: P,
) -> Place<P> {
    for store in stores {
        builder.uses(node, store);
    }
    let place = Place {
        node,
        processor: builder.cell(processor),
        out,
    };
    builder.on_init(
        node,
        Box::new(move |context| {
            place.call(context, Moment::Starting, P::init, |context, error| {
                Err(context.fatal(node, error))
            })
        }),
    );
    place
}
