//! Handles on stores that are restored, and of applications that have stopped.

use std::sync::{Arc, Mutex, PoisonError};

use headwater_streams::query::{QueryError, StoreQuery};
use headwater_streams::store::StoreError;

use super::cluster::eventually;
use super::word_count::{cluster, topology, wait_for, write};

#[test]
fn an_application_starts_again_in_its_process_while_a_handle_on_its_store_lives() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 70);
    let running = cluster.run(cluster.app(directory.path()).start(topology).unwrap());
    wait_for(&cluster, 70);
    let store = running.store("counts").unwrap();
    let view = store.key_value::<String, u64>().unwrap();
    let salt = "salt".to_owned();
    assert_eq!(view.get(&salt).unwrap().unwrap().0, 10);
    let reader = store.partitions().remove(&0).unwrap();
    let mut entries = view.all().unwrap();
    entries.next().unwrap().unwrap();
    cluster.stop(running);

    assert!(matches!(
        view.get(&salt),
        Err(QueryError::NotRunning { .. })
    ));
    assert!(matches!(
        reader.get(b"salt"),
        Err(StoreError::Withdrawn { .. })
    ));
    assert!(store.partitions().is_empty());
    write(&cluster, 1, 70);
    let again = cluster.run(cluster.app(directory.path()).start(topology).unwrap());
    wait_for(&cluster, 140);
    assert!(matches!(
        view.get(&salt),
        Err(QueryError::NotRunning { .. })
    ));
    let view = again
        .store("counts")
        .unwrap()
        .key_value::<String, u64>()
        .unwrap();
    assert_eq!(view.get(&salt).unwrap().unwrap().0, 20);
}

#[test]
fn a_store_that_is_restored_after_a_rebalance_is_not_answered_from_meanwhile() {
    let cluster = cluster(2);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let handle: Arc<Mutex<Option<StoreQuery>>> = Arc::default();
    let answers: Arc<Mutex<Vec<Result<(), QueryError>>>> = Arc::default();
    let (asked, told) = (Arc::clone(&handle), Arc::clone(&answers));
    let app = cluster.app(one.path()).on_restore(move |progress| {
        let handle = asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*handle {
            let view = store.key_value::<String, u64>().unwrap();
            let view = view.in_partition(progress.changelog.partition);
            let answer = view.get(&"salt".to_owned()).map(drop);
            told.lock().unwrap().push(answer);
        }
    });
    let running = cluster.run(app.start(topology).unwrap());
    write(&cluster, 2, 700);
    wait_for(&cluster, 700);
    let store = running.store("counts").unwrap();
    *handle.lock().unwrap() = Some(store.clone());

    // What another one that had the tasks meanwhile would have written.
    for partition in 0..2 {
        let key = "foreign";
        cluster.write("app-counts-changelog", [(partition, key, "1", 9_000)]);
    }
    let other = cluster.run(cluster.app(two.path()).start(topology).unwrap());
    eventually("what was written is restored", || {
        (!answers.lock().unwrap().is_empty()).then_some(())
    });
    for answer in answers.lock().unwrap().iter() {
        assert!(
            matches!(answer, Err(QueryError::Restoring { .. })),
            "{answer:?}"
        );
    }
    // It is answered from again, with what was restored.
    eventually("it is shown again", || {
        let here = store.partitions();
        let shown = here
            .values()
            .any(|reader| matches!(reader.get(b"foreign"), Ok(Some(_))));
        shown.then_some(())
    });
    cluster.stop(other);
}
