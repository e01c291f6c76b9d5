//! Stores of stream-stream joins.

use proptest::prelude::*;

use super::*;
use crate::serde::Value;

const RETENTION_MS: i64 = 130_000;

#[derive(Debug, Clone)]
enum Step {
    Put(String, i64),
    Happen(Event),
    Fetch(String, i64, i64),
}

fn times() -> impl Strategy<Value = i64> {
    (0..40_i64).prop_map(|step| step * 20_000)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (keys(), times()).prop_map(|(key, time)| Step::Put(key, time)),
        3 => events().prop_map(Step::Happen),
        4 => (keys(), times(), times()).prop_map(|(key, from, to)| Step::Fetch(key, from, to)),
    ];
    prop::collection::vec(step, 1..60)
}

fn keeps_every_record(backend: Backend, steps: Vec<Step>) {
    let rig = Rig::new(
        StoreKind::JoinWindow {
            retention_ms: RETENTION_MS,
        },
        backend,
    );
    checked(rig, steps);
}

/// Next to nothing of what was committed stays in memory.
fn keeps_every_record_without_a_cache(backend: Backend, steps: Vec<Step>) {
    let kind = StoreKind::JoinWindow {
        retention_ms: RETENTION_MS,
    };
    let mut rig = Rig::new(kind, backend);
    rig.budget.row_cache_bytes = 300;
    rig.happen(Event::Reopen);
    checked(rig, steps);
}

fn checked(mut rig: Rig, steps: Vec<Step>) {
    let mut store: JoinWindow<String, u64> =
        JoinWindow::new(ID, "store", "app-store-changelog", u64::codec());
    let mut found = Vec::new();
    // Time, arrival, key: values are the arrivals.
    let (mut rows, mut clock): (Vec<(i64, u64, String)>, i64) = (Vec::new(), -1);
    let mut committed = (rows.clone(), clock);
    for (arrival, step) in steps.into_iter().enumerate() {
        let arrival = arrival as u64;
        match step {
            Step::Put(key, time) => {
                let stored = store
                    .put(&mut rig.stores, &key, &arrival, time)
                    .expect("put");
                clock = clock.max(time);
                let alive = time > clock - RETENTION_MS;
                assert_eq!(stored, if alive { Stored::Yes } else { Stored::Expired });
                if alive {
                    rows.push((time, arrival, key));
                }
            }
            Step::Happen(event) => {
                if rig.happen(event) {
                    (rows, clock) = committed.clone();
                } else {
                    committed = (rows.clone(), clock);
                }
            }
            Step::Fetch(key, from, to) => {
                let mut expected: Vec<_> = rows
                    .iter()
                    .filter(|(time, _, other)| {
                        *other == key && (from..=to).contains(time) && *time > clock - RETENTION_MS
                    })
                    .map(|(time, arrival, _)| (*time, *arrival))
                    .collect();
                expected.sort_unstable();
                store
                    .fetch(&mut rig.stores, &key, (from, to), &mut found)
                    .expect("read");
                let found: Vec<_> = found.iter().map(|it| (it.time, it.value)).collect();
                assert_eq!(found, expected);
            }
        }
    }
}

on_both_backends!(
    a_join_keeps_every_record_of_its_window_in_order_of_time_and_arrival,
    steps(),
    keeps_every_record
);

on_both_backends!(
    a_join_that_forgets_what_was_committed_finds_it_below,
    steps(),
    keeps_every_record_without_a_cache
);

#[test]
fn what_a_join_had_in_memory_is_found_after_its_changelog_told_more() {
    for backend in [Backend::Memory, Backend::Disk] {
        let kind = StoreKind::JoinWindow {
            retention_ms: RETENTION_MS,
        };
        let mut rig = Rig::new(kind, backend);
        let mut store: JoinWindow<String, u64> =
            JoinWindow::new(ID, "store", "app-store-changelog", u64::codec());
        let key = "a".to_owned();
        let stored = store.put(&mut rig.stores, &key, &7, 10).expect("put");
        assert_eq!(stored, Stored::Yes);
        rig.commit();
        // Another instance has had the task meanwhile, and it is back.
        let first = rig.changelog[0].clone();
        let elsewhere = [&b"b"[..], &20_i64.to_be_bytes(), &1_u32.to_be_bytes()].concat();
        let record = ChangelogRecord {
            key: &elsewhere,
            value: first.value.as_deref(),
            timestamp: 20,
            offset: 1,
        };
        rig.store().restore([record]).expect("restored");
        rig.store().finish_restore(5).expect("restored");
        let mut found = Vec::new();
        for (key, time) in [("b", 20), ("a", 10)] {
            store
                .fetch(&mut rig.stores, &key.to_owned(), (0, 100), &mut found)
                .expect("read");
            let times: Vec<_> = found.iter().map(|it| it.time).collect();
            assert_eq!(times, [time], "{key} {backend:?}");
        }
    }
}
