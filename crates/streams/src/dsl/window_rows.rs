//! Rows of windows that close: what tumbling, hopping, sliding and session aggregations write theirs with.
//!
//! It moves the operator's stream time, hands on what that closes, and adds to one row. Which rows a record changes is
//! the window kind's to know.

use crate::context::Context;
use crate::dsl::aggregate::{Applied, add};
use crate::dsl::closing::Closing;
use crate::dsl::final_results::{CloseRule, ClosedRows, FinalResults, SizedWindows};
use crate::dsl::stateful::Stateful;
use crate::dsl::table::Table;
use crate::dsl::updates::{Rows, Update, Updates};
use crate::error::{BoxError, Failure};
use crate::key::Key;
use crate::record::Headers;
use crate::serde::Codec;
use crate::store::{StoreId, StoreKind, WindowStore};
use crate::topology::NodeId;
use crate::window::Windowed;

/// Rows of a windowed store, and their final results, which `closed` reads.
pub(crate) struct ClosingRows<L: 'static, A: 'static, R, C> {
    updates: Updates<L, A, R>,
    results: FinalResults<L, A>,
    closed: C,
}

/// Rows of windows of one size.
pub(crate) type WindowRows<K, A> =
    ClosingRows<Windowed<K>, A, WindowStore<K, A>, SizedWindows<K, A>>;

/// How the rows of a windowed aggregation are kept, and when they close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsPlan {
    pub(crate) kind: StoreKind,
    pub(crate) rule: CloseRule,
    /// How far stream time must be past the end of a window that takes no more records.
    pub(crate) after_end_ms: i64,
}

impl<L: Key, A: Send + 'static, R: Rows<L, A>, C: ClosedRows<L, A>> ClosingRows<L, A, R, C> {
    /// The rows of an operator by keys `K`, and their table. `open` makes handles on the store, and `closed` of such
    /// a handle what reads the rows that have closed.
    pub(crate) fn new<'b, K: Key>(
        operator: &Stateful<'b, '_, A>,
        plan: RowsPlan,
        open: fn(StoreId, &str, &str, Codec<A>) -> R,
        closed: impl Fn(R) -> C,
    ) -> (Self, Table<'b, L, A>) {
        let kept = operator.keep::<K, L, R>(plan.kind, open);
        let table = kept.table;
        let results = FinalResults::new(
            operator.builder,
            table.node,
            operator.materialized.name(),
            table.out,
            plan.rule,
            closed((kept.open)()),
        );
        let closing = Closing {
            after_end_ms: plan.after_end_ms,
            emit: Some(results.slot()),
        };
        let rows = Self {
            updates: kept.updates,
            results,
            closed: closed((kept.open)()),
        };
        let closing = Some(closing);
        (rows, Table { closing, ..table })
    }

    /// The operator whose rows they are.
    #[inline]
    pub(crate) fn node(&self) -> NodeId {
        self.updates.node
    }

    /// The handle on the store.
    #[inline]
    pub(crate) fn store(&mut self) -> &mut R {
        &mut self.updates.rows
    }

    /// Whether anybody looks at old values.
    #[inline]
    pub(crate) fn wants_old(&self) -> bool {
        self.updates.wants_old()
    }

    /// Moves stream time, hands on what that closes, and returns it.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        context: &mut Context<'_>,
        timestamp: i64,
        headers: &Headers,
    ) -> Result<i64, Failure> {
        self.results
            .advance(context, &mut self.closed, timestamp, headers)
    }

    /// Writes a row, and hands it on unless final results are asked for.
    #[inline]
    pub(crate) fn write(
        &mut self,
        context: &mut Context<'_>,
        key: L,
        update: Update<A>,
        headers: Headers,
    ) -> Result<(), Failure> {
        let emit = self.results.updates();
        self.updates.write(context, key, update, headers, emit)
    }
}

impl<L: Key, A: Clone + Send + 'static, R: Rows<L, A>, C> ClosingRows<L, A, R, C> {
    /// Adds a value to one row.
    #[inline]
    pub(crate) fn add(
        &mut self,
        context: &mut Context<'_>,
        key: L,
        timestamp: i64,
        headers: Headers,
        step: impl FnOnce(&L, Option<A>) -> Result<A, BoxError>,
    ) -> Result<Applied, Failure> {
        let emit = self.results.updates();
        let updates = &mut self.updates;
        add(updates, context, key, timestamp, headers, emit, step)
    }
}
