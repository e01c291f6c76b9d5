//! The answers as JSON.
//!
//! A value that is JSON in the store is that in the answer; other bytes are `{"base64": ".."}`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::Params;
use super::refusal::Refusal;
use crate::partitioner::partition_for;
use crate::query::rows::Rows;
use crate::query::store::kind_name;
use crate::query::{QueryError, StoreQuery, key_text};
use crate::runtime::Instance;
use crate::store::StoreKind;

/// Rows of an answer that asks for no number, and at the most.
const ROWS: usize = 100;
const MOST_ROWS: usize = 1_000;
/// Bytes of rows after which an answer ends.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What there is to be asked.
pub(super) fn stores(instance: &Arc<Instance>) -> Value {
    let mut stores = Vec::new();
    let globals = instance.topology.global_stores().iter();
    let all = instance.topology.stores().iter();
    for spec in all.chain(globals.map(|store| store.spec())) {
        let Ok(store) = StoreQuery::new(instance, &spec.name) else {
            continue;
        };
        let here: Vec<i32> = store.partitions().into_keys().collect();
        stores.push(json!({
            "name": spec.name,
            "kind": kind_name(spec.kind),
            "keys": spec.key.unwrap_or("base64"),
            "partitions": store.partition_count(),
            "here": here,
            "elsewhere": elsewhere(&store, &here),
        }));
    }
    json!({
        "application": &*instance.config.application,
        "process_id": instance.directory.process_id(),
        "state": instance.state.get().to_string(),
        "stores": stores,
    })
}

/// By partition, who has it; null where that is not known.
fn elsewhere(store: &StoreQuery, here: &[i32]) -> BTreeMap<String, Option<String>> {
    (0..store.partition_count())
        .filter(|partition| !here.contains(partition))
        .map(|partition| (partition.to_string(), store.other_owner(partition)))
        .collect()
}

/// One value.
pub(super) fn one(store: &StoreQuery, params: &Params) -> Result<Value, Refusal> {
    let versioned = matches!(store.spec().kind, StoreKind::Versioned { .. });
    store.check_kind(if versioned { "versioned" } else { "key-value" })?;
    let (text, key, partition) = key(store, params)?;
    let (found, position) = match params.as_of {
        Some(time) if versioned => {
            let (reader, position) = store.reader(partition)?;
            let found = reader.get_as_of(&key, time).map_err(QueryError::from)?;
            (found, position)
        }
        Some(_) => {
            return Err(Refusal::bad_request(
                "as_of is for versioned stores, and this is none",
            ));
        }
        None => store.find(partition, &key)?,
    };
    let found = found.ok_or_else(|| Refusal::no_such_key(text))?;
    Ok(json!({
        "key": text,
        "partition": partition,
        "value": value(&found.value),
        "timestamp": found.timestamp,
        "position": position.to_string(),
    }))
}

/// The rows of this instance whose keys are within a range, in order of the keys' bytes.
pub(super) fn range(store: &StoreQuery, params: &Params) -> Result<Value, Refusal> {
    store.check_kind("key-value")?;
    let kind = store.spec().key;
    let bound = |text: &Option<String>| {
        let bytes = text.as_ref().map(|text| key_text::read(kind, text));
        let bytes = bytes
            .transpose()
            .map_err(|told| Refusal::bad_request(&told))?;
        Ok::<_, Refusal>(bytes.map_or(Bound::Unbounded, Bound::Included))
    };
    let (from, to) = (bound(&params.from)?, bound(&params.to)?);
    let cursor = params.cursor.as_deref().map(read_cursor).transpose()?;
    let (readers, position) = match params.partition {
        None => store.readers()?,
        Some(partition) => {
            let (reader, position) = store.reader(partition)?;
            ([(partition, reader)].into(), position)
        }
    };
    let here: Vec<i32> = readers.keys().copied().collect();
    let mut rows = match cursor {
        None => Rows::new(readers, &from, to),
        // Equal keys come in order of their partitions.
        Some((last, key)) => Rows::behind(readers, to, |partition| {
            if partition <= last {
                Bound::Excluded(key.clone())
            } else {
                Bound::Included(key.clone())
            }
        }),
    };
    let limit = limit(params)?;
    let (mut found, mut size, mut next) = (Vec::new(), 0, None);
    while let Some(row) = rows.next().map_err(QueryError::from)? {
        size += row.key.len() + row.value.value.len();
        found.push(json!({
            "key": key_text::write(kind, &row.key),
            "value": value(&row.value.value),
            "timestamp": row.value.timestamp,
        }));
        if found.len() >= limit || size >= MOST_BYTES {
            next = Some(write_cursor(row.partition, &row.key));
            break;
        }
    }
    Ok(json!({
        "rows": found,
        "cursor": next,
        "here": here,
        "elsewhere": elsewhere(store, &here),
        "position": position.to_string(),
    }))
}

