//! Streams: records as they come, by key or without one that could be grouped by.

use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::context::{Context, DropReason};
use crate::dsl::chain::{Chain, Operator, Then, Through};
use crate::dsl::sink::Sink;
use crate::dsl::source::TypedSource;
use crate::dsl::stateless::{
    Filter, FilterWithKey, FlatMap, Inspect, Map, MapKey, MapRecord, MapWithKey, TryFilter, TryMap,
};
use crate::error::{BoxError, Failure};
use crate::graph::Out;
use crate::key::Key;
use crate::record::{KeyedRecord, Record};
use crate::topic::Topic;
use crate::topology::{Builder, NodeId, NodeKind};

impl Builder {
    /// The records of a topic.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "topics are constants: each mention is a copy"
    )]
    pub fn stream<K: Key, V: Send + 'static>(&self, topic: Topic<K, V>) -> Keyed<'_, K, V> {
        let name = topic.name().into();
        stream_of(self, None, vec![name], &topic, Location::caller())
    }
}

/// The records of several topics that are alike in all but their names.
pub(crate) fn stream_of<'b, K: Key, V: Send + 'static>(
    builder: &'b Builder,
    name: Option<&str>,
    topics: Vec<Arc<str>>,
    like: &Topic<K, V>,
    location: &'static Location<'static>,
) -> Keyed<'b, K, V> {
    let kind = NodeKind::Source {
        topics: topics.clone(),
        reset: like.offset_reset(),
    };
    let node = builder.node(name, kind, &[], location);
    let out = builder.out();
    builder.source(
        node,
        Box::new(TypedSource {
            node,
            topics,
            key: like.key_codec().clone(),
            value: like.value_codec().clone(),
            timestamps: like.timestamp_extractor(),
            out,
            places: Vec::new(),
        }),
    );
    Keyed::begin(builder, node, out)
}

/// What a stream is made of, keyed or not: where it comes from and the operators since.
pub(crate) struct Run<'b, C: Chain> {
    pub(crate) builder: &'b Builder,
    /// The last operator.
    pub(crate) node: NodeId,
    pub(crate) out: Out<C::InKey, C::InValue>,
    pub(crate) chain: C,
}

