//! What survives, what is refused, and how much memory it takes.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};

use super::*;

fn put(store: &mut Store, key: &[u8], value: &[u8]) {
    let mut stored = 1_i64.to_be_bytes().to_vec();
    stored.extend_from_slice(value);
    store.put(key, Some(&stored), 1);
}

fn value(store: &mut Store, key: &[u8]) -> Option<Vec<u8>> {
    let stored = store.get(key).expect("read");
    stored.map(|stored| stored[8..].to_vec())
}

fn spec(name: &str) -> StoreSpec {
    StoreSpec::new(name, StoreKind::KeyValue)
}

fn open(directory: &TempDir) -> StateDatabase {
    StateDatabase::open(directory.path(), MemoryBudget::default()).expect("the database opens")
}

#[test]
fn local_state_survives_a_crash_with_the_offset_it_was_committed_with() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    put(rig.store(), b"a", b"1");
    rig.stores.commit(1, |_| Some(41)).expect("committed");
    put(rig.store(), b"a", b"2");
    put(rig.store(), b"b", b"2");
    rig.stores
        .flush(|_, _| -> Result<(), ()> { Ok(()) })
        .expect("flushed");
    rig.happen(Event::Reopen);
    let store = rig.store();
    assert_eq!(value(store, b"a"), Some(b"1".to_vec()));
    assert_eq!(value(store, b"b"), None);
    assert_eq!(store.checkpoint(), Some(41));
}

#[test]
fn uncommitted_state_is_never_exposed_to_queries() {
    for backend in [Backend::Memory, Backend::Disk] {
        let mut rig = Rig::new(StoreKind::KeyValue, backend);
        let reader = rig.store().reader();
        put(rig.store(), b"a", b"1");
        rig.stores
            .flush(|_, _| -> Result<(), ()> { Ok(()) })
            .expect("flushed");
        assert_eq!(
            value(rig.store(), b"a"),
            Some(b"1".to_vec()),
            "the task sees its own"
        );
        assert_eq!(reader.get(b"a").expect("read"), None);
        rig.commit();
        let read = reader.get(b"a").expect("read").expect("committed");
        assert_eq!((&read.value[..], read.timestamp), (&b"1"[..], 1));
        put(rig.store(), b"a", b"2");
        rig.happen(Event::Abort);
        assert_eq!(reader.get(b"a").expect("read"), Some(read));
    }
}

#[test]
fn stores_of_a_task_commit_together_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut stores = Stores::default();
    stores.insert(
        StoreId(0),
        Store::open(spec("one"), 3, &state).expect("opens"),
    );
    stores.insert(
        StoreId(2),
        Store::open(spec("two"), 3, &state).expect("opens"),
    );
    for (_, store) in stores.iter_mut() {
        put(store, b"a", b"1");
    }
    // A batch that is dropped instead of committed is what a crash before the commit is.
    let mut batch = stores.batch(1);
    for (_, store) in stores.iter_mut() {
        store.commit(&mut batch, Some(7));
    }
    drop(batch);
    drop(stores);
    let mut stores = Stores::default();
    stores.insert(
        StoreId(0),
        Store::open(spec("one"), 3, &state).expect("opens"),
    );
    stores.insert(
        StoreId(2),
        Store::open(spec("two"), 3, &state).expect("opens"),
    );
    for (_, store) in stores.iter_mut() {
        assert_eq!((value(store, b"a"), store.checkpoint()), (None, None));
        put(store, b"a", b"2");
    }
    stores.commit(2, |id| Some(id.0 as i64)).expect("committed");
    drop((stores, state));
    let state = open(&directory);
    for (name, offset) in [("one", 0), ("two", 2)] {
        let mut store = Store::open(spec(name), 3, &state).expect("opens");
        assert_eq!(value(&mut store, b"a"), Some(b"2".to_vec()));
        assert_eq!(store.checkpoint(), Some(offset));
    }
}

