//! Applications that begin anew.

use super::word_count::{cluster, topology, wait_for, write};

#[test]
fn a_reset_application_begins_anew_and_one_that_runs_is_not_reset() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 70);
    let running = cluster.app(directory.path()).start(topology).unwrap();
    wait_for(&cluster, 70);
    cluster.app(directory.path()).reset(topology).unwrap_err();
    cluster.stop(running);

    let reset = cluster.app(directory.path()).reset(topology).unwrap();
    assert_eq!(
        reset.topics,
        ["app-by-word-repartition", "app-counts-changelog"]
    );
    assert!(!directory.path().join("app").exists());
    let running = cluster.app(directory.path()).start(topology).unwrap();
    wait_for(&cluster, 70);
    cluster.stop(running);
    let salt = cluster
        .read("counts")
        .into_iter()
        .filter(|record| record.key == "salt");
    let counts: Vec<_> = salt.map(|record| record.value).collect();
    let once: Vec<_> = (1..=10).map(|count| count.to_string()).collect();
    assert_eq!(
        counts,
        [once.clone(), once].concat(),
        "all is counted a second time"
    );
}
