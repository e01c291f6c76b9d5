//! Session stores.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::serde::Value;
use crate::window::SessionWindow;

const RETENTION_MS: i64 = 130_000;

#[derive(Debug, Clone)]
enum Step {
    Put(String, i64, i64, Option<u64>),
    Happen(Event),
    Find(String, i64, i64),
}

fn times() -> impl Strategy<Value = i64> {
    (0..40_i64).prop_map(|step| step * 20_000)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), times(), 0..4_i64, prop::option::weighted(0.8, 0..100_u64))
            .prop_map(|(key, start, steps, value)| Step::Put(key, start, start + steps * 20_000, value)),
        3 => events().prop_map(Step::Happen),
        4 => (keys(), times(), times()).prop_map(|(key, from, to)| Step::Find(key, from, to)),
    ];
    prop::collection::vec(step, 1..60)
}

type Rows = BTreeMap<(i64, String, i64), (u64, i64)>;

fn keeps_its_retention(backend: Backend, steps: Vec<Step>) {
    let mut rig = Rig::new(
        StoreKind::Session {
            retention_ms: RETENTION_MS,
        },
        backend,
    );
    let mut store: SessionStore<String, u64> =
        SessionStore::new(ID, "store", "app-store-changelog", u64::codec());
    let (mut rows, mut clock) = (Rows::new(), -1);
    let mut committed = (rows.clone(), clock);
    for (time, step) in steps.into_iter().enumerate() {
        let time = time as i64;
        match step {
            Step::Put(key, start, end, value) => {
                let session = SessionWindow { start, end };
                let stored = store.put(&mut rig.stores, &key, session, value.as_ref(), time);
                clock = clock.max(end);
                let alive = end > clock - RETENTION_MS;
                assert_eq!(
                    stored.expect("put"),
                    if alive { Stored::Yes } else { Stored::Expired }
                );
                if alive {
                    match value {
                        Some(value) => rows.insert((end, key, start), (value, time)),
                        None => rows.remove(&(end, key, start)),
                    };
                }
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    (rows, clock) = committed.clone();
                } else {
                    committed = (rows.clone(), clock);
                }
            }
            Step::Find(key, from, to) => {
                assert_found(&mut rig, &mut store, &(&rows, clock), &key, from, to);
                let queried = rig
                    .store()
                    .reader()
                    .fetch(key.as_bytes(), from, to, usize::MAX);
                let expected = committed.0.keys().filter(|(end, other, start)| {
                    *other == key
                        && *end >= from
                        && *start <= to
                        && *end > committed.1 - RETENTION_MS
                        && from <= to
                });
                assert_eq!(queried.expect("read").len(), expected.count());
            }
        }
    }
}

/// The store tells the living sessions of a key, and of all keys.
fn assert_found(
    rig: &mut Rig,
    store: &mut SessionStore<String, u64>,
    (rows, clock): &(&Rows, i64),
    key: &str,
    from: i64,
    to: i64,
) {
    let alive = |end: i64| end > clock - RETENTION_MS;
    let expected: Vec<_> = rows
        .iter()
        .filter(|((end, other, start), _)| {
            *other == key && *end >= from && *start <= to && alive(*end)
        })
        .map(|((end, _, start), (value, timestamp))| {
            let session = SessionWindow {
                start: *start,
                end: *end,
            };
            (session, *value, *timestamp)
        })
        .collect();
    let found = store.find(&mut rig.stores, &key.to_owned(), from, to);
    assert_eq!(found.expect("read"), expected);
    let mut expected: Vec<_> = rows
        .keys()
        .filter(|(end, ..)| (from..=to).contains(end) && alive(*end))
        .cloned()
        .collect();
    expected.sort_by_key(|(end, key, start)| (*end, *start, key.clone()));
    let found: Vec<_> = store
        .ending_between(&mut rig.stores, from, to, usize::MAX)
        .expect("read")
        .into_iter()
        .map(|entry| (entry.session.end, entry.key, entry.session.start))
        .collect();
    assert_eq!(found, expected);
}

on_both_backends!(
    sessions_live_for_the_retention_and_no_longer,
    steps(),
    keeps_its_retention
);