#[test]
fn a_store_that_was_declared_otherwise_begins_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut stores = Stores::default();
    stores.insert(ID, Store::open(spec("s"), 0, &state).expect("opens"));
    put(stores.get_mut(ID), b"a", b"1");
    stores.commit(1, |_| Some(7)).expect("committed");
    drop(stores);
    let session = StoreSpec::new("s", StoreKind::Session { retention_ms: 1000 });
    let mut store = Store::open(session, 0, &state).expect("opens");
    assert_eq!(store.checkpoint(), None);
    assert_eq!(value(&mut store, b"a"), None);
}

/// A row of a commit, which is at the offset of its number.
fn row(commit: i64, row: usize) -> Vec<u8> {
    format!("{commit} {row}").into_bytes()
}

const COMMITS: RangeInclusive<i64> = 1..=3;
const ROWS: usize = 50;

/// Reads all rows there may be: those of the commits up to the checkpoint are there, others are not.
fn all_rows_or_no_checkpoint(store: &mut Store, damaged: &str) -> Result<(), StoreError> {
    let upto = store.checkpoint().unwrap_or(0);
    for commit in COMMITS {
        for number in 0..ROWS {
            let there = store.get(&row(commit, number))?.is_some();
            assert_eq!(
                there,
                commit <= upto,
                "{damaged}: row {number} of commit {commit}, with the checkpoint at {upto}"
            );
        }
    }
    Ok(())
}

const DAMAGES: [fn(&mut Vec<u8>); 5] = [
    Vec::clear,
    |file| *file = b"no such thing".to_vec(),
    |file| file.truncate(file.len() / 2),
    |file| file.truncate(file.len().saturating_sub(1)),
    |file| {
        let bytes = file.iter_mut().skip(40).step_by(500);
        bytes.for_each(|byte| *byte ^= 1);
    },
];

/// Damages each file of a copy of the directory in turn: the database opens, or is refused. Counts those refused, and
/// those that opened with the checkpoint of each commit, or with none.
fn damage_each_file(directory: &TempDir, state: &StateDatabase) -> (usize, BTreeMap<i64, usize>) {
    let (mut refused, mut opened) = (0, BTreeMap::new());
    for (number, damage) in DAMAGES.into_iter().enumerate() {
        for path in files(directory.path()) {
            let copy = as_killed(directory, state);
            let file = path.strip_prefix(directory.path()).expect("within");
            let mut bytes = std::fs::read(copy.path().join(file)).expect("read");
            damage(&mut bytes);
            std::fs::write(copy.path().join(file), bytes).expect("written");
            let damaged = format!("damage {number} to {}", file.display());
            let state = StateDatabase::open(copy.path(), MemoryBudget::default());
            let checkpoint = state.and_then(|state| {
                let mut store = Store::open(spec("s"), 0, &state)?;
                all_rows_or_no_checkpoint(&mut store, &damaged)?;
                Ok(store.checkpoint().unwrap_or(0))
            });
            match checkpoint {
                Ok(checkpoint) => *opened.entry(checkpoint).or_default() += 1,
                Err(error) => {
                    assert!(
                        matches!(error, StoreError::Damaged { .. }),
                        "{damaged}: {error:?}"
                    );
                    let text = error.to_string();
                    let name = copy.path().display().to_string();
                    assert!(
                        text.contains(&name) && text.contains("delete the directory"),
                        "{damaged}: {text}"
                    );
                    refused += 1;
                }
            }
        }
    }
    (refused, opened)
}

