//! A store of all values a key had (KIP-889, KIP-914): what was current at a time can be asked for as long as the
//! history goes back, and a record that comes late takes its place among the others.
//!
//! ```text
//! latest   ff(8) key                                valid_from(8) tag(1) value
//! older    segment of valid_to(8) key valid_from(8)  valid_to(8) tag(1) value
//! mark     segment of valid_from(8) key valid_from(8)  ff(8) 2           beside a latest that is a tombstone
//! ```
//!
//! A version lasts from its own time to that of the next one. The latest never expires; an older one does when it
//! has been replaced for longer than the history; a latest tombstone does with its mark. The changelog holds the
//! puts as they came, as Kafka Streams' does, and a restore makes the rows again.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::error::StoreError;
use super::layout::{TIMELESS, read_i64};
use super::store::ChangelogRecord;
use super::values::Values;
use super::{Store, StoreId, Stores};
use crate::key::Key;
use crate::serde::Codec;

const VALUE: u8 = 0;
const TOMBSTONE: u8 = 1;
const MARK: u8 = 2;

/// Where a versioned store put a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an older version is forwarded as such, and a dropped one is counted"]
pub enum Version {
    /// It is the newest of its key.
    Latest,
    /// Behind a newer one: it was current until this time.
    Older {
        /// The time of the next version.
        valid_to: i64,
    },
    /// Nowhere: it is older than the history goes back.
    Dropped,
}

/// The handle that an operator has on a versioned store of its task.
#[derive(Debug)]
pub struct VersionedStore<K, V: 'static> {
    id: StoreId,
    values: Values<V>,
    key: Vec<u8>,
    value: Vec<u8>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V> VersionedStore<K, V> {
    /// A handle on the store `id`, called `name`, whose changelog topic is `topic`.
    pub fn new(id: StoreId, name: &str, topic: &str, codec: Codec<V>) -> Self {
        Self {
            id,
            values: Values::new(name, topic, codec),
            key: Vec::new(),
            value: Vec::new(),
            keys: PhantomData,
        }
    }

    /// Which store it is.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// Puts the value that the key has from `timestamp` on, or that it has none.
    pub fn put(
        &mut self,
        stores: &mut Stores,
        key: &K,
        value: Option<&V>,
        timestamp: i64,
    ) -> Result<Version, StoreError> {
        self.key.clear();
        key.write(&mut self.key);
        self.value.clear();
        let some = match value {
            Some(value) => self.values.append(value, &mut self.value)?,
            None => false,
        };
        self.values.check(&self.key)?;
        let value = some.then_some(&self.value[..]);
        let store = stores.get_mut(self.id);
        let version = put(store, &self.key, value, timestamp)?;
        if version != Version::Dropped {
            store.log(&self.key, value, timestamp);
        }
        Ok(version)
    }

    /// The latest value of a key, and since when.
    pub fn get(&mut self, stores: &mut Stores, key: &K) -> Result<Option<(V, i64)>, StoreError> {
        self.key.clear();
        key.write(&mut self.key);
        let store = stores.get_mut(self.id);
        match latest(store, &self.key)? {
            Some((since, Some(value))) => Ok(Some((self.values.read(&value)?, since))),
            _ => Ok(None),
        }
    }

    /// The value that a key had at `time`, and since when: none if it had none, or if that is further back than the
    /// history.
    pub fn get_as_of(
        &mut self,
        stores: &mut Stores,
        key: &K,
        time: i64,
    ) -> Result<Option<(V, i64)>, StoreError> {
        self.key.clear();
        key.write(&mut self.key);
        let store = stores.get_mut(self.id);
        match as_of(store, &self.key, time)? {
            Some((since, value)) => Ok(Some((self.values.read(&value)?, since))),
            None => Ok(None),
        }
    }
}

/// Since when a key has its latest value, and the value; none for a tombstone.
type Latest = (i64, Option<Vec<u8>>);

/// A version that is not the latest.
struct Older {
    row: Vec<u8>,
    valid_from: i64,
    valid_to: i64,
    /// Tag and value.
    tagged: Vec<u8>,
}

/// The row of a key's latest value.
pub(crate) fn latest_row(key: &[u8]) -> Vec<u8> {
    [&TIMELESS[..], key].concat()
}

/// Since when a key has its latest value, and the value; none for a tombstone.
pub(crate) fn split_latest(stored: &[u8]) -> Option<(i64, Option<&[u8]>)> {
    let since = read_i64(stored.get(..8)?)?;
    match stored.get(8..)?.split_first()? {
        (&VALUE, value) => Some((since, Some(value))),
        (&TOMBSTONE, _) => Some((since, None)),
        _ => None,
    }
}

/// Whether a latest row is a tombstone from before `oldest`: nobody can ask for it any more.
pub(crate) fn is_old_tombstone(stored: &[u8], oldest: i64) -> bool {
    matches!(split_latest(stored), Some((since, None)) if since < oldest)
}

/// The latest row and its value that a mark stands beside.
pub(crate) fn marked_tombstone(row: &[u8], stored: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if stored.get(8) != Some(&MARK) {
        return None;
    }
    let behind = row.len().checked_sub(8)?;
    let mut tombstone = row.get(behind..)?.to_vec();
    tombstone.push(TOMBSTONE);
    Some((latest_row(row.get(8..behind)?), tombstone))
}

/// Takes over a record of the changelog.
pub(crate) fn restore(store: &mut Store, record: &ChangelogRecord<'_>) -> Result<(), StoreError> {
    // One that is too old was dropped when it came, too.
    let _ = put(store, record.key, record.value, record.timestamp)?;
    Ok(())
}

