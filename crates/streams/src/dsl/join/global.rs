//! Joins of a stream with a global table, by any key.

use super::values::JoinValues;
use crate::context::{Context, DropReason};
use crate::dsl::chain::{Chain, Operator};
use crate::dsl::global_table::GlobalTable;
use crate::dsl::stream::{Keyed, Unkeyed};
use crate::error::Failure;
use crate::key::Key;
use crate::record::Record;
use crate::serde::Value;
use crate::topology::NodeId;
use std::panic::Location;

/// `join_global` and `left_join_global`.
pub(crate) struct JoinGlobal<V: 'static, L, W: 'static, F, R> {
    node: NodeId,
    table: GlobalTable<L, W>,
    key_of: F,
    /// The result, if these two make one.
    pair: fn(V, Option<W>) -> Option<R>,
    values: JoinValues<V>,
}

impl<K, V, L, W, M, F, R> Operator<K, V> for JoinGlobal<V, L, W, F, R>
where
    K: Send + 'static,
    V: Value,
    L: Key,
    W: Send + 'static,
    M: Into<Option<L>>,
    F: FnMut(Option<&K>, &V) -> M + Send + 'static,
    R: Send + 'static,
{
    type Key = K;
    type Value = R;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: &mut impl FnMut(&mut Context<'_>, Record<K, R>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.values.is_null(&record.value) {
            context.dropped(self.node, DropReason::NullValue);
            return Ok(());
        }
        let key: Option<L> = (self.key_of)(record.key.as_ref(), &record.value).into();
        let found = match &key {
            Some(key) => self
                .table
                .get(key)
                .map_err(|error| context.fatal(self.node, error))?,
            None => None,
        };
        let Some(value) = (self.pair)(record.value, found) else {
            if key.is_none() {
                context.dropped(self.node, DropReason::NullKey);
            }
            return Ok(());
        };
        down(
            context,
            Record {
                key: record.key,
                value,
                timestamp: record.timestamp,
                headers: record.headers,
            },
        )
    }
}

macro_rules! global {
    ($stream:ident) => {
        impl<'b, K: Send + 'static, V: Value, C: Chain<Key = K, Value = V>> $stream<'b, K, V, C> {
            /// Each record with the table's value of the key that `key_of` finds in it; dropped if there is none.
            ///
            /// Records stay where they are, whatever the key: the whole table is in every process. They are joined
            /// with what it has when they are processed.
            #[track_caller]
            pub fn join_global<L: Key, W: Send + 'static, M: Into<Option<L>> + 'static>(
                self,
                table: &GlobalTable<L, W>,
                key_of: impl FnMut(Option<&K>, &V) -> M + Send + 'static,
            ) -> $stream<
                'b,
                K,
                (V, W),
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = (V, W)>,
            > {
                let table = table.clone();
                $stream::of(
                    self.run
                        .then("join_global", Location::caller(), |node| JoinGlobal {
                            node,
                            table,
                            key_of,
                            pair: |value, found| found.map(|found| (value, found)),
                            values: JoinValues::new(),
                        }),
                )
            }

            /// Each record with the table's value of the key that `key_of` finds in it, if there is one.
            #[track_caller]
            pub fn left_join_global<L: Key, W: Send + 'static, M: Into<Option<L>> + 'static>(
                self,
                table: &GlobalTable<L, W>,
                key_of: impl FnMut(Option<&K>, &V) -> M + Send + 'static,
            ) -> $stream<
                'b,
                K,
                (V, Option<W>),
                impl Chain<InKey = C::InKey, InValue = C::InValue, Key = K, Value = (V, Option<W>)>,
            > {
                let table = table.clone();
                $stream::of(
                    self.run
                        .then("left_join_global", Location::caller(), |node| JoinGlobal {
                            node,
                            table,
                            key_of,
                            pair: |value, found| Some((value, found)),
                            values: JoinValues::new(),
                        }),
                )
            }
        }
    };
}

global!(Keyed);
global!(Unkeyed);