#[test]
fn a_locked_or_damaged_directory_is_named_with_the_remedy_or_has_all_of_its_checkpoint() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let name = directory.path().display().to_string();
    let locked = StateDatabase::open(directory.path(), MemoryBudget::default())
        .expect_err("is open already");
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked:?}");
    assert!(locked.to_string().contains(&name), "{locked}");
    let mut stores = Stores::default();
    stores.insert(ID, Store::open(spec("s"), 0, &state).expect("opens"));
    for commit in COMMITS {
        for number in 0..ROWS {
            put(stores.get_mut(ID), &row(commit, number), b"1");
        }
        stores.commit(1, |_| Some(commit)).expect("committed");
    }
    let (refused, opened) = damage_each_file(&directory, &state);
    assert!(refused > 0, "{opened:?}");
    assert!(opened.len() > 1, "a log that is cut has less: {opened:?}");
    drop((stores, state));

    let state = open(&directory);
    let mut whole = Store::open(spec("s"), 0, &state).expect("opens");
    assert_eq!(whole.checkpoint(), Some(*COMMITS.end()));
    all_rows_or_no_checkpoint(&mut whole, "nothing").expect("read");
    let (refused, _) = damage_each_file(&directory, &state);
    assert!(refused > 0);
}

#[test]
fn rows_beyond_the_caches_and_write_buffers_come_back_from_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDatabase::open(directory.path(), MemoryBudget::of(0)).expect("opens");
    let mut stores = Stores::default();
    for index in 0..4 {
        let store = Store::open(spec(&format!("s{index}")), 0, &state).expect("opens");
        stores.insert(StoreId(index), store);
    }
    // 5 MB each, in write buffers of 4 MiB for all of them.
    for round in 0..50_u32 {
        for (_, store) in stores.iter_mut() {
            for row in 0..1000_u32 {
                put(
                    store,
                    &(round * 1000 + row).to_be_bytes(),
                    &[row as u8; 100],
                );
            }
        }
        stores
            .commit(1, |_| Some(i64::from(round)))
            .expect("committed");
    }
    for (_, store) in stores.iter_mut() {
        for row in (0..50_000_u32).step_by(997) {
            let expected = vec![(row % 1000) as u8; 100];
            assert_eq!(value(store, &row.to_be_bytes()), Some(expected));
        }
        let reader = store.reader();
        let rows = reader
            .range(Bound::Unbounded, Bound::Unbounded, usize::MAX)
            .expect("read");
        assert_eq!(rows.len(), 50_000);
    }
}

#[test]
fn a_write_that_the_changelog_refuses_is_sent_again() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Memory);
    put(rig.store(), b"a", b"1");
    put(rig.store(), b"b", b"1");
    let mut left = 1;
    let refused = rig.stores.flush(|_, _| {
        left -= 1;
        if left < 0 { Err("full") } else { Ok(()) }
    });
    assert_eq!(refused, Err("full"));
    rig.commit();
    assert_eq!(rig.changelog.len(), 2);
}

#[test]
fn expired_rows_leave_the_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDatabase::open(directory.path(), MemoryBudget::of(0)).expect("opens");
    let kind = StoreKind::Window {
        retention_ms: 400,
        layout: WindowLayout::TimeFirst,
    };
    let mut stores = Stores::default();
    stores.insert(
        ID,
        Store::open(StoreSpec::new("w", kind), 0, &state).expect("opens"),
    );
    for start in 0..1600_i64 {
        let store = stores.get_mut(ID);
        for key in 0..100_u8 {
            let row = [&start.to_be_bytes()[..], &[key]].concat();
            put(store, &row, &[key; 100]);
        }
        store.observe(start);
        stores.commit(1, |_| Some(start)).expect("committed");
    }
    // 400 windows of about 12 KB live; in all there were 19 MB.
    let settled = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        stores.get_mut(ID).approximate_bytes() < 12_000_000
    });
    assert!(
        settled,
        "{} bytes are left",
        stores.get_mut(ID).approximate_bytes()
    );
    let reader = stores.get_mut(ID).reader();
    assert_eq!(
        reader.fetch_all(0, 5000, usize::MAX).expect("read").len(),
        40_000
    );
}

#[test]
fn a_store_in_which_nothing_changes_does_not_age_while_it_is_open() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    put(rig.store(), b"a", b"1");
    rig.stores.commit(1, |_| Some(7)).expect("committed");
    rig.stores
        .commit(3_600_001, |_| Some(7))
        .expect("committed");
    assert_eq!(rig.store().last_checkpoint().written_at_ms, 1);
    rig.stores
        .commit(3_600_002, |_| Some(7))
        .expect("committed");
    rig.happen(Event::Reopen);
    let checkpoint = rig.store().last_checkpoint();
    assert_eq!(
        (checkpoint.written_at_ms, checkpoint.offset),
        (3_600_002, Some(7))
    );
}