impl<'b, C: Chain> Run<'b, C> {
    /// Adds a stateless operator.
    pub(crate) fn then<O: Operator<C::Key, C::Value>>(
        self,
        operator: &'static str,
        location: &'static Location<'static>,
        make: impl FnOnce(NodeId) -> O,
    ) -> Run<'b, Then<C, O>> {
        let node = self
            .builder
            .operator(operator, None, &[self.node], location);
        Run {
            builder: self.builder,
            node,
            out: self.out,
            chain: Then::new(self.chain, make(node)),
        }
    }

    /// Ends the run at an operator that is not fused.
    pub(crate) fn end(
        self,
        mut receive: impl FnMut(&mut Context<'_>, Record<C::Key, C::Value>) -> Result<(), Failure>
        + Send
        + 'static,
    ) {
        let mut chain = self.chain;
        self.builder.connect(
            self.out,
            Box::new(move |context, record| chain.push(context, record, &mut receive)),
        );
    }

    /// Ends the run at the operator `node`, which needs keys: a record without one is dropped, and counted there.
    pub(crate) fn end_keyed(
        self,
        node: NodeId,
        mut receive: impl FnMut(&mut Context<'_>, KeyedRecord<C::Key, C::Value>) -> Result<(), Failure>
        + Send
        + 'static,
    ) {
        self.end(move |context, record| {
            let Record {
                key: Some(key),
                value,
                timestamp,
                headers,
            } = record
            else {
                context.dropped(node, DropReason::NullKey);
                return Ok(());
            };
            let record = KeyedRecord {
                key,
                value,
                timestamp,
                headers,
            };
            receive(context, record)
        });
    }
}

/// A stream whose records are where their keys belong: it can be joined and aggregated.
///
/// It is consumed by what is done with it; [`tee`](Keyed::tee) makes two of it.
#[must_use = "a stream that nothing reads does nothing"]
pub struct Keyed<
    'b,
    K: Send + 'static,
    V: Send + 'static,
    C: Chain<Key = K, Value = V> = Through<K, V>,
> {
    pub(crate) run: Run<'b, C>,
    types: PhantomData<fn(K, V)>,
}

/// A stream whose keys were changed: records of equal keys may be in different partitions, so it has to be
/// [repartitioned](Unkeyed::repartition) before anything is grouped or joined by them.
///
/// ```
/// # use headwater_streams::windows::{mins, tumbling};
/// # use headwater_streams::{Builder, Topic};
/// # const WORDS: Topic<String, String> = Topic::string("words");
/// # const COUNTS: Topic<String, u64> = Topic::json("counts");
/// fn topology(b: &Builder) {
///     b.stream(WORDS)
///         .map_key(|_, word| word.clone())
///         .repartition("by-word")
///         .count("counts")
///         .to(COUNTS);
/// }
/// # fn in_windows(b: &Builder) {
/// #     let _ = b.stream(WORDS)
/// #         .map_key(|_, word| word.clone())
/// #         .repartition("by-word")
/// #         .window(tumbling(mins(1)));
/// # }
/// # headwater_streams::Topology::build("words", topology).unwrap();
/// ```
///
/// Where that is forgotten, the program does not compile:
///
/// ```compile_fail,E0599
/// # use headwater_streams::{Builder, Topic};
/// # const WORDS: Topic<String, String> = Topic::string("words");
/// # const COUNTS: Topic<String, u64> = Topic::json("counts");
/// fn topology(b: &Builder) {
///     b.stream(WORDS)
///         .map_key(|_, word| word.clone())
///         .count("counts")
///         .to(COUNTS);
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use headwater_streams::windows::{mins, tumbling};
/// # use headwater_streams::{Builder, Topic};
/// # const WORDS: Topic<String, String> = Topic::string("words");
/// fn topology(b: &Builder) {
///     let _ = b.stream(WORDS)
///         .map_key(|_, word| word.clone())
///         .window(tumbling(mins(1)));
/// }
/// ```
#[must_use = "a stream that nothing reads does nothing"]
pub struct Unkeyed<
    'b,
    K: Send + 'static,
    V: Send + 'static,
    C: Chain<Key = K, Value = V> = Through<K, V>,
> {
    pub(crate) run: Run<'b, C>,
    types: PhantomData<fn(K, V)>,
}

impl<'b, K: Send + 'static, V: Send + 'static> Keyed<'b, K, V> {
    /// The stream that leaves `out` of `node`.
    pub(crate) fn begin(builder: &'b Builder, node: NodeId, out: Out<K, V>) -> Self {
        Keyed::of(Run {
            builder,
            node,
            out,
            chain: Through::default(),
        })
    }
}

impl<'b, K: Send + 'static, V: Send + 'static> Unkeyed<'b, K, V> {
    /// The stream that leaves `out` of `node`.
    pub(crate) fn begin(builder: &'b Builder, node: NodeId, out: Out<K, V>) -> Self {
        Unkeyed::of(Run {
            builder,
            node,
            out,
            chain: Through::default(),
        })
    }
}

/// The stateless operators, which keyed and unkeyed streams have alike.
macro_rules! stateless {
    ($stream:ident) => {
        impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>
            $stream<'b, K, V, C>
        {
            pub(crate) fn of(run: Run<'b, C>) -> Self {
                Self {
                    run,
                    types: PhantomData,
                }
            }

            /// Each value replaced by what `f` makes of it.
            #[track_caller]
            pub fn map<W: Send + 'static>(
                self,
                f: impl FnMut(V) -> W + Send + 'static,
            ) -> $stream<
                'b,
                K,
                W,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = W>,
            > {
                $stream::of(self.run.then("map", Location::caller(), |_| Map(f)))
            }

            /// [`map`](Self::map) that sees the key too.
            #[track_caller]
            pub fn map_with_key<W: Send + 'static>(
                self,
                f: impl FnMut(Option<&K>, V) -> W + Send + 'static,
            ) -> $stream<
                'b,
                K,
                W,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = W>,
            > {
                $stream::of(self.run.then("map", Location::caller(), |_| MapWithKey(f)))
            }

            /// [`map`](Self::map) that may fail: the policy for processing says what becomes of the record.
            #[track_caller]
            pub fn try_map<W: Send + 'static, E: Into<BoxError> + 'static>(
                self,
                f: impl FnMut(V) -> Result<W, E> + Send + 'static,
            ) -> $stream<
                'b,
                K,
                W,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = W>,
            > {
                $stream::of(
                    self.run
                        .then("try_map", Location::caller(), |node| TryMap { node, f }),
                )
            }

            /// The records whose values satisfy `f`.
            #[track_caller]
            pub fn filter(
                self,
                f: impl FnMut(&V) -> bool + Send + 'static,
            ) -> $stream<
                'b,
                K,
                V,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = V>,
            > {
                $stream::of(self.run.then("filter", Location::caller(), |_| Filter(f)))
            }

            /// [`filter`](Self::filter) that sees the key too.
            #[track_caller]
            pub fn filter_with_key(
                self,
                f: impl FnMut(Option<&K>, &V) -> bool + Send + 'static,
            ) -> $stream<
                'b,
                K,
                V,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = V>,
            > {
                $stream::of(
                    self.run
                        .then("filter", Location::caller(), |_| FilterWithKey(f)),
                )
            }

            /// [`filter`](Self::filter) that may fail: the policy for processing says what becomes of the record.
            #[track_caller]
            pub fn try_filter<E: Into<BoxError> + 'static>(
                self,
                f: impl FnMut(&V) -> Result<bool, E> + Send + 'static,
            ) -> $stream<
                'b,
                K,
                V,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = V>,
            > {
                $stream::of(
                    self.run
                        .then("try_filter", Location::caller(), |node| TryFilter {
                            node,
                            f,
                        }),
                )
            }

            /// Any number of values for each, with its key, timestamp and headers.
            #[track_caller]
            pub fn flat_map<W: Send + 'static, I: IntoIterator<Item = W> + 'static>(
                self,
                f: impl FnMut(V) -> I + Send + 'static,
            ) -> $stream<
                'b,
                K,
                W,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = W>,
            >
            where
                K: Clone,
            {
                $stream::of(
                    self.run
                        .then("flat_map", Location::caller(), |_| FlatMap(f)),
                )
            }

            /// Shows each record to `f` on its way.
            #[track_caller]
            pub fn inspect(
                self,
                f: impl FnMut(&Record<K, V>) + Send + 'static,
            ) -> $stream<
                'b,
                K,
                V,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = V>,
            > {
                $stream::of(self.run.then("inspect", Location::caller(), |_| Inspect(f)))
            }

            /// Each key replaced by what `f` makes of it and the value.
            #[track_caller]
            pub fn map_key<L: Send + 'static>(
                self,
                f: impl FnMut(Option<K>, &V) -> L + Send + 'static,
            ) -> Unkeyed<
                'b,
                L,
                V,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = L, Value = V>,
            > {
                Unkeyed::of(self.run.then("map_key", Location::caller(), |_| MapKey(f)))
            }

            /// Any number of records for each: keys, values, timestamps and headers are `f`'s to choose. An `Option`
            /// makes it a filter and map in one.
            #[track_caller]
            pub fn map_record<
                L: Send + 'static,
                W: Send + 'static,
                I: IntoIterator<Item = Record<L, W>> + 'static,
            >(
                self,
                f: impl FnMut(Record<K, V>) -> I + Send + 'static,
            ) -> Unkeyed<
                'b,
                L,
                W,
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = L, Value = W>,
            > {
                Unkeyed::of(
                    self.run
                        .then("map_record", Location::caller(), |_| MapRecord(f)),
                )
            }

            /// Two of the stream. Each record goes through all that is behind the first, then through the second.
            #[track_caller]
            pub fn tee(self) -> ($stream<'b, K, V>, $stream<'b, K, V>)
            where
                K: Clone,
                V: Clone,
            {
                let builder = self.run.builder;
                let node = builder.operator("tee", None, &[self.run.node], Location::caller());
                let (first, second) = (builder.out(), builder.out());
                self.run.end(move |context, record: Record<K, V>| {
                    if context.is_read(first) {
                        context.forward(first, record.clone())?;
                    }
                    context.forward(second, record)
                });
                let begin = |out| {
                    $stream::of(Run {
                        builder,
                        node,
                        out,
                        chain: Through::default(),
                    })
                };
                (begin(first), begin(second))
            }

            /// The records of both, as they come.
            #[track_caller]
            pub fn merge<D: Chain<Key = K, Value = V>>(
                self,
                other: $stream<'b, K, V, D>,
            ) -> $stream<'b, K, V> {
                let builder = self.run.builder;
                let parents = [self.run.node, other.run.node];
                let node = builder.operator("merge", None, &parents, Location::caller());
                let out = builder.out();
                self.run
                    .end(move |context, record| context.forward(out, record));
                other
                    .run
                    .end(move |context, record| context.forward(out, record));
                $stream::of(Run {
                    builder,
                    node,
                    out,
                    chain: Through::default(),
                })
            }

            /// Writes the records to a topic: with the topic's serdes, and to the partition that its partitioner
            /// chooses, else the key.
            #[track_caller]
            pub fn to(self, topic: Topic<K, V>) {
                let builder = self.run.builder;
                let name: Arc<str> = topic.name().into();
                let kind = NodeKind::Sink {
                    topic: Arc::clone(&name),
                };
                let node = builder.node(None, kind, &[self.run.node], Location::caller());
                let mut sink = Sink::new(
                    node,
                    topic.key_codec().clone(),
                    topic.value_codec().clone(),
                    topic.custom_partitioner().cloned(),
                );
                self.run
                    .end(move |context, record| sink.write(context, &name, &record));
            }
        }
    };
}

stateless!(Keyed);
stateless!(Unkeyed);
