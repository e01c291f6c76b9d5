//! Workers that use the one database at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// Rows that there may be, and what is in them: none of a deleted one.
type Model = BTreeMap<u32, u8>;

fn open(worker: u32, state: &StateDatabase) -> Store {
    let spec = StoreSpec::new(format!("s{worker}"), StoreKind::KeyValue);
    Store::open(spec, 0, state).expect("the store opens")
}

fn is_as(store: &mut Store, model: &Model) {
    for key in (0..5000_u32).step_by(61) {
        let found = store.get(&key.to_be_bytes()).expect("read");
        let found = found.map(|stored| stored[8]);
        assert_eq!(found, model.get(&key).copied(), "row {key}");
    }
}

fn commit(state: &StateDatabase, store: &mut Store, model: &mut Model, round: u32) {
    for row in 0..1000_u32 {
        let key = (round * 997 + row * 3) % 5000;
        if row % 10 == 0 {
            store.put(&key.to_be_bytes(), None, 1);
            model.remove(&key);
        } else {
            let value = [&1_i64.to_be_bytes()[..], &[round as u8; 100]].concat();
            store.put(&key.to_be_bytes(), Some(&value), 1);
            model.insert(key, round as u8);
        }
    }
    let mut batch = state.batch(1);
    store.commit(&mut batch, Some(i64::from(round)));
    batch.commit().expect("committed");
}

fn restore(store: &mut Store, model: &mut Model, round: u32) {
    let keys: Vec<_> = (0..3000_u32)
        .map(|row| (round * 991 + row) % 5000)
        .collect();
    let bytes: Vec<_> = keys.iter().map(|key| key.to_be_bytes()).collect();
    let value = [round as u8; 100];
    let records = bytes.iter().map(|key| ChangelogRecord {
        key,
        value: Some(&value),
        timestamp: 1,
        offset: i64::from(round),
    });
    store.restore(records).expect("restored");
    store.finish_restore(1).expect("restored");
    model.extend(keys.into_iter().map(|key| (key, round as u8)));
}

fn work(worker: u32, state: &StateDatabase) -> (Store, Model) {
    let mut model = Model::new();
    let mut store = open(worker, state);
    for round in 0..100_u32 {
        match (round * 7 + worker * 3) % 11 {
            0..=5 => commit(state, &mut store, &mut model, round),
            6..=8 => restore(&mut store, &mut model, round),
            9 => {
                drop(store);
                store = open(worker, state);
                if store.checkpoint().is_none() {
                    // It was cleaned up meanwhile.
                    model.clear();
                }
            }
            _ => {
                store.wipe().expect("wiped");
                model.clear();
            }
        }
        state.clean_up(Duration::ZERO);
        is_as(&mut store, &model);
    }
    (store, model)
}

#[test]
fn workers_that_commit_restore_wipe_and_leave_at_once_have_each_their_own_rows_also_after_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDatabase::open(directory.path(), MemoryBudget::of(0)).expect("opens");
    let held: Vec<_> = std::thread::scope(|scope| {
        let state = &state;
        let workers: Vec<_> = (0..3)
            .map(|worker| scope.spawn(move || work(worker, state)))
            .collect();
        let ended = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|held| held.expect("no panic")).collect()
    });
    let killed = as_killed(&directory, &state);
    let after = StateDatabase::open(killed.path(), MemoryBudget::of(0)).expect("opens");
    for (worker, (store, model)) in (0..).zip(&held) {
        let mut back = open(worker, &after);
        assert_eq!(back.checkpoint(), store.checkpoint());
        is_as(&mut back, model);
    }
}
