//! A record on its way through a topology: key, value, timestamp and headers, already deserialised.

use std::sync::Arc;

use bytes::Bytes;

/// A record between two operators.
///
/// The key is absent where the record's bytes had none: such a record flows through stateless operators and is
/// dropped, and counted, where a key is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<K, V> {
    /// The key, or none.
    pub key: Option<K>,
    /// The value.
    pub value: V,
    /// Milliseconds since the Unix epoch, never negative.
    pub timestamp: i64,
    /// The headers, in the order they were written.
    pub headers: Headers,
}

impl<K, V> Record<K, V> {
    /// A record without headers.
    pub fn new(key: impl Into<Option<K>>, value: V, timestamp: i64) -> Self {
        Self {
            key: key.into(),
            value,
            timestamp,
            headers: Headers::default(),
        }
    }

    /// The same record with another value.
    pub fn with_value<W>(self, value: W) -> Record<K, W> {
        Record {
            key: self.key,
            value,
            timestamp: self.timestamp,
            headers: self.headers,
        }
    }

    /// The same record with another key.
    pub fn with_key<L>(self, key: impl Into<Option<L>>) -> Record<L, V> {
        Record {
            key: key.into(),
            value: self.value,
            timestamp: self.timestamp,
            headers: self.headers,
        }
    }

    /// The record with its value replaced by what `f` makes of it.
    pub fn map<W>(self, f: impl FnOnce(V) -> W) -> Record<K, W> {
        Record {
            key: self.key,
            value: f(self.value),
            timestamp: self.timestamp,
            headers: self.headers,
        }
    }
}

/// A record whose key is there, as operators that keep rows take them.
pub(crate) struct KeyedRecord<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) timestamp: i64,
    pub(crate) headers: Headers,
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name; names may repeat.
    pub key: String,
    /// The value, or null.
    pub value: Option<Bytes>,
}

/// The headers of a record: cheap to clone, and free when there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Option<Arc<Vec<Header>>>);

impl Headers {
    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The headers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.as_deref().map_or(&[][..], Vec::as_slice).iter()
    }

    /// The value of the last header of this name, as Kafka's `lastHeader`; `None` if there is none or it is null.
    pub fn last(&self, key: &str) -> Option<&Bytes> {
        self.iter()
            .rev()
            .find(|header| header.key == key)
            .and_then(|header| header.value.as_ref())
    }

    /// Adds a header behind the others.
    pub fn push(&mut self, key: impl Into<String>, value: impl Into<Option<Bytes>>) {
        let header = Header {
            key: key.into(),
            value: value.into(),
        };
        Arc::make_mut(self.0.get_or_insert_default()).push(header);
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        let headers: Vec<_> = headers.into_iter().collect();
        Self((!headers.is_empty()).then(|| Arc::new(headers)))
    }
}

/// What a table tells those behind it: the value before and the value now. Kafka Streams' `Change`.
///
/// Both are absent only where a delete is told of a key that had no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<V> {
    /// The value before, or none if the key had none.
    pub old: Option<V>,
    /// The value now, or none if the key is deleted.
    pub new: Option<V>,
    /// Whether `new` is the newest version of its key: false for a record that came out of order into a versioned
    /// table and was stored behind a newer one.
    pub latest: bool,
}
