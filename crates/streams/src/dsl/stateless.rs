//! Stateless operators.

use crate::context::Context;
use crate::dsl::chain::Operator;
use crate::error::{BoxError, Failure, Stage};
use crate::record::Record;
use crate::topology::NodeId;

/// What an operator hands its results to.
macro_rules! down {
    ($key:ty, $value:ty) => {
        &mut impl FnMut(&mut Context<'_>, Record<$key, $value>) -> Result<(), Failure>
    };
}

/// `map`.
pub(crate) struct Map<F>(pub(super) F);

impl<K, V, W, F> Operator<K, V> for Map<F>
where
    K: Send + 'static,
    W: Send + 'static,
    F: FnMut(V) -> W + Send + 'static,
{
    type Key = K;
    type Value = W;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, W),
    ) -> Result<(), Failure> {
        down(context, record.map(&mut self.0))
    }
}

/// `map_with_key`.
pub(crate) struct MapWithKey<F>(pub(super) F);

impl<K, V, W, F> Operator<K, V> for MapWithKey<F>
where
    K: Send + 'static,
    W: Send + 'static,
    F: FnMut(Option<&K>, V) -> W + Send + 'static,
{
    type Key = K;
    type Value = W;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, W),
    ) -> Result<(), Failure> {
        let value = (self.0)(record.key.as_ref(), record.value);
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

/// `try_map`.
pub(crate) struct TryMap<F> {
    pub(super) node: NodeId,
    pub(super) f: F,
}

impl<K, V, W, E, F> Operator<K, V> for TryMap<F>
where
    K: Send + 'static,
    W: Send + 'static,
    E: Into<BoxError>,
    F: FnMut(V) -> Result<W, E> + Send + 'static,
{
    type Key = K;
    type Value = W;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, W),
    ) -> Result<(), Failure> {
        match (self.f)(record.value) {
            Ok(value) => down(
                context,
                Record {
                    key: record.key,
                    value,
                    timestamp: record.timestamp,
                    headers: record.headers,
                },
            ),
            Err(error) => context.failed(self.node, Stage::Processing, error),
        }
    }
}

/// `filter`.
pub(crate) struct Filter<F>(pub(super) F);

impl<K, V, F> Operator<K, V> for Filter<F>
where
    K: Send + 'static,
    V: Send + 'static,
    F: FnMut(&V) -> bool + Send + 'static,
{
    type Key = K;
    type Value = V;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, V),
    ) -> Result<(), Failure> {
        if (self.0)(&record.value) {
            down(context, record)
        } else {
            Ok(())
        }
    }
}

/// `filter_with_key`.
pub(crate) struct FilterWithKey<F>(pub(super) F);

impl<K, V, F> Operator<K, V> for FilterWithKey<F>
where
    K: Send + 'static,
    V: Send + 'static,
    F: FnMut(Option<&K>, &V) -> bool + Send + 'static,
{
    type Key = K;
    type Value = V;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, V),
    ) -> Result<(), Failure> {
        if (self.0)(record.key.as_ref(), &record.value) {
            down(context, record)
        } else {
            Ok(())
        }
    }
}

/// `try_filter`.
pub(crate) struct TryFilter<F> {
    pub(super) node: NodeId,
    pub(super) f: F,
}

impl<K, V, E, F> Operator<K, V> for TryFilter<F>
where
    K: Send + 'static,
    V: Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&V) -> Result<bool, E> + Send + 'static,
{
    type Key = K;
    type Value = V;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, V),
    ) -> Result<(), Failure> {
        match (self.f)(&record.value) {
            Ok(true) => down(context, record),
            Ok(false) => Ok(()),
            Err(error) => context.failed(self.node, Stage::Processing, error),
        }
    }
}

/// `flat_map`.
pub(crate) struct FlatMap<F>(pub(super) F);

impl<K, V, W, I, F> Operator<K, V> for FlatMap<F>
where
    K: Clone + Send + 'static,
    W: Send + 'static,
    I: IntoIterator<Item = W>,
    F: FnMut(V) -> I + Send + 'static,
{
    type Key = K;
    type Value = W;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, W),
    ) -> Result<(), Failure> {
        for value in (self.0)(record.value) {
            down(
                context,
                Record {
                    key: record.key.clone(),
                    value,
                    timestamp: record.timestamp,
                    headers: record.headers.clone(),
                },
            )?;
        }
        Ok(())
    }
}

/// `inspect`.
pub(crate) struct Inspect<F>(pub(super) F);

impl<K, V, F> Operator<K, V> for Inspect<F>
where
    K: Send + 'static,
    V: Send + 'static,
    F: FnMut(&Record<K, V>) + Send + 'static,
{
    type Key = K;
    type Value = V;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(K, V),
    ) -> Result<(), Failure> {
        (self.0)(&record);
        down(context, record)
    }
}

/// `map_key`, and the first half of `key_by`.
pub(crate) struct MapKey<F>(pub(super) F);

impl<K, V, L, F> Operator<K, V> for MapKey<F>
where
    L: Send + 'static,
    V: Send + 'static,
    F: FnMut(Option<K>, &V) -> L + Send + 'static,
{
    type Key = L;
    type Value = V;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(L, V),
    ) -> Result<(), Failure> {
        let key = (self.0)(record.key, &record.value);
        down(
            context,
            Record {
                key: Some(key),
                value: record.value,
                timestamp: record.timestamp,
                headers: record.headers,
            },
        )
    }
}

/// `map_record`: key, value, timestamp and headers at once.
pub(crate) struct MapRecord<F>(pub(super) F);

impl<K, V, L, W, I, F> Operator<K, V> for MapRecord<F>
where
    L: Send + 'static,
    W: Send + 'static,
    I: IntoIterator<Item = Record<L, W>>,
    F: FnMut(Record<K, V>) -> I + Send + 'static,
{
    type Key = L;
    type Value = W;

    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: down!(L, W),
    ) -> Result<(), Failure> {
        for record in (self.0)(record) {
            down(context, record)?;
        }
        Ok(())
    }
}
