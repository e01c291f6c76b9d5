//! Key-value stores.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::serde::Value;

#[derive(Debug, Clone)]
enum Step {
    Put(String, Option<u64>),
    Happen(Event),
    Flush,
    Range(String, String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), prop::option::weighted(0.8, 0..100_u64)).prop_map(|(key, value)| Step::Put(key, value)),
        4 => events().prop_map(Step::Happen),
        1 => Just(Step::Flush),
        1 => (keys(), keys()).prop_map(|(from, to)| Step::Range(from, to)),
    ];
    prop::collection::vec(step, 1..60)
}

type Model = BTreeMap<String, (u64, i64)>;

fn handle() -> KeyValue<String, u64> {
    KeyValue::new(ID, "store", "app-store-changelog", u64::codec())
}

fn rows(model: &Model) -> Vec<(String, u64, i64)> {
    model
        .iter()
        .map(|(key, (value, timestamp))| (key.clone(), *value, *timestamp))
        .collect()
}

fn holds_what_was_put(backend: Backend, steps: Vec<Step>) {
    let mut rig = Rig::new(StoreKind::KeyValue, backend);
    let mut store = handle();
    let (mut model, mut committed) = (Model::new(), Model::new());
    for (time, step) in steps.into_iter().enumerate() {
        let time = time as i64;
        match step {
            Step::Put(key, value) => {
                store
                    .put(&mut rig.stores, &key, value.as_ref(), time)
                    .expect("put");
                match value {
                    Some(value) => model.insert(key, (value, time)),
                    None => model.remove(&key),
                };
            }
            Step::Flush => {
                // What is flushed and not committed is sent and lost: the next commit must not depend on it.
                let before = rig.changelog.len();
                let _ = rig.stores.flush(|_, _| -> Result<(), ()> { Err(()) });
                assert_eq!(rig.changelog.len(), before);
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
            }
            Step::Range(from, to) => {
                let mut found = Vec::new();
                store
                    .range(
                        &mut rig.stores,
                        from.clone()..to.clone(),
                        |key, value, timestamp| {
                            found.push((key, (value, timestamp)));
                            std::ops::ControlFlow::Continue(())
                        },
                    )
                    .expect("read");
                let expected: Vec<_> = if from < to {
                    model
                        .range((Bound::Included(from), Bound::Excluded(to)))
                        .map(|(key, value)| (key.clone(), *value))
                        .collect()
                } else {
                    Vec::new()
                };
                assert_eq!(found, expected);
            }
        }
        for key in ["a", "a\0", "zz"] {
            let found = store.get(&mut rig.stores, &key.to_owned()).expect("read");
            assert_eq!(found, model.get(key).copied());
        }
        assert_eq!(queried(&mut rig), committed);
    }
    assert_eq!(store.all(&mut rig.stores).expect("read"), rows(&model));
}

/// What queries see.
fn queried(rig: &mut Rig) -> Model {
    let reader = rig.store().reader();
    let rows = reader.range(Bound::Unbounded, Bound::Unbounded, usize::MAX);
    rows.expect("read")
        .into_iter()
        .map(|(key, stamped)| {
            let key = String::from_utf8(key.to_vec()).expect("text");
            let value = std::str::from_utf8(&stamped.value).expect("text");
            (key, (value.parse().expect("a number"), stamped.timestamp))
        })
        .collect()
}

on_both_backends!(
    a_key_value_store_holds_what_was_put_and_queries_see_what_was_committed,
    steps(),
    holds_what_was_put
);

#[test]
fn the_changelog_gets_one_record_per_key_and_commit_with_the_last_changes_timestamp() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Memory);
    let mut store = handle();
    for (key, value, time) in [("a", 1, 10), ("b", 2, 11), ("a", 3, 7)] {
        store
            .put(&mut rig.stores, &key.to_owned(), Some(&value), time)
            .expect("put");
    }
    store
        .put(&mut rig.stores, &"c".to_owned(), None, 9)
        .expect("put");
    rig.commit();
    let logged = |key: &str, value: Option<&str>, timestamp| Logged {
        key: key.into(),
        value: value.map(Into::into),
        timestamp,
    };
    assert_eq!(
        rig.changelog,
        [
            logged("a", Some("3"), 7),
            logged("b", Some("2"), 11),
            logged("c", None, 9)
        ]
    );
    rig.commit();
    assert_eq!(rig.changelog.len(), 3, "nothing changed");
}

#[test]
fn a_store_without_a_changelog_sends_nothing_and_commits() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    rig.spec.changelog = Changelog::None;
    rig.open();
    let mut store = handle();
    store
        .put(&mut rig.stores, &"a".to_owned(), Some(&1), 1)
        .expect("put");
    rig.stores
        .flush(|_, _| -> Result<(), StoreError> { unreachable!("nothing is logged") })
        .expect("flushed");
    rig.stores.commit(1, |_| None).expect("committed");
    rig.happen(Event::Reopen);
    assert_eq!(
        store.get(&mut rig.stores, &"a".to_owned()).expect("read"),
        Some((1, 1))
    );
}
