//! Stores that the program declares for its processors.

use std::panic::Location;
use std::time::Duration;

use crate::dsl::windows::millis_of;
use crate::key::Key;
use crate::serde::{Codec, Value};
use crate::store::{
    KeyValue, SessionStore, StoreId, StoreKind, StoreSpec, VersionedStore, WindowLayout,
    WindowStore,
};
use crate::topology::Builder;

/// A handle that processors have on a store of one kind.
pub trait StoreHandle: Sized {
    /// The values.
    type Value: 'static;

    /// Whether it fits stores of this kind.
    fn fits(kind: StoreKind) -> bool;

    /// A handle on the store `id`.
    fn of(id: StoreId, name: &str, topic: &str, codec: Codec<Self::Value>) -> Self;
}

macro_rules! handle {
    ($handle:ident, $kind:pat) => {
        impl<K: Key, V: 'static> StoreHandle for $handle<K, V> {
            type Value = V;

            fn fits(kind: StoreKind) -> bool {
                matches!(kind, $kind)
            }

            fn of(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
                Self::new(id, name, topic, codec)
            }
        }
    };
}

handle!(KeyValue, StoreKind::KeyValue);
handle!(WindowStore, StoreKind::Window { .. });
handle!(SessionStore, StoreKind::Session { .. });
handle!(VersionedStore, StoreKind::Versioned { .. });

/// A store of the program's own, to be handed to processors: its [id](Self::id) says that they use it, a
/// [handle](Self::handle) lets them.
pub struct DeclaredStore<H: StoreHandle> {
    id: StoreId,
    name: String,
    topic: String,
    codec: Codec<H::Value>,
}

impl<H: StoreHandle> DeclaredStore<H> {
    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// A handle for one processor, which owns it.
    pub fn handle(&self) -> H {
        H::of(self.id, &self.name, &self.topic, self.codec.clone())
    }
}

impl Builder {
    /// A store of the latest value of each key, for processors.
    #[track_caller]
    pub fn key_value_store<K: Key, V: Value>(&self, name: &str) -> DeclaredStore<KeyValue<K, V>> {
        let spec = StoreSpec::new(name, StoreKind::KeyValue).keyed::<K>();
        self.store_of(spec, V::codec())
    }

    /// A store of a value per key and window start, which keeps windows that start less than `retention` before the
    /// latest.
    #[track_caller]
    pub fn window_store<K: Key, V: Value>(
        &self,
        name: &str,
        retention: Duration,
    ) -> DeclaredStore<WindowStore<K, V>> {
        let kind = StoreKind::Window {
            retention_ms: millis_of(retention),
            layout: WindowLayout::KeyFirst,
        };
        self.store_of(StoreSpec::new(name, kind).keyed::<K>(), V::codec())
    }

    /// A store of a value per key and session, which keeps sessions that end less than `retention` before the latest.
    #[track_caller]
    pub fn session_store<K: Key, V: Value>(
        &self,
        name: &str,
        retention: Duration,
    ) -> DeclaredStore<SessionStore<K, V>> {
        let kind = StoreKind::Session {
            retention_ms: millis_of(retention),
        };
        self.store_of(StoreSpec::new(name, kind).keyed::<K>(), V::codec())
    }

    /// A store of all values that a key had for as long as `history`.
    #[track_caller]
    pub fn versioned_store<K: Key, V: Value>(
        &self,
        name: &str,
        history: Duration,
    ) -> DeclaredStore<VersionedStore<K, V>> {
        let kind = StoreKind::Versioned {
            history_ms: millis_of(history),
        };
        self.store_of(StoreSpec::new(name, kind).keyed::<K>(), V::codec())
    }

    /// A store as `spec` describes it, with values of any codec.
    #[track_caller]
    pub fn store_of<H: StoreHandle>(
        &self,
        spec: StoreSpec,
        codec: Codec<H::Value>,
    ) -> DeclaredStore<H> {
        let location = Location::caller();
        let name = spec.name.clone();
        if !H::fits(spec.kind) {
            self.error(
                location,
                format!("the store \"{name}\" is declared as another kind than its handle"),
            );
        }
        let topic = spec.restore_topic(self.application());
        DeclaredStore {
            id: self.declare_store(spec, location),
            topic: topic.unwrap_or_else(|| name.clone()),
            name,
            codec,
        }
    }
}
