//! What queries of an application's stores see.

use std::time::Duration;

use super::cluster::eventually;
use super::word_count::{cluster, topology, write};

#[test]
fn uncommitted_state_is_never_seen() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 70);
    let app = cluster
        .app(directory.path())
        .commit_interval(Duration::from_hours(1));
    let running = app.start(topology).unwrap();
    // Words and repartitioned words: at least once, they are read before anything is committed.
    eventually("all is processed", || {
        (running.metrics().records() >= 140).then_some(())
    });
    let counts = running.store("counts").unwrap().partitions();
    assert_eq!(counts[&0].get(b"salt").unwrap(), None);
    cluster.stop(running);
    assert!(counts[&0].get(b"salt").is_err(), "its store is closed");
    let again = cluster.app(directory.path()).start(topology).unwrap();
    let again = cluster.run(again);
    let counts = again.store("counts").unwrap().partitions();
    assert_eq!(
        counts[&0].get(b"salt").unwrap().unwrap().value,
        "10".as_bytes(),
        "the last commit of a stop shows it"
    );
}

#[test]
fn committed_state_is_seen_by_key_and_partition() {
    let cluster = cluster(3);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 3, 70);
    let running = cluster.app(directory.path()).start(topology).unwrap();
    let all = eventually("all counts are there", || {
        let stores = running.store("counts").unwrap().partitions();
        let found: Vec<_> = stores
            .values()
            .filter_map(|store| store.get(b"salt").unwrap())
            .collect();
        (found.first()?.value == "10".as_bytes()).then_some(found)
    });
    assert_eq!(all.len(), 1, "a key is in one partition");
    assert_eq!(running.store("counts").unwrap().partitions().len(), 3);
    assert!(running.store("elsewhere").is_err());
    cluster.stop(running);
}
