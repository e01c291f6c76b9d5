//! Versioned stores.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::serde::Value;

const HISTORY_MS: i64 = 130_000;

#[derive(Debug, Clone)]
enum Step {
    Put(String, i64, Option<u64>),
    Happen(Event),
    Get(String, i64),
}

fn times() -> impl Strategy<Value = i64> {
    (0..40_i64).prop_map(|step| step * 15_000)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), times(), prop::option::weighted(0.7, 0..100_u64))
            .prop_map(|(key, time, value)| Step::Put(key, time, value)),
        3 => events().prop_map(Step::Happen),
        6 => (keys(), times()).prop_map(|(key, time)| Step::Get(key, time)),
    ];
    prop::collection::vec(step, 1..80)
}

#[derive(Debug, Clone)]
struct Model {
    versions: BTreeMap<String, BTreeMap<i64, Option<u64>>>,
    clock: i64,
}

impl Model {
    fn put(&mut self, key: &str, time: i64, value: Option<u64>) -> Version {
        if self.clock >= 0 && time < self.clock - HISTORY_MS {
            return Version::Dropped;
        }
        self.clock = self.clock.max(time);
        let versions = self.versions.entry(key.to_owned()).or_default();
        versions.insert(time, value);
        match versions.range(time + 1..).next() {
            None => Version::Latest,
            Some((&valid_to, _)) => Version::Older { valid_to },
        }
    }

    fn latest(&self, key: &str) -> Option<(u64, i64)> {
        let (time, value) = self.versions.get(key)?.last_key_value()?;
        Some(((*value)?, *time))
    }

    fn as_of(&self, key: &str, time: i64) -> Option<(u64, i64)> {
        let versions = self.versions.get(key)?;
        let (since, value) = versions.range(..=time).next_back()?;
        let is_latest = versions.range(since + 1..).next().is_none();
        if !is_latest && time < self.clock - HISTORY_MS {
            return None;
        }
        Some(((*value)?, *since))
    }
}

fn handle() -> VersionedStore<String, u64> {
    VersionedStore::new(ID, "store", "app-store-changelog", u64::codec())
}

const KIND: StoreKind = StoreKind::Versioned {
    history_ms: HISTORY_MS,
};

fn answers_as_of_any_time(backend: Backend, steps: Vec<Step>) {
    let mut rig = Rig::new(KIND, backend);
    let mut store = handle();
    let mut model = Model {
        versions: BTreeMap::new(),
        clock: -1,
    };
    let mut committed = model.clone();
    for step in steps {
        match step {
            Step::Put(key, time, value) => {
                let version = store
                    .put(&mut rig.stores, &key, value.as_ref(), time)
                    .expect("put");
                assert_eq!(version, model.put(&key, time, value));
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
            }
            Step::Get(key, time) => {
                assert_eq!(
                    store.get(&mut rig.stores, &key).expect("read"),
                    model.latest(&key)
                );
                assert_eq!(
                    store.get_as_of(&mut rig.stores, &key, time).expect("read"),
                    model.as_of(&key, time),
                    "{key:?} as of {time}"
                );
                let queried = rig.store().reader().get(key.as_bytes()).expect("read");
                assert_eq!(
                    queried.map(|stamped| stamped.timestamp),
                    committed.latest(&key).map(|(_, time)| time)
                );
            }
        }
    }
}

on_both_backends!(
    a_versioned_store_tells_what_was_current_at_a_time,
    steps(),
    answers_as_of_any_time
);

#[test]
fn the_changelog_of_a_versioned_store_holds_every_version_with_its_time() {
    let mut rig = Rig::new(KIND, Backend::Memory);
    let mut store = handle();
    let key = "a".to_owned();
    for (time, value) in [(10, Some(1)), (30, None), (20, Some(2))] {
        let version = store
            .put(&mut rig.stores, &key, value.as_ref(), time)
            .expect("put");
        assert_ne!(version, Version::Dropped);
    }
    rig.commit();
    let records: Vec<_> = rig
        .changelog
        .iter()
        .map(|logged| (logged.timestamp, logged.value.as_deref()))
        .collect();
    assert_eq!(
        records,
        [(10, Some(&b"1"[..])), (30, None), (20, Some(&b"2"[..]))]
    );
    assert!(rig.changelog.iter().all(|logged| logged.key == b"a"));
}

#[test]
fn deleted_keys_leave_a_versioned_store_in_memory_with_their_history() {
    let mut rig = Rig::new(KIND, Backend::Memory);
    let mut store = handle();
    for number in 0..100_i64 {
        let key = format!("k{number}");
        for (time, value) in [(0, Some(1)), (1, None)] {
            let version = store
                .put(&mut rig.stores, &key, value.as_ref(), time)
                .expect("put");
            assert_eq!(version, Version::Latest);
        }
    }
    rig.commit();
    assert!(rig.store().approximate_entries() >= 200);
    let version = store.put(
        &mut rig.stores,
        &"now".to_owned(),
        Some(&1),
        10 * HISTORY_MS,
    );
    assert_eq!(version.expect("put"), Version::Latest);
    rig.commit();
    assert_eq!(rig.store().approximate_entries(), 1);
}
