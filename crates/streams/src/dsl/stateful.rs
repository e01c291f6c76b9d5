//! What operators that keep rows have alike: a node, a store, a table, and how a stream of records with keys ends in
//! them. It never looks at a value.

use std::panic::Location;

use crate::context::Context;
use crate::dsl::aggregate::Step;
use crate::dsl::chain::Chain;
use crate::dsl::materialized::Materialized;
use crate::dsl::stream::Run;
use crate::dsl::table::{OldValues, Table};
use crate::dsl::updates::{Rows, Updates, lookup};
use crate::error::Failure;
use crate::key::Key;
use crate::record::KeyedRecord;
use crate::serde::Codec;
use crate::store::{StoreId, StoreKind, check_retention};
use crate::topology::{Builder, NodeId};

/// An operator with a store, on its way into a topology.
pub(crate) struct Stateful<'b, 'a, A: 'static> {
    pub(crate) builder: &'b Builder,
    /// The operators whose records it takes.
    pub(crate) parents: &'a [NodeId],
    pub(crate) operator: &'static str,
    pub(crate) materialized: &'a Materialized<A>,
    pub(crate) location: &'static Location<'static>,
}

/// The table of an operator with a store, what writes its rows, and how further handles on the store are made.
pub(crate) struct Kept<'b, L: Send + 'static, A: Send + 'static, R, O> {
    pub(crate) table: Table<'b, L, A>,
    pub(crate) updates: Updates<L, A, R>,
    pub(crate) open: O,
}

impl<'b, A: Send + 'static> Stateful<'b, '_, A> {
    /// Adds the operator with its store, whose rows are of keys `K`, and whose handles `open` makes. The table's keys
    /// are `L`: windows are a part of those.
    pub(crate) fn keep<K: Key, L: Key, R: Rows<L, A>>(
        &self,
        kind: StoreKind,
        open: fn(StoreId, &str, &str, Codec<A>) -> R,
    ) -> Kept<'b, L, A, R, impl Fn() -> R> {
        let (builder, materialized) = (self.builder, self.materialized);
        let name = materialized.name();
        let node = builder.operator(self.operator, Some(name), self.parents, self.location);
        let (spec, topic) = materialized.spec(builder, kind);
        let id = builder.store(node, spec.keyed::<K>());
        let open = move || open(id, name, &topic, materialized.codec());
        let (out, old) = (builder.out(), OldValues::default());
        let updates = Updates::new(builder, node, materialized, out, old.clone(), open());
        let table = Table {
            old,
            ..Table::new(builder, node, out, lookup(node, open()))
        };
        Kept {
            table,
            updates,
            open,
        }
    }

    /// Tells the author of the topology if windows go before they are closed; a record changes windows that are up to
    /// `span_ms` apart, the later one's size included.
    pub(crate) fn check_retention(&self, retention_ms: i64, span_ms: i64, grace_ms: i64) {
        let name = self.materialized.name();
        if let Err(error) = check_retention(name, retention_ms, span_ms, grace_ms) {
            self.builder.error(self.location, error.to_string());
        }
    }
}

/// What aggregates records in its rows.
pub(crate) trait Aggregation<K, V, A>: Send + 'static {
    /// Adds a record by what `step` makes of each aggregate that it goes into.
    fn add(
        &mut self,
        context: &mut Context<'_>,
        record: KeyedRecord<K, V>,
        step: &mut impl Step<K, V, A>,
    ) -> Result<(), Failure>;
}

/// Ends a run in an aggregation, which keeps its rows as `rows` says.
pub(crate) fn aggregated<'b, V, A, L, R, C>(
    run: Run<'b, C>,
    operator: &'static str,
    materialized: &Materialized<A>,
    location: &'static Location<'static>,
    mut step: impl Step<C::Key, V, A>,
    rows: impl FnOnce(&Stateful<'b, '_, A>) -> (R, Table<'b, L, A>),
) -> Table<'b, L, A>
where
    V: 'static,
    A: Send + 'static,
    L: Send + 'static,
    R: Aggregation<C::Key, V, A>,
    C: Chain<Value = V>,
{
    let (mut rows, table) = rows(&Stateful {
        builder: run.builder,
        parents: &[run.node],
        operator,
        materialized,
        location,
    });
    run.end_keyed(table.node, move |context, record| {
        rows.add(context, record, &mut step)
    });
    table
}
