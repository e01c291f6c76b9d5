//! State on disk that nobody needs.

use std::time::Duration;

use super::*;

const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_hours(1);

fn open(directory: &TempDir) -> StateDatabase {
    StateDatabase::open(directory.path(), MemoryBudget::default()).expect("the database opens")
}

/// A store with one row, committed.
fn store(state: &StateDatabase, name: &str, partition: i32) -> Store {
    let spec = StoreSpec::new(name, StoreKind::KeyValue);
    let mut store = Store::open(spec, partition, state).expect("the store opens");
    if store.checkpoint().is_none() {
        let value = [&1_i64.to_be_bytes()[..], name.as_bytes()].concat();
        store.put(b"row", Some(&value), 1);
        let mut batch = state.batch(1);
        store.commit(&mut batch, Some(7));
        batch.commit().expect("committed");
    }
    store
}

fn row(store: &mut Store) -> Option<Vec<u8>> {
    let found = store.get(b"row").expect("read");
    found.map(|stored| stored[8..].to_vec())
}

/// The tables on disk, but that of the checkpoints.
fn tables(state: &StateDatabase) -> Vec<String> {
    let entries = std::fs::read_dir(state.directory().join("tables")).expect("tables");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .map(|name| name.expect("text"))
        .filter(|name| name != "checkpoints")
        .collect();
    found.sort();
    found
}

fn clean_up(state: &StateDatabase, delay: Duration) {
    state.clean_up(delay);
    state.rest();
}

#[test]
fn a_store_that_nobody_has_held_for_the_delay_is_deleted_with_its_checkpoint() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let mut kept = store(&state, "s", 0);
    drop(store(&state, "s", 1));
    clean_up(&state, LONG);
    assert_eq!(tables(&state), ["0.s", "1.s"], "the delay has not passed");
    clean_up(&state, AT_ONCE);
    assert_eq!(tables(&state), ["0.s"]);
    assert_eq!(row(&mut kept), Some(b"s".to_vec()));
    let spec = StoreSpec::new("s", StoreKind::KeyValue);
    let mut back = Store::open(spec, 1, &state).expect("the store opens");
    assert_eq!((back.checkpoint(), row(&mut back)), (None, None));
}

#[test]
fn a_store_that_a_reader_or_a_suspended_task_holds_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    let reader = store(&state, "s", 0).reader();
    let suspended = store(&state, "s", 1);
    clean_up(&state, AT_ONCE);
    assert_eq!(tables(&state), ["0.s", "1.s"]);
    let read = reader.get(b"row").expect("read").expect("a row");
    assert_eq!(&read.value[..], b"s");
    let second = reader.clone();
    drop((reader, suspended));
    clean_up(&state, AT_ONCE);
    assert_eq!(tables(&state), ["0.s"], "the second reader holds it");
    drop(second);
    clean_up(&state, AT_ONCE);
    assert!(tables(&state).is_empty());
}

#[test]
fn what_an_earlier_process_left_goes_too_whatever_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    for name in ["renamed", "odd/na%me \u{fc}"] {
        drop(store(&state, name, 3));
    }
    drop(state);
    let state = open(&directory);
    let mut kept = store(&state, "s", 0);
    assert_eq!(tables(&state).len(), 3);
    clean_up(&state, LONG);
    assert_eq!(tables(&state).len(), 3, "it may come to be needed");
    clean_up(&state, AT_ONCE);
    assert_eq!(tables(&state), ["0.s"]);
    assert!(!directory.path().join("deleted").exists());
    assert_eq!(row(&mut kept), Some(b"s".to_vec()));
}

#[test]
fn a_kill_before_or_after_a_table_was_moved_away_leaves_an_empty_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = open(&directory);
    drop(store(&state, "s", 0));
    let mut other = store(&state, "other", 0);
    let table = directory.path().join("tables/0.s");
    let copy = tempfile::tempdir().expect("a directory");
    for file in files(&table) {
        let to = copy.path().join(file.strip_prefix(&table).expect("within"));
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("made");
        std::fs::copy(file, to).expect("copied");
    }
    clean_up(&state, AT_ONCE);
    assert_eq!(tables(&state), ["0.other"]);
    assert_eq!(row(&mut other), Some(b"other".to_vec()));
    // As if it had been killed before the move, and in the middle of the delete.
    for place in ["tables", "deleted"] {
        let killed = as_killed(&directory, &state);
        let to = killed.path().join(place);
        std::fs::create_dir_all(&to).expect("made");
        for file in files(copy.path()) {
            let to = to
                .join("0.s")
                .join(file.strip_prefix(copy.path()).expect("within"));
            std::fs::create_dir_all(to.parent().expect("a parent")).expect("made");
            std::fs::copy(file, to).expect("copied");
        }
        let state = open(&killed);
        let spec = StoreSpec::new("s", StoreKind::KeyValue);
        let mut back = Store::open(spec, 0, &state).expect("the store opens");
        assert_eq!((back.checkpoint(), row(&mut back)), (None, None), "{place}");
        let mut other = store(&state, "other", 0);
        assert_eq!(row(&mut other), Some(b"other".to_vec()));
    }
}
