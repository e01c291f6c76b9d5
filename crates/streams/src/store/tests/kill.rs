//! A process that is killed while it commits.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

/// Tells the test below that it is the child, and where.
const DIRECTORY: &str = "HEADWATER_STREAMS_KILLED_IN";

const STORES: usize = 3;

fn open(directory: &std::path::Path) -> Stores {
    let state = StateDatabase::open(directory, MemoryBudget::of(0)).expect("the database opens");
    let mut stores = Stores::default();
    for index in 0..STORES {
        let spec = StoreSpec::new(format!("s{index}"), StoreKind::KeyValue);
        stores.insert(
            StoreId(index),
            Store::open(spec, 0, &state).expect("the store opens"),
        );
    }
    stores
}

/// Commit `n` writes `n` to a hundred rows of each store, and to row `n`; its offset is `n`.
fn commit_forever(directory: &std::path::Path) {
    let mut stores = open(directory);
    let first = stores
        .get_mut(StoreId(0))
        .checkpoint()
        .map_or(0, |offset| offset + 1);
    for commit in first.. {
        for (_, store) in stores.iter_mut() {
            let value = [&commit.to_be_bytes()[..], &[7; 200]].concat();
            for row in 0..100_u8 {
                store.put(&[row], Some(&value), commit);
            }
            store.put(&commit.to_be_bytes(), Some(&value), commit);
        }
        stores.commit(commit, |_| Some(commit)).expect("committed");
    }
}

#[test]
fn a_kill_while_committing_leaves_rows_and_checkpoints_of_one_commit() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        commit_forever(directory.as_ref());
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut last = -1;
    for round in 0..6 {
        let mut child = Command::new(std::env::current_exe().expect("this test's binary"))
            .args(["--exact", "--nocapture", "store::tests::kill::a_kill_while_committing_leaves_rows_and_checkpoints_of_one_commit"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the child starts");
        std::thread::sleep(Duration::from_millis(400 + 130 * round));
        child.kill().expect("killed");
        child.wait().expect("ended");
        last = check(directory.path()).max(last);
    }
    assert!(last > 10, "the children committed {last} times only");
}

fn check(directory: &std::path::Path) -> i64 {
    let mut stores = open(directory);
    let Some(commit) = stores.get_mut(StoreId(0)).checkpoint() else {
        return -1;
    };
    for (id, store) in stores.iter_mut() {
        assert_eq!(store.checkpoint(), Some(commit), "{id:?}");
        let mut expect = |key: &[u8], expected: Option<i64>| {
            let found = store.get(key).expect("read");
            let found = found
                .map(|stored| i64::from_be_bytes(stored[..8].try_into().expect("eight bytes")));
            assert_eq!(found, expected, "row {key:?} of {id:?} at commit {commit}");
        };
        for row in 0..100 {
            expect(&[row], Some(commit));
        }
        for past in 0..=commit {
            expect(&past.to_be_bytes(), Some(past));
        }
        expect(&(commit + 1).to_be_bytes(), None);
    }
    commit
}
