//! Branches: each record of a stream goes to the first branch that wants it.

use std::panic::Location;

use crate::context::Context;
use crate::dsl::chain::Chain;
use crate::dsl::stream::{Keyed, Run, Unkeyed};
use crate::graph::Out;
use crate::record::Record;
use crate::topology::{Builder, NodeId};

/// Whether a record goes down a branch.
type Predicate<K, V> = Box<dyn FnMut(&Record<K, V>) -> bool + Send>;

/// The branches so far, in order.
type Branches<K, V> = Vec<(Predicate<K, V>, Out<K, V>)>;

/// A stream that is being divided. Kafka Streams' `BranchedKStream`.
///
/// A record goes to the first branch whose predicate it satisfies, else to the rest, else nowhere.
#[must_use = "a stream that is split into nothing does nothing"]
pub struct Split<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>> {
    builder: &'b Builder,
    node: NodeId,
    /// Taken when the split is complete.
    run: Option<Run<'b, C>>,
    branches: Branches<K, V>,
    rest: Option<Out<K, V>>,
}

/// [`Split`] of a stream whose keys belong where they are.
#[must_use = "a stream that is split into nothing does nothing"]
pub struct KeyedSplit<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>(
    Split<'b, K, V, C>,
);

/// [`Split`] of a stream whose keys were changed.
#[must_use = "a stream that is split into nothing does nothing"]
pub struct UnkeyedSplit<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>(
    Split<'b, K, V, C>,
);

impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>> Split<'b, K, V, C> {
    fn new(run: Run<'b, C>, location: &'static Location<'static>) -> Self {
        let builder = run.builder;
        Self {
            builder,
            node: builder.operator("split", None, &[run.node], location),
            run: Some(run),
            branches: Vec::new(),
            rest: None,
        }
    }

    fn branch(
        &mut self,
        name: &str,
        predicate: Predicate<K, V>,
        location: &'static Location<'static>,
    ) -> (&'b Builder, NodeId, Out<K, V>) {
        let node = self
            .builder
            .operator("branch", Some(name), &[self.node], location);
        let out = self.builder.out();
        self.branches.push((predicate, out));
        (self.builder, node, out)
    }

    fn rest(
        &mut self,
        name: &str,
        location: &'static Location<'static>,
    ) -> (&'b Builder, NodeId, Out<K, V>) {
        let node = self
            .builder
            .operator("branch", Some(name), &[self.node], location);
        let out = self.builder.out();
        self.rest = Some(out);
        (self.builder, node, out)
    }
}

impl<K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>> Drop
    for Split<'_, K, V, C>
{
    fn drop(&mut self) {
        let Some(run) = self.run.take() else {
            return;
        };
        let mut branches = std::mem::take(&mut self.branches);
        let rest = self.rest;
        run.end(move |context: &mut Context<'_>, record| {
            let wanted = branches
                .iter_mut()
                .find_map(|(predicate, out)| predicate(&record).then_some(*out));
            match wanted.or(rest) {
                Some(out) => context.forward(out, record),
                None => Ok(()),
            }
        });
    }
}

macro_rules! split {
    ($stream:ident, $split:ident) => {
        impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>
            $stream<'b, K, V, C>
        {
            /// Divides the stream into branches.
            ///
            /// ```
            /// # use headwater_streams::{Builder, Topic};
            /// # const ORDERS: Topic<String, u64> = Topic::json("orders");
            /// # const DEAR: Topic<String, u64> = Topic::json("dear");
            /// # const OTHERS: Topic<String, u64> = Topic::json("others");
            /// fn topology(b: &Builder) {
            ///     let mut orders = b.stream(ORDERS).split();
            ///     orders.branch("dear", |cents| *cents > 10_000).to(DEAR);
            ///     orders.rest("others").to(OTHERS);
            /// }
            /// ```
            #[track_caller]
            pub fn split(self) -> $split<'b, K, V, C> {
                $split(Split::new(self.run, Location::caller()))
            }
        }

        impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>
            $split<'b, K, V, C>
        {
            /// The records whose values satisfy `predicate` and no branch's before.
            #[track_caller]
            pub fn branch(
                &mut self,
                name: &str,
                mut predicate: impl FnMut(&V) -> bool + Send + 'static,
            ) -> $stream<'b, K, V> {
                let predicate = Box::new(move |record: &Record<K, V>| predicate(&record.value));
                let (builder, node, out) = self.0.branch(name, predicate, Location::caller());
                $stream::begin(builder, node, out)
            }

            /// [`branch`](Self::branch) that sees the whole record.
            #[track_caller]
            pub fn branch_record(
                &mut self,
                name: &str,
                predicate: impl FnMut(&Record<K, V>) -> bool + Send + 'static,
            ) -> $stream<'b, K, V> {
                let predicate = Box::new(predicate);
                let (builder, node, out) = self.0.branch(name, predicate, Location::caller());
                $stream::begin(builder, node, out)
            }

            /// The records that no branch wants; without this they are dropped.
            #[track_caller]
            pub fn rest(mut self, name: &str) -> $stream<'b, K, V> {
                let (builder, node, out) = self.0.rest(name, Location::caller());
                $stream::begin(builder, node, out)
            }
        }
    };
}

split!(Keyed, KeyedSplit);
split!(Unkeyed, UnkeyedSplit);
