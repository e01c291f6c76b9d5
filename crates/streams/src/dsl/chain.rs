//! A run of stateless operators, fused into one monomorphic function: `dyn` only where the run ends.

use std::marker::PhantomData;

use crate::context::Context;
use crate::error::Failure;
use crate::record::Record;

/// One stateless operator: it hands on any number of records for each that it takes.
pub trait Operator<K, V>: Send + 'static {
    /// The type of the keys behind it.
    type Key: Send + 'static;
    /// The type of the values behind it.
    type Value: Send + 'static;

    /// Handles a record.
    fn apply(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: &mut impl FnMut(&mut Context<'_>, Record<Self::Key, Self::Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure>;
}

/// Operators one behind the other, from a source or a stateful operator on.
pub trait Chain: Send + 'static {
    /// The keys that come in.
    type InKey: Send + 'static;
    /// The values that come in.
    type InValue: Send + 'static;
    /// The keys that go out.
    type Key: Send + 'static;
    /// The values that go out.
    type Value: Send + 'static;

    /// Hands a record through all of them.
    fn push(
        &mut self,
        context: &mut Context<'_>,
        record: Record<Self::InKey, Self::InValue>,
        down: &mut impl FnMut(&mut Context<'_>, Record<Self::Key, Self::Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure>;
}

/// The chain without an operator.
pub struct Through<K, V>(PhantomData<fn(K, V)>);

impl<K, V> Default for Through<K, V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<K: Send + 'static, V: Send + 'static> Chain for Through<K, V> {
    type InKey = K;
    type InValue = V;
    type Key = K;
    type Value = V;

    fn push(
        &mut self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        down: &mut impl FnMut(&mut Context<'_>, Record<K, V>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        down(context, record)
    }
}

/// A chain with one more operator behind it.
pub struct Then<C, O> {
    chain: C,
    operator: O,
}

impl<C, O> Then<C, O> {
    pub(crate) fn new(chain: C, operator: O) -> Self {
        Self { chain, operator }
    }
}

impl<C: Chain, O: Operator<C::Key, C::Value>> Chain for Then<C, O> {
    type InKey = C::InKey;
    type InValue = C::InValue;
    type Key = O::Key;
    type Value = O::Value;

    fn push(
        &mut self,
        context: &mut Context<'_>,
        record: Record<C::InKey, C::InValue>,
        down: &mut impl FnMut(&mut Context<'_>, Record<O::Key, O::Value>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let operator = &mut self.operator;
        self.chain.push(context, record, &mut |context, record| {
            operator.apply(context, record, down)
        })
    }
}
