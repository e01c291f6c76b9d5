//! Tables: the latest value of each key, and the changes that lead to it. Kafka Streams' `KTable`.
//!
//! A table hands on every change together with the value before it, and answers what the value of a key is now. The
//! operators here keep nothing: they compose the answer of the table they were made from, so a mapped or filtered
//! table can be joined without a store of its own.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::context::Context;
use crate::dsl::sink::Sink;
use crate::dsl::stream::{Keyed, Unkeyed};
use crate::dsl::{Chain, closing::Closing};
use crate::error::{BoxError, Failure, Stage};
use crate::graph::{Cell, Out};
use crate::partitioner::Partitioner;
use crate::record::{Change, Record};
use crate::serde::{Codec, Nullable, Payload, Serde, SerdeError};
use crate::topic::Topic;
use crate::topology::{Builder, NodeId, NodeKind};

/// Answers a key's value now, and the value's timestamp.
pub(crate) type Lookup<K, V> =
    Box<dyn FnMut(&mut Context<'_>, &K) -> Result<Option<(V, i64)>, Failure> + Send>;

/// Answers a key's value as of a time, and the value's timestamp.
pub(crate) type LookupAsOf<K, V> =
    Box<dyn FnMut(&mut Context<'_>, &K, i64) -> Result<Option<(V, i64)>, Failure> + Send>;

/// Whether anybody behind a table looks at the values before: they are read and cloned only then.
///
/// A table begins with one reader that does. One that does not says so with [`waive`](Self::waive), and a further
/// reader is added with [`share`](Self::share).
#[derive(Debug, Clone)]
pub(crate) struct OldValues(Arc<Readers>);

#[derive(Debug)]
struct Readers {
    count: AtomicUsize,
    /// The tables that this one reads old values of for its own readers' sake only.
    upstream: Vec<OldValues>,
}

impl Default for OldValues {
    fn default() -> Self {
        Self::behind(Vec::new())
    }
}

impl OldValues {
    /// Those of a table that asks others for old values only if it is asked itself.
    pub(crate) fn behind(upstream: Vec<Self>) -> Self {
        Self(Arc::new(Readers {
            count: AtomicUsize::new(1),
            upstream,
        }))
    }

    /// Says that a reader looks at new values only.
    pub(crate) fn waive(&self) {
        let readers = self.0.count.fetch_sub(1, Ordering::Relaxed);
        assert!(readers > 0, "a reader waives once");
        if readers == 1 {
            self.0.upstream.iter().for_each(Self::waive);
        }
    }

    /// One reader more.
    pub(crate) fn share(&self) -> Self {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    /// Whether any reader looks at old values.
    #[inline]
    pub(crate) fn wanted(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }
}

/// The latest value of each key, and the changes that lead to it.
///
/// It is consumed by what is done with it; [`tee`](Table::tee) makes two of it.
#[must_use = "a table that nothing reads does nothing, unless it is only queried"]
pub struct Table<'b, K: Send + 'static, V: Send + 'static> {
    pub(crate) builder: &'b Builder,
    pub(crate) node: NodeId,
    /// The changes. Those who do not look at [`Change::old`] waive it in `old`.
    pub(crate) out: Out<K, Change<V>>,
    /// The value of a key now.
    pub(crate) lookup: Cell<Lookup<K, V>>,
    /// The value of a key as of a time: tables on a versioned store only.
    pub(crate) versioned: Option<Cell<LookupAsOf<K, V>>>,
    pub(crate) old: OldValues,
    /// When the windows close, if the keys are windows.
    pub(crate) closing: Option<Closing>,
}

impl<'b, K: Send + 'static, V: Send + 'static> Table<'b, K, V> {
    /// The table of the changes that leave `out` of `node`, unversioned, its values found by `lookup`.
    pub(crate) fn new(
        builder: &'b Builder,
        node: NodeId,
        out: Out<K, Change<V>>,
        lookup: Lookup<K, V>,
    ) -> Self {
        Self {
            builder,
            node,
            out,
            lookup: builder.cell(lookup),
            versioned: None,
            old: OldValues::default(),
            closing: None,
        }
    }

    /// The rows whose values satisfy `f`: a value that no longer does deletes its row.
    #[track_caller]
    pub fn filter(self, f: impl FnMut(&V) -> bool + Send + 'static) -> Self {
        let mut f = f;
        self.filter_with_key(move |_, value| f(value))
    }

    /// [`filter`](Self::filter) that sees the key too.
    #[track_caller]
    pub fn filter_with_key(self, f: impl FnMut(&K, &V) -> bool + Send + 'static) -> Self {
        let builder = self.builder;
        let node = builder.operator("filter", None, &[self.node], Location::caller());
        let out = builder.out();
        let f = builder.cell(f);
        // A row that never satisfied is not deleted again. Java forwards such where versions matter, and where it was
        // not asked for old values.
        let versioned = self.versioned.is_some();
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                let Record {
                    key: Some(key),
                    value: Change { old, new, latest },
                    timestamp,
                    headers,
                } = record
                else {
                    return Ok(());
                };
                let (old, new) = context.with_cell(f, |_, f| {
                    let new = new.filter(|new| f(&key, new));
                    (old.filter(|old| f(&key, old)), new)
                });
                if old.is_none() && new.is_none() && !versioned {
                    return Ok(());
                }
                let record = Record {
                    key: Some(key),
                    value: Change { old, new, latest },
                    timestamp,
                    headers,
                };
                context.forward(out, record)
            }),
        );
        let lookup = self.lookup;
        let versioned = self.versioned.map(|lookup| {
            let filtered: LookupAsOf<K, V> = Box::new(move |context, key, time| {
                let found =
                    context.with_cell(lookup, |context, lookup| lookup(context, key, time))?;
                Ok(found.filter(|(value, _)| context.with_cell(f, |_, f| f(key, value))))
            });
            builder.cell(filtered)
        });
        let filtered: Lookup<K, V> = Box::new(move |context, key| {
            let found = context.with_cell(lookup, |context, lookup| lookup(context, key))?;
            Ok(found.filter(|(value, _)| context.with_cell(f, |_, f| f(key, value))))
        });
        Table {
            versioned,
            closing: self.closing,
            ..Table::new(builder, node, out, filtered)
        }
    }

    /// Each value replaced by what `f` makes of it.
    #[track_caller]
    pub fn map<W: Send + 'static>(
        self,
        mut f: impl FnMut(V) -> W + Send + 'static,
    ) -> Table<'b, K, W> {
        self.mapped("map", Location::caller(), move |_, value| {
            Ok::<_, BoxError>(f(value))
        })
    }

    /// [`map`](Self::map) that sees the key too.
    #[track_caller]
    pub fn map_with_key<W: Send + 'static>(
        self,
        mut f: impl FnMut(&K, V) -> W + Send + 'static,
    ) -> Table<'b, K, W> {
        self.mapped("map", Location::caller(), move |key, value| {
            Ok::<_, BoxError>(f(key, value))
        })
    }

    /// [`map`](Self::map) that may fail: the policy for processing says what becomes of the change. If it is skipped,
    /// what is behind this table does not hear of it.
    #[track_caller]
    pub fn try_map<W: Send + 'static, E: Into<BoxError> + 'static>(
        self,
        mut f: impl FnMut(V) -> Result<W, E> + Send + 'static,
    ) -> Table<'b, K, W> {
        self.mapped("try_map", Location::caller(), move |_, value| f(value))
    }

    fn mapped<W: Send + 'static, E: Into<BoxError> + 'static>(
        self,
        operator: &'static str,
        location: &'static Location<'static>,
        f: impl FnMut(&K, V) -> Result<W, E> + Send + 'static,
    ) -> Table<'b, K, W> {
        let builder = self.builder;
        let node = builder.operator(operator, None, &[self.node], location);
        let out = builder.out();
        let f = builder.cell(f);
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                let Record {
                    key: Some(key),
                    value: Change { old, new, latest },
                    timestamp,
                    headers,
                } = record
                else {
                    return Ok(());
                };
                let mapped = context.with_cell(f, |_, f| {
                    let new = new.map(|new| f(&key, new)).transpose()?;
                    let old = old.map(|old| f(&key, old)).transpose()?;
                    Ok::<_, E>(Change { old, new, latest })
                });
                match mapped {
                    Ok(value) => context.forward(
                        out,
                        Record {
                            key: Some(key),
                            value,
                            timestamp,
                            headers,
                        },
                    ),
                    Err(error) => context.failed(node, Stage::Processing, error),
                }
            }),
        );
        let (mapped, versioned) = mapped_lookups(builder, node, f, self.lookup, self.versioned);
        Table {
            versioned,
            old: self.old,
            closing: self.closing,
            ..Table::new(builder, node, out, mapped)
        }
    }

    /// Two of the table. Each change goes through all that is behind the first, then through the second.
    #[track_caller]
    pub fn tee(self) -> (Self, Self)
    where
        K: Clone,
        V: Clone,
    {
        let builder = self.builder;
        let node = builder.operator("tee", None, &[self.node], Location::caller());
        let (first, second) = (builder.out(), builder.out());
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                if context.is_read(first) {
                    context.forward(first, record.clone())?;
                }
                context.forward(second, record)
            }),
        );
        let old = self.old.share();
        let (lookup, versioned) = (self.lookup, self.versioned);
        let closing = self.closing.map(Closing::fixed);
        let of = |out, old| Table {
            builder,
            node,
            out,
            lookup,
            versioned,
            old,
            closing: closing.clone(),
        };
        (of(first, self.old), of(second, old))
    }

    /// The changes as records: the new value, or none where the row was deleted.
    #[track_caller]
    pub fn to_stream(self) -> Keyed<'b, K, Option<V>> {
        let builder = self.builder;
        let node = builder.operator("to_stream", None, &[self.node], Location::caller());
        let out = builder.out();
        self.old.waive();
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                context.forward(out, record.map(|change| change.new))
            }),
        );
        Keyed::begin(builder, node, out)
    }

    /// [`to_stream`](Self::to_stream) with each key replaced by what `f` makes of it and the new value.
    #[track_caller]
    pub fn to_stream_with<L: Send + 'static>(
        self,
        mut f: impl FnMut(K, Option<&V>) -> L + Send + 'static,
    ) -> Unkeyed<
        'b,
        L,
        Option<V>,
        impl Chain<InKey = K, InValue = Option<V>, Key = L, Value = Option<V>>,
    > {
        self.to_stream().map_key(move |key, value: &Option<V>| {
            f(key.expect("a table's records have keys"), value.as_ref())
        })
    }

    /// Writes the changes to a topic: new values, and a null for each row that was deleted.
    #[track_caller]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "topics are constants, named without a borrow"
    )]
    pub fn to(self, topic: Topic<K, V>) {
        let builder = self.builder;
        let name: Arc<str> = topic.name().into();
        let kind = NodeKind::Sink {
            topic: Arc::clone(&name),
        };
        let node = builder.node(None, kind, &[self.node], Location::caller());
        let partitioner = topic.custom_partitioner().cloned().map(|partitioner| {
            Partitioner::new(move |topic, key, value: Option<&Option<V>>, partitions| {
                partitioner.choose(topic, key, value.and_then(Option::as_ref), partitions)
            })
        });
        let value = nullable(topic.value_codec().clone());
        let mut sink = Sink::new(node, topic.key_codec().clone(), value, partitioner);
        self.old.waive();
        builder.connect(
            self.out,
            Box::new(move |context, record: Record<K, Change<V>>| {
                sink.write(context, &name, &record.map(|change| change.new))
            }),
        );
    }
}