#[test]
fn a_key_that_no_store_could_take_is_refused() {
    let mut rig = Rig::new(StoreKind::KeyValue, Backend::Disk);
    let codec = <u64 as crate::serde::Value>::codec();
    let mut store: KeyValue<String, u64> = KeyValue::new(ID, "store", "store-changelog", codec);
    let longest = "k".repeat(65_000);
    store
        .put(&mut rig.stores, &longest, Some(&1), 1)
        .expect("put");
    rig.commit();
    assert_eq!(
        store.get(&mut rig.stores, &longest).expect("read"),
        Some((1, 1))
    );
    let refused = store.put(&mut rig.stores, &"k".repeat(65_001), Some(&1), 1);
    let error = refused.expect_err("too long").to_string();
    assert!(
        error.contains("store \"store\"") && error.contains("65000"),
        "{error}"
    );
}

fn record<'a>(key: &'a [u8], value: &'a [u8], offset: i64) -> ChangelogRecord<'a> {
    ChangelogRecord {
        key,
        value: Some(value),
        timestamp: 1,
        offset,
    }
}

/// The bytes of the log of commits, and its files.
fn log_of(directory: &std::path::Path) -> (u64, usize) {
    let files = files(&directory.join("log"));
    let bytes = files
        .iter()
        .map(|file| file.metadata().expect("a file").len());
    (bytes.sum(), files.len())
}

#[test]
fn what_was_restored_after_a_wipe_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    put(&mut store, b"gone", b"1");
    let mut batch = state.batch(1);
    store.commit(&mut batch, Some(3));
    batch.commit().expect("committed");
    store.wipe().expect("wiped");
    // Enough for a table of its own.
    let keys: Vec<_> = (0..10_000_u32).map(u32::to_be_bytes).collect();
    let records = keys.iter().zip(0..);
    store
        .restore(records.map(|(key, offset)| record(key, &[7; 50], offset)))
        .expect("restored");
    store.finish_restore(9).expect("restored");

    let killed = as_killed(&directory, &state);
    let state = open(&killed);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    assert_eq!(store.checkpoint(), Some(9_999));
    for key in &keys {
        assert_eq!(value(&mut store, key), Some(vec![7; 50]));
    }
    assert_eq!(value(&mut store, b"gone"), None);
}

#[test]
fn rows_that_were_committed_before_a_restore_do_not_come_back_over_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut stores = Stores::default();
    for (index, name) in ["s", "other"].into_iter().enumerate() {
        let store = Store::open(spec(name), 0, &state).expect("opens");
        stores.insert(StoreId(index), store);
    }
    for (_, store) in stores.iter_mut() {
        put(store, &7_u32.to_be_bytes(), b"old");
        put(store, b"kept", b"1");
    }
    stores.commit(1, |_| Some(0)).expect("committed");
    let keys: Vec<_> = (0..10_000_u32).map(u32::to_be_bytes).collect();
    let records = keys.iter().zip(1..);
    let store = stores.get_mut(ID);
    store
        .restore(records.map(|(key, offset)| record(key, &[7; 50], offset)))
        .expect("restored");
    store.finish_restore(9).expect("restored");
    put(store, b"new", b"1");
    stores.commit(2, |_| None).expect("committed");

    let killed = as_killed(&directory, &state);
    let state = open(&killed);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    assert_eq!(store.checkpoint(), Some(10_000));
    assert_eq!(value(&mut store, &7_u32.to_be_bytes()), Some(vec![7; 50]));
    for key in [&b"kept"[..], b"new"] {
        assert_eq!(value(&mut store, key), Some(b"1".to_vec()));
    }
    let mut other = Store::open(spec("other"), 0, &state).expect("opens");
    assert_eq!(
        value(&mut other, &7_u32.to_be_bytes()),
        Some(b"old".to_vec())
    );
}