fn put(
    store: &mut Store,
    key: &[u8],
    value: Option<&[u8]>,
    timestamp: i64,
) -> Result<Version, StoreError> {
    if timestamp < store.oldest() {
        return Ok(Version::Dropped);
    }
    store.observe(timestamp);
    let tagged = |value: Option<&[u8]>| {
        let mut tagged = vec![if value.is_some() { VALUE } else { TOMBSTONE }];
        tagged.extend_from_slice(value.unwrap_or_default());
        tagged
    };
    let latest = latest(store, key)?;
    if let Some((since, _)) = &latest
        && timestamp < *since
    {
        let valid_to = put_older(store, key, &tagged(value), timestamp, *since)?;
        return Ok(Version::Older { valid_to });
    }
    if let Some((since, old)) = latest {
        if old.is_none() {
            let mark = older_row(store, key, since, since);
            store.put_derived(&mark, None);
        }
        if timestamp > since {
            write_older(store, key, since, timestamp, &tagged(old.as_deref()));
        }
    }
    let mut stored = timestamp.to_be_bytes().to_vec();
    stored.extend_from_slice(&tagged(value));
    store.put_derived(&latest_row(key), Some(&stored));
    if value.is_none() {
        let mark = older_row(store, key, timestamp, timestamp);
        store.put_derived(&mark, Some(&[&[0xff; 8][..], &[MARK]].concat()));
    }
    Ok(Version::Latest)
}

/// Puts a version behind the latest, which came at `latest_from`; tells until when it was current.
fn put_older(
    store: &mut Store,
    key: &[u8],
    tagged: &[u8],
    timestamp: i64,
    latest_from: i64,
) -> Result<i64, StoreError> {
    let next = first_ending_after(store, key, timestamp)?;
    let valid_to = match next {
        None => latest_from,
        Some(next) if next.valid_from > timestamp => next.valid_from,
        Some(current) => {
            if current.valid_from < timestamp {
                store.put_derived(&current.row, None);
                write_older(store, key, current.valid_from, timestamp, &current.tagged);
            }
            current.valid_to
        }
    };
    write_older(store, key, timestamp, valid_to, tagged);
    Ok(valid_to)
}

fn latest(store: &mut Store, key: &[u8]) -> Result<Option<Latest>, StoreError> {
    let row = latest_row(key);
    let Some(stored) = store.get(&row)? else {
        return Ok(None);
    };
    match split_latest(stored) {
        Some((since, value)) => Ok(Some((since, value.map(<[u8]>::to_vec)))),
        None => Err(store.malformed("a latest version without its time")),
    }
}

fn as_of(store: &mut Store, key: &[u8], time: i64) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    if let Some((since, value)) = latest(store, key)?
        && since <= time
    {
        return Ok(value.map(|value| (since, value)));
    }
    if time < store.oldest() {
        return Ok(None);
    }
    let found = first_ending_after(store, key, time)?;
    Ok(found
        .filter(|version| version.valid_from <= time && version.tagged.first() == Some(&VALUE))
        .map(|mut version| {
            version.tagged.remove(0);
            (version.valid_from, version.tagged)
        }))
}

/// Of the key's older versions that were current after `time`, the first.
fn first_ending_after(
    store: &mut Store,
    key: &[u8],
    time: i64,
) -> Result<Option<Older>, StoreError> {
    let last = store.layout.segment(store.clock());
    for segment in store.layout.segment(time)..=last {
        let mut from = segment.to_be_bytes().to_vec();
        from.extend_from_slice(key);
        let prefix = from.len();
        let to = [&from[..], &[0xff; 8]].concat();
        from.extend_from_slice(&[0; 8]);
        let found = store.scan_prefix(&to[..prefix], &from, &to, |row, stored| {
            // Other keys that begin with this one may lie in between.
            let older = (row.len() == prefix + 8)
                .then(|| read_older(row, stored))
                .flatten();
            match older {
                Some(older) if older.valid_to > time => ControlFlow::Break(older),
                _ => ControlFlow::Continue(()),
            }
        })?;
        if let ControlFlow::Break(older) = found {
            return Ok(Some(older));
        }
    }
    Ok(None)
}

/// Of an older row, from when to when the key had its value, and the value; none for a mark.
pub(crate) fn split_older<'a>(
    row: &[u8],
    stored: &'a [u8],
) -> Option<(i64, i64, Option<&'a [u8]>)> {
    let from = read_i64(row.get(row.len().checked_sub(8)?..)?)?;
    let to = read_i64(stored.get(..8)?)?;
    match stored.get(8..)?.split_first()? {
        (&VALUE, value) => Some((from, to, Some(value))),
        (&TOMBSTONE, _) => Some((from, to, None)),
        _ => None,
    }
}

/// None for a mark.
fn read_older(row: &[u8], stored: &[u8]) -> Option<Older> {
    let tagged = stored.get(8..)?;
    if tagged.first() == Some(&MARK) {
        return None;
    }
    Some(Older {
        row: row.to_vec(),
        valid_from: read_i64(row.get(row.len() - 8..)?)?,
        valid_to: read_i64(stored.get(..8)?)?,
        tagged: tagged.to_vec(),
    })
}

fn write_older(store: &mut Store, key: &[u8], valid_from: i64, valid_to: i64, tagged: &[u8]) {
    let row = older_row(store, key, valid_from, valid_to);
    let stored = [&valid_to.to_be_bytes()[..], tagged].concat();
    store.put_derived(&row, Some(&stored));
}

fn older_row(store: &Store, key: &[u8], valid_from: i64, valid_to: i64) -> Vec<u8> {
    let segment = store.layout.segment(valid_to).to_be_bytes();
    [&segment[..], key, &valid_from.to_be_bytes()].concat()
}
