//! Sinks whose topic the record decides.

use std::panic::Location;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::dsl::chain::Chain;
use crate::dsl::sink::Sink;
use crate::dsl::stream::{Keyed, Run, Unkeyed};
use crate::key::Key;
use crate::record::Record;
use crate::serde::{Codec, KeySerde, Value};
use crate::topology::{COMPUTED, NodeKind};

/// How many topics' names are kept, so that a name is not made anew for each record.
const NAMES: usize = 1024;

macro_rules! dynamic_sink {
    ($stream:ident) => {
        impl<'b, K: Send + 'static, V: Send + 'static, C: Chain<Key = K, Value = V>>
            $stream<'b, K, V, C>
        {
            /// Writes each record to the topic that `f` names. The topics must exist; they are not made.
            #[track_caller]
            pub fn to_with<S: AsRef<str>>(
                self,
                name: &str,
                f: impl FnMut(&Record<K, V>) -> S + Send + 'static,
            ) where
                K: Key,
                V: Value,
            {
                let codecs = (Codec::Static(&KeySerde), V::codec());
                write(self.run, name, codecs, f, Location::caller());
            }

            /// [`to_with`](Self::to_with) with other codecs.
            #[track_caller]
            pub fn to_with_codecs<S: AsRef<str>>(
                self,
                name: &str,
                key: Codec<K>,
                value: Codec<V>,
                f: impl FnMut(&Record<K, V>) -> S + Send + 'static,
            ) {
                write(self.run, name, (key, value), f, Location::caller());
            }
        }
    };
}

dynamic_sink!(Keyed);
dynamic_sink!(Unkeyed);

fn write<K, V, C, S>(
    run: Run<'_, C>,
    name: &str,
    (key, value): (Codec<K>, Codec<V>),
    mut f: impl FnMut(&Record<K, V>) -> S + Send + 'static,
    location: &'static Location<'static>,
) where
    K: Send + 'static,
    V: Send + 'static,
    C: Chain<Key = K, Value = V>,
    S: AsRef<str>,
{
    let kind = NodeKind::Sink {
        topic: COMPUTED.into(),
    };
    let node = run.builder.node(Some(name), kind, &[run.node], location);
    let mut sink = Sink::new(node, key, value, None);
    let mut names: HashSet<Arc<str>> = HashSet::new();
    run.end(move |context, record| {
        let chosen = f(&record);
        let chosen = chosen.as_ref();
        let topic = if let Some(topic) = names.get(chosen) {
            Arc::clone(topic)
        } else {
            if names.len() >= NAMES {
                names.clear();
            }
            let topic: Arc<str> = chosen.into();
            names.insert(Arc::clone(&topic));
            topic
        };
        sink.write(context, &topic, &record)
    });
}
