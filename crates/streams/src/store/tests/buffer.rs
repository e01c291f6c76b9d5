//! Buffers of records that wait for their time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::serde::Value;

fn handle() -> TimeOrderedBuffer<String, u64> {
    TimeOrderedBuffer::new(ID, "store", "app-store-changelog", u64::codec())
}

#[derive(Debug, Clone)]
enum Step {
    Add(i64, String, u64),
    Pop(i64, usize),
    Get(String),
    Happen(Event),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..20_i64, keys(), 0..100_u64).prop_map(|(time, key, value)| Step::Add(time, key, value)),
        3 => (0..20_i64, 1..5_usize).prop_map(|(time, limit)| Step::Pop(time, limit)),
        2 => keys().prop_map(Step::Get),
        3 => events().prop_map(Step::Happen),
    ];
    prop::collection::vec(step, 1..60)
}

fn size(key: &str, value: u64) -> u64 {
    (key.len() + value.to_string().len()) as u64
}

fn replaces_by_key(backend: Backend, steps: Vec<Step>) {
    let mut rig = Rig::new(StoreKind::Buffer, backend);
    let mut buffer = handle();
    let mut model: BTreeMap<(i64, String), u64> = BTreeMap::new();
    let mut committed = model.clone();
    for step in steps {
        match step {
            Step::Add(time, key, value) => {
                let waiting = model.keys().find(|(_, other)| *other == key).cloned();
                buffer
                    .replace(&mut rig.stores, time, &key, &value, 7)
                    .expect("put");
                model.insert(waiting.unwrap_or((time, key.clone())), value);
                assert_eq!(
                    buffer.get(&mut rig.stores, &key).expect("read"),
                    Some((value, 7))
                );
            }
            Step::Pop(time, limit) => {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|((waits, _), _)| *waits <= time)
                    .take(limit)
                    .map(|((time, key), value)| (*time, key.clone(), *value))
                    .collect();
                for (time, key, _) in &expected {
                    model.remove(&(*time, key.clone()));
                }
                let popped: Vec<_> = buffer
                    .pop_until(&mut rig.stores, time, limit)
                    .expect("read")
                    .into_iter()
                    .map(|entry| (entry.time, entry.key, entry.value))
                    .collect();
                assert_eq!(popped, expected);
            }
            Step::Get(key) => {
                let expected = model
                    .iter()
                    .find(|((_, other), _)| *other == key)
                    .map(|(_, value)| (*value, 7));
                assert_eq!(buffer.get(&mut rig.stores, &key).expect("read"), expected);
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
            }
        }
        assert_eq!(
            buffer.len(&mut rig.stores).expect("read"),
            model.len() as u64
        );
        let bytes: u64 = model
            .iter()
            .map(|((_, key), value)| size(key, *value))
            .sum();
        assert_eq!(buffer.bytes(&mut rig.stores).expect("read"), bytes);
        let earliest = model.keys().next().map(|(time, _)| *time);
        assert_eq!(buffer.earliest(&mut rig.stores).expect("read"), earliest);
    }
}

fn keeps_duplicates(backend: Backend, steps: Vec<Step>) {
    let mut rig = Rig::new(StoreKind::Buffer, backend);
    let mut buffer = handle();
    let mut model: BTreeMap<(i64, u8, String, usize), u64> = BTreeMap::new();
    let mut committed = model.clone();
    for (arrival, step) in steps.into_iter().enumerate() {
        match step {
            // Their records alternate with those of the key that they begin with.
            Step::Add(_, key, _) if key.contains('\0') => {}
            // Records that do not replace each other are none to be found by key.
            Step::Get(key) => {
                assert_eq!(buffer.get(&mut rig.stores, &key).expect("read"), None);
            }
            Step::Add(time, key, value) => {
                let group = (value % 2) as u8;
                buffer
                    .push(&mut rig.stores, time, group, &key, &value, 7)
                    .expect("put");
                model.insert((time, group, key, arrival), value);
            }
            Step::Pop(time, limit) => {
                let expected: Vec<_> = model
                    .iter()
                    .filter(|((waits, ..), _)| *waits <= time)
                    .take(limit)
                    .map(|(place, value)| (place.clone(), *value))
                    .collect();
                for (place, _) in &expected {
                    model.remove(place);
                }
                let popped = buffer
                    .pop_until(&mut rig.stores, time, limit)
                    .expect("read");
                let popped: Vec<_> = popped
                    .into_iter()
                    .map(|entry| (entry.time, entry.group, entry.key, entry.value))
                    .collect();
                let expected: Vec<_> = expected
                    .into_iter()
                    .map(|((time, group, key, _), value)| (time, group, key, value))
                    .collect();
                assert_eq!(popped, expected);
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
            }
        }
        assert_eq!(
            buffer.len(&mut rig.stores).expect("read"),
            model.len() as u64
        );
        let earliest = model.keys().next().map(|(time, ..)| *time);
        assert_eq!(buffer.earliest(&mut rig.stores).expect("read"), earliest);
    }
}

on_both_backends!(
    a_buffer_hands_out_the_latest_of_each_key_when_its_time_has_come,
    steps(),
    replaces_by_key
);
on_both_backends!(
    a_buffer_of_duplicates_hands_out_all_in_order,
    steps(),
    keeps_duplicates
);
