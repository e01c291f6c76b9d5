//! Repartitioning: through a topic of the application, so that equal keys meet in one task.

use std::panic::Location;

use crate::dsl::chain::Chain;
use crate::dsl::sink::Sink;
use crate::dsl::source::TypedSource;
use crate::dsl::stream::{Keyed, Run, Unkeyed};
use crate::key::Key;
use crate::partitioner::Partitioner;
use crate::serde::{Codec, KeySerde, Value};
use crate::timestamps::Timestamps;
use crate::topic::OffsetReset;
use crate::topology::NodeKind;

impl<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>> Unkeyed<'b, K, V, C> {
    /// Sends the records through the topic `<application>-<name>-repartition`, which has as many partitions as the
    /// largest topic upstream.
    #[track_caller]
    pub fn repartition(self, name: &str) -> Keyed<'b, K, V>
    where
        V: Value,
    {
        through(self.run, name, None, V::codec(), Location::caller())
    }

    /// [`repartition`](Self::repartition) with values of another codec, and a number of partitions.
    #[track_caller]
    pub fn repartition_with(
        self,
        name: &str,
        partitions: Option<i32>,
        value: Codec<V>,
    ) -> Keyed<'b, K, V> {
        through(self.run, name, partitions, value, Location::caller())
    }
}

impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>> Keyed<'b, K, V, C> {
    /// The stream by the key that `f` finds in each value, sent through the topic
    /// `<application>-<name>-repartition`.
    #[track_caller]
    pub fn key_by<L: Key>(
        self,
        name: &str,
        mut f: impl FnMut(&V) -> L + Send + 'static,
    ) -> Keyed<'b, L, V>
    where
        V: Value,
    {
        let location = Location::caller();
        let keyed = self.map_key(move |_, value| f(value));
        through(keyed.run, name, None, V::codec(), location)
    }

    /// Sends the records through the topic `<application>-<name>-repartition` with this number of partitions, by
    /// the key they have.
    #[track_caller]
    pub fn repartition(self, name: &str, partitions: i32) -> Keyed<'b, K, V>
    where
        K: Key,
        V: Value,
    {
        let location = Location::caller();
        through(self.run, name, Some(partitions), V::codec(), location)
    }
}

impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>> Unkeyed<'b, K, V, C> {
    /// The stream by the key that `f` finds in each value, sent through the topic
    /// `<application>-<name>-repartition`.
    #[track_caller]
    pub fn key_by<L: Key>(
        self,
        name: &str,
        mut f: impl FnMut(&V) -> L + Send + 'static,
    ) -> Keyed<'b, L, V>
    where
        V: Value,
    {
        let location = Location::caller();
        let keyed = self.map_key(move |_, value| f(value));
        through(keyed.run, name, None, V::codec(), location)
    }
}

/// Ends the run in a repartition topic and begins a stream that reads it.
pub(crate) fn through<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>>(
    run: Run<'b, C>,
    name: &str,
    partitions: Option<i32>,
    value: Codec<V>,
    location: &'static Location<'static>,
) -> Keyed<'b, K, V> {
    through_chosen(run, name, partitions, value, None, location)
}

/// [`through`], to partitions that `partitioner` chooses.
pub(crate) fn through_chosen<'b, K: Key, V: Send + 'static, C: Chain<Key = K, Value = V>>(
    run: Run<'b, C>,
    name: &str,
    partitions: Option<i32>,
    value: Codec<V>,
    partitioner: Option<Partitioner<K, V>>,
    location: &'static Location<'static>,
) -> Keyed<'b, K, V> {
    let builder = run.builder;
    let topic = builder.repartition_topic(name, partitions, location);
    let kind = NodeKind::Sink {
        topic: topic.clone(),
    };
    let sink_node = builder.node(Some(&format!("{name}-sink")), kind, &[run.node], location);
    let mut sink = Sink::new(
        sink_node,
        Codec::Static(&KeySerde),
        value.clone(),
        partitioner,
    );
    let written = topic.clone();
    run.end(move |context, record| sink.write(context, &written, &record));
    let kind = NodeKind::Source {
        topics: vec![topic.clone()],
        reset: OffsetReset::Earliest,
    };
    let node = builder.node(Some(&format!("{name}-source")), kind, &[], location);
    let out = builder.out();
    builder.source(
        node,
        Box::new(TypedSource {
            node,
            topics: vec![topic],
            key: Codec::Static(&KeySerde),
            value,
            timestamps: Timestamps::of_record(),
            out,
            places: Vec::new(),
        }),
    );
    Keyed::begin(builder, node, out)
}