#[test]
fn the_log_of_commits_is_no_longer_than_the_write_buffers_are_large() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = StateDatabase::open(directory.path(), MemoryBudget::of(0)).expect("opens");
    let mut stores = Stores::default();
    stores.insert(ID, Store::open(spec("s"), 0, &state).expect("opens"));
    let mut most = 0;
    for round in 0..200_u32 {
        for row in 0..1000_u32 {
            let key = (round * 1000 + row).to_be_bytes();
            put(stores.get_mut(ID), &key, &[row as u8; 100]);
        }
        stores
            .commit(1, |_| Some(i64::from(round)))
            .expect("committed");
        most = most.max(log_of(directory.path()).0);
    }
    // 24 MB were committed.
    assert!(most < 5_000_000, "{most} bytes of log");
    let killed = as_killed(&directory, &state);
    let state = open(&killed);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    assert_eq!(store.checkpoint(), Some(199));
    for row in 0..200_000_u32 {
        let expected = vec![(row % 1000) as u8; 100];
        assert_eq!(value(&mut store, &row.to_be_bytes()), Some(expected));
    }
}

#[test]
fn a_process_that_is_killed_again_and_again_leaves_few_logs() {
    let mut directory = tempfile::tempdir().expect("a directory");
    for round in 0..30_u32 {
        let state = open(&directory);
        let mut stores = Stores::default();
        stores.insert(ID, Store::open(spec("s"), 0, &state).expect("opens"));
        let store = stores.get_mut(ID);
        for earlier in 0..round {
            assert_eq!(value(store, &earlier.to_be_bytes()), Some(vec![1]));
        }
        put(store, &round.to_be_bytes(), &[1]);
        stores
            .commit(1, |_| Some(i64::from(round)))
            .expect("committed");
        let (_, logs) = log_of(directory.path());
        assert!(logs < 15, "{logs} logs after {round} kills");
        let killed = as_killed(&directory, &state);
        drop((stores, state));
        directory = killed;
    }
}

#[test]
fn a_wiped_store_leaves_no_files_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    let value = [7; 100];
    for _ in 0..3 {
        let rows = (0..5000_u32).map(u32::to_be_bytes);
        let rows: Vec<_> = rows.collect();
        let records = rows.iter().zip(0..);
        store
            .restore(records.map(|(key, offset)| record(key, &value, offset)))
            .expect("restored");
        store.finish_restore(1).expect("restored");
        assert!(store.approximate_bytes() > 100_000);
        store.wipe().expect("wiped");
        state.rest();
        let left = files(&directory.path().join("tables/0.s/tables"));
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_table_whose_list_of_files_is_lost_is_damaged_not_empty() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut store = Store::open(spec("s"), 0, &state).expect("opens");
    let keys: Vec<_> = (0..5000_u32).map(u32::to_be_bytes).collect();
    let records = keys.iter().zip(0..);
    store
        .restore(records.map(|(key, offset)| record(key, &[7; 100], offset)))
        .expect("restored");
    store.finish_restore(1).expect("restored");
    drop((store, state));
    std::fs::remove_file(directory.path().join("tables/0.s/current")).expect("deleted");
    let opened = StateDatabase::open(directory.path(), MemoryBudget::default());
    let refused = opened.and_then(|state| Store::open(spec("s"), 0, &state));
    let error = refused.expect_err("its rows are lost");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn a_panic_while_state_is_written_is_told_to_who_commits() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut stores = Stores::default();
    stores.insert(ID, Store::open(spec("s"), 0, &state).expect("opens"));
    state.shared.compactor.clean(|| panic!("on purpose"));
    state.rest();
    put(stores.get_mut(ID), b"a", b"1");
    let error = stores.commit(1, |_| Some(1)).expect_err("refused");
    assert!(error.to_string().contains("panicked"), "{error}");
}
