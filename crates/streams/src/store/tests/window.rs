//! Window stores, in both orders.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::serde::Value;

/// More than one segment of a minute.
const RETENTION_MS: i64 = 130_000;

#[derive(Debug, Clone)]
enum Step {
    Put(String, i64, Option<u64>),
    Happen(Event),
    Fetch(String, i64, i64),
}

/// Times a few segments around one that moves on.
fn times() -> impl Strategy<Value = i64> {
    (0..40_i64).prop_map(|step| step * 20_000)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), times(), prop::option::weighted(0.8, 0..100_u64))
            .prop_map(|(key, start, value)| Step::Put(key, start, value)),
        3 => events().prop_map(Step::Happen),
        4 => (keys(), times(), times()).prop_map(|(key, from, to)| Step::Fetch(key, from, to)),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Debug, Clone)]
struct Model {
    rows: BTreeMap<(i64, String), (u64, i64)>,
    clock: i64,
}

impl Model {
    fn alive(&self, start: i64) -> bool {
        start > self.clock - RETENTION_MS
    }
}

fn handle() -> WindowStore<String, u64> {
    WindowStore::new(ID, "store", "app-store-changelog", u64::codec())
}

fn kind(layout: WindowLayout) -> StoreKind {
    StoreKind::Window {
        retention_ms: RETENTION_MS,
        layout,
    }
}

fn keeps_its_retention(backend: Backend, layout: WindowLayout, steps: Vec<Step>) {
    let mut rig = Rig::new(kind(layout), backend);
    let mut store = handle();
    let mut model = Model {
        rows: BTreeMap::new(),
        clock: -1,
    };
    let mut committed = model.clone();
    for (time, step) in steps.into_iter().enumerate() {
        match step {
            Step::Put(key, start, value) => {
                let stored = store
                    .put(&mut rig.stores, &key, start, value.as_ref(), time as i64)
                    .expect("put");
                model.clock = model.clock.max(start);
                let alive = model.alive(start);
                assert_eq!(stored, if alive { Stored::Yes } else { Stored::Expired });
                if alive {
                    match value {
                        Some(value) => model
                            .rows
                            .insert((start, key.clone()), (value, time as i64)),
                        None => model.rows.remove(&(start, key.clone())),
                    };
                }
                let found = store.get(&mut rig.stores, &key, start).expect("read");
                assert_eq!(
                    found,
                    value.filter(|_| alive).map(|value| (value, time as i64))
                );
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
            }
            Step::Fetch(key, from, to) => {
                let expected: Vec<_> = model
                    .rows
                    .iter()
                    .filter(|((start, other), _)| {
                        *other == key && (from..=to).contains(start) && model.alive(*start)
                    })
                    .map(|((start, _), (value, timestamp))| (*start, *value, *timestamp))
                    .collect();
                assert_eq!(
                    store.fetch(&mut rig.stores, &key, from, to).expect("read"),
                    expected
                );
                assert_in_order(&mut rig, &mut store, &model, from, to);
                assert_queried(&mut rig, &committed, &key, from, to);
            }
        }
    }
}

/// All living windows come in order of start, then key.
fn assert_in_order(
    rig: &mut Rig,
    store: &mut WindowStore<String, u64>,
    model: &Model,
    from: i64,
    to: i64,
) {
    let expected: Vec<_> = model
        .rows
        .iter()
        .filter(|((start, _), _)| (from..=to).contains(start) && model.alive(*start))
        .map(|((start, key), (value, timestamp))| WindowEntry {
            key: key.clone(),
            start: *start,
            value: *value,
            timestamp: *timestamp,
        })
        .collect();
    let found = store.starting_between(&mut rig.stores, from, to, usize::MAX);
    assert_eq!(found.expect("read"), expected);
    let first = store.starting_between(&mut rig.stores, from, to, 2);
    assert_eq!(first.expect("read"), expected[..expected.len().min(2)]);
}

/// Queries see the windows that are committed and alive, by the clock as of the commit.
fn assert_queried(rig: &mut Rig, committed: &Model, key: &str, from: i64, to: i64) {
    let expected: Vec<_> = committed
        .rows
        .keys()
        .filter(|(start, other)| {
            other == key && (from..=to).contains(start) && committed.alive(*start)
        })
        .map(|(start, _)| *start)
        .collect();
    let reader = rig.store().reader();
    let found = reader
        .fetch(key.as_bytes(), from, to, usize::MAX)
        .expect("read");
    let found: Vec<_> = found.into_iter().map(|window| window.start).collect();
    assert_eq!(found, expected);
    let all = reader.fetch_all(from, to, usize::MAX).expect("read");
    let alive = committed
        .rows
        .keys()
        .filter(|(start, _)| (from..=to).contains(start) && committed.alive(*start));
    assert_eq!(all.len(), alive.count());
}

on_both_backends!(
    windows_by_time_live_for_the_retention_and_no_longer,
    steps(),
    |backend, steps| {
        keeps_its_retention(backend, WindowLayout::TimeFirst, steps);
    }
);
on_both_backends!(
    windows_by_key_live_for_the_retention_and_no_longer,
    steps(),
    |backend, steps| {
        keeps_its_retention(backend, WindowLayout::KeyFirst, steps);
    }
);

#[test]
fn windows_that_are_expired_leave_memory_in_bounded_steps() {
    let mut rig = Rig::new(kind(WindowLayout::TimeFirst), Backend::Memory);
    let mut store = handle();
    for window in 0..5_000 {
        let stored = store.put(&mut rig.stores, &"a".to_owned(), window, Some(&1), 0);
        assert_eq!(stored.expect("put"), Stored::Yes);
    }
    rig.commit();
    assert_eq!(rig.store().approximate_entries(), 5_000);
    store.expire(&mut rig.stores, 10 * RETENTION_MS);
    assert!(
        store
            .fetch(&mut rig.stores, &"a".to_owned(), 0, 5_000)
            .expect("read")
            .is_empty()
    );
    rig.commit();
    let left = rig.store().approximate_entries();
    assert!((1..5_000).contains(&left), "{left} are left after one step");
    for step in 1..10 {
        store.expire(&mut rig.stores, 10 * RETENTION_MS + step);
        rig.commit();
    }
    assert_eq!(rig.store().approximate_entries(), 0);
}

#[test]
fn an_abort_moves_the_stores_clock_back() {
    let mut rig = Rig::new(kind(WindowLayout::TimeFirst), Backend::Disk);
    let mut store = handle();
    let key = "a".to_owned();
    let stored = store
        .put(&mut rig.stores, &key, 7, Some(&1), 0)
        .expect("put");
    assert_eq!(stored, Stored::Yes);
    rig.commit();
    store.expire(&mut rig.stores, 10 * RETENTION_MS);
    assert_eq!(store.get(&mut rig.stores, &key, 7).expect("read"), None);
    rig.happen(Event::Abort);
    assert_eq!(rig.store().clock(), 7);
    assert_eq!(
        store.get(&mut rig.stores, &key, 7).expect("read"),
        Some((1, 0))
    );
    rig.happen(Event::Reopen);
    assert_eq!(rig.store().clock(), 7, "saved with the rows");
}
