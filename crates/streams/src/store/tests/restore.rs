//! Restoring.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::*;

fn records(count: u64) -> Vec<Logged> {
    (0..count)
        .map(|number| Logged {
            key: (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (count / 2))
                .to_be_bytes()
                .to_vec(),
            value: (number % 7 != 0).then(|| vec![number as u8; 100]),
            timestamp: number as i64,
        })
        .collect()
}

fn rows(store: &Store) -> BTreeMap<Vec<u8>, (Vec<u8>, i64)> {
    let reader = store.reader();
    let rows = reader
        .range(Bound::Unbounded, Bound::Unbounded, usize::MAX)
        .expect("read");
    rows.into_iter()
        .map(|(key, row)| (key.to_vec(), (row.value.to_vec(), row.timestamp)))
        .collect()
}

#[test]
fn a_large_restore_goes_past_the_journal_and_keeps_the_last_of_each_key() {
    // Two tables of 8 MiB, and what is left.
    let changelog = records(120_000);
    let mut expected = BTreeMap::new();
    for logged in &changelog {
        match &logged.value {
            Some(value) => expected.insert(logged.key.clone(), (value.clone(), logged.timestamp)),
            None => expected.remove(&logged.key),
        };
    }
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    rig.changelog = changelog;
    rig.restore();
    assert_eq!(rig.store().checkpoint(), Some(119_999));
    assert_eq!(rows(rig.store()), expected);
    rig.happen(Event::Reopen);
    assert_eq!(rig.store().checkpoint(), Some(119_999));
    assert_eq!(rows(rig.store()), expected);
}

#[test]
fn a_restore_that_is_cut_short_goes_on_from_its_checkpoint() {
    let changelog = records(120_000);
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    let record = |offset: usize| ChangelogRecord {
        key: &changelog[offset].key,
        value: changelog[offset].value.as_deref(),
        timestamp: changelog[offset].timestamp,
        offset: offset as i64,
    };
    rig.store()
        .restore((0..90_000).map(record))
        .expect("restored");
    rig.happen(Event::Reopen);
    let next = rig.store().checkpoint().expect("some of it is written") + 1;
    assert!((30_000..90_000).contains(&next), "{next}");
    assert_eq!(
        rig.store().last_checkpoint().written_at_ms,
        0,
        "it has not seen the end"
    );
    rig.store()
        .restore((next as usize..120_000).map(record))
        .expect("restored");
    rig.store().finish_restore(9).expect("restored");
    let cut_short = rows(rig.store());
    rig.store().wipe().expect("wiped");
    rig.changelog.clone_from(&changelog);
    rig.restore();
    assert_eq!(rows(rig.store()), cut_short);
}

#[test]
fn keys_in_a_changelog_that_are_none_of_its_kind_are_passed_over() {
    for kind in [
        StoreKind::Window {
            retention_ms: 1000,
            layout: WindowLayout::KeyFirst,
        },
        StoreKind::Session { retention_ms: 1000 },
        StoreKind::JoinWindow { retention_ms: 1000 },
        StoreKind::Buffer,
    ] {
        let mut rig = Rig::new(kind, Backend::Memory);
        rig.changelog = vec![Logged {
            key: b"short".to_vec(),
            value: Some(vec![1]),
            timestamp: 1,
        }];
        rig.restore();
        assert_eq!(rig.store().checkpoint(), Some(0));
        assert_eq!(rig.store().approximate_entries(), 0);
    }
}