/// The windows of a key that begin within a span of time, or its sessions that touch it.
pub(super) fn window(store: &StoreQuery, params: &Params) -> Result<Value, Refusal> {
    let session = matches!(store.spec().kind, StoreKind::Session { .. });
    store.check_kind(if session { "session" } else { "window" })?;
    let (text, key, partition) = key(store, params)?;
    let mut from = time(params.from.as_deref(), "from", 0)?;
    let to = time(params.to.as_deref(), "to", i64::MAX)?;
    if let Some(cursor) = &params.cursor {
        from = from.max(time(Some(cursor), "cursor", 0)?);
    }
    let limit = limit(params)?;
    let (reader, position) = store.reader(partition)?;
    let rows = reader
        .fetch(&key, from, to, limit + 1)
        .map_err(QueryError::from)?;
    let (mut found, mut size, mut next) = (Vec::new(), 0, None);
    for row in &rows {
        if found.len() >= limit || size >= MOST_BYTES {
            // Sessions of a key do not touch, so behind the last one's end the next one is found.
            next = Some(row.start.to_string());
            break;
        }
        size += row.value.value.len();
        let mut shown = json!({
            "start": row.start,
            "value": value(&row.value.value),
            "timestamp": row.value.timestamp,
        });
        if session {
            shown["end"] = row.end.into();
        }
        found.push(shown);
    }
    Ok(json!({
        "key": text,
        "partition": partition,
        "windows": found,
        "cursor": next,
        "position": position.to_string(),
    }))
}

/// The key that is asked for: as text, its bytes, its partition.
fn key<'a>(store: &StoreQuery, params: &'a Params) -> Result<(&'a str, Vec<u8>, i32), Refusal> {
    let kind = store.spec().key;
    let Some(text) = params.key.as_deref() else {
        return Err(Refusal::bad_request("the parameter `key` is missing"));
    };
    let bytes = key_text::read(kind, text).map_err(|told| Refusal::bad_request(&told))?;
    let partition = match params.partition {
        Some(partition) => partition,
        None if key_text::is_routed_whole(kind) => {
            partition_for(&bytes, store.partition_count().max(1))
        }
        None => {
            return Err(Refusal::bad_request(
                "the partition of such a key is not known here: name it with the parameter `partition`",
            ));
        }
    };
    if !(0..store.partition_count()).contains(&partition) {
        return Err(Refusal::bad_request(&format!(
            "there is no partition {partition}: the store has {}",
            store.partition_count()
        )));
    }
    Ok((text, bytes, partition))
}

fn limit(params: &Params) -> Result<usize, Refusal> {
    match params.limit.unwrap_or(ROWS) {
        limit @ 1..=MOST_ROWS => Ok(limit),
        limit => Err(Refusal::bad_request(&format!(
            "limit={limit}: an answer has 1 to {MOST_ROWS} rows; follow its cursor for more"
        ))),
    }
}

fn time(text: Option<&str>, name: &str, absent: i64) -> Result<i64, Refusal> {
    match text.map(str::parse) {
        None => Ok(absent),
        Some(Ok(time)) => Ok(time),
        Some(Err(_)) => Err(Refusal::bad_request(&format!(
            "`{name}` is a time in milliseconds since 1970"
        ))),
    }
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!({"base64": STANDARD.encode(bytes)}))
}

fn write_cursor(partition: i32, key: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([&partition.to_be_bytes()[..], key].concat())
}

fn read_cursor(text: &str) -> Result<(i32, Vec<u8>), Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    match bytes.split_first_chunk::<4>() {
        Some((partition, key)) => Ok((i32::from_be_bytes(*partition), key.to_vec())),
        None => Err(Refusal::bad_request(
            "this is no cursor that an answer carried",
        )),
    }
}