/// A table's answers: now, and as of a time.
type Lookups<K, V> = (Lookup<K, V>, Option<Cell<LookupAsOf<K, V>>>);

/// The answers of a mapped table, where `f` maps.
fn mapped_lookups<K, V, W, E, F>(
    builder: &Builder,
    node: NodeId,
    f: Cell<F>,
    lookup: Cell<Lookup<K, V>>,
    versioned: Option<Cell<LookupAsOf<K, V>>>,
) -> Lookups<K, W>
where
    K: 'static,
    V: 'static,
    W: 'static,
    E: Into<BoxError>,
    F: FnMut(&K, V) -> Result<W, E> + Send + 'static,
{
    let map = move |context: &mut Context<'_>, key: &K, found: Option<(V, i64)>| {
        let Some((value, timestamp)) = found else {
            return Ok(None);
        };
        match context.with_cell(f, |_, f| f(key, value)) {
            Ok(value) => Ok(Some((value, timestamp))),
            Err(error) => context
                .failed(node, Stage::Processing, error)
                .map(|()| None),
        }
    };
    let versioned = versioned.map(|lookup| {
        let mapped: LookupAsOf<K, W> = Box::new(move |context, key, time| {
            let found = context.with_cell(lookup, |context, lookup| lookup(context, key, time))?;
            map(context, key, found)
        });
        builder.cell(mapped)
    });
    let mapped: Lookup<K, W> = Box::new(move |context, key| {
        let found = context.with_cell(lookup, |context, lookup| lookup(context, key))?;
        map(context, key, found)
    });
    (mapped, versioned)
}

/// The codec of a value that may be deleted: none is a null payload.
pub(crate) fn nullable<V: 'static>(codec: Codec<V>) -> Codec<Option<V>> {
    Codec::shared(Nullable(OfCodec(codec)))
}

/// A codec as a serde.
struct OfCodec<V: 'static>(Codec<V>);

impl<V: 'static> Serde<V> for OfCodec<V> {
    fn serialize(&self, topic: &str, value: &V, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        self.0.serialize(topic, value, into)
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<V, SerdeError> {
        self.0.deserialize(topic, bytes)
    }

    fn route<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.0.route(bytes)
    }
}
