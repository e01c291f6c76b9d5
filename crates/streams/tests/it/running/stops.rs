//! Stops: while the cluster is away, in the middle of a closure, and beside an instance that was killed.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use headwater_streams::{App, Builder, StreamsError, Topic};

use super::cluster::{Cluster, PATIENCE, eventually};
use super::word_count::{cluster, expected, topology, wait_for, write};

/// What a stop that took too long had not committed.
fn uncommitted(stopped: Result<(), StreamsError>) -> Vec<headwater_streams::error::Uncommitted> {
    let Err(StreamsError::Failed(error)) = stopped else {
        panic!("it stopped in time: {stopped:?}");
    };
    match &*error {
        StreamsError::StopTimeout { uncommitted, .. } => uncommitted.clone(),
        other => panic!("{other}"),
    }
}

fn stop_while_the_cluster_is_away(guarantee: impl Fn(App) -> App) {
    let mut cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let app = |cluster: &Cluster| {
        guarantee(cluster.app(directory.path()))
            .commit_interval(PATIENCE * 10)
            .stop_timeout(Duration::from_secs(1))
    };
    let running = cluster.run(app(&cluster).start(topology).unwrap());
    write(&cluster, 1, 700);
    eventually("they are processed", || {
        let lag = running.metrics().lag();
        let workers = running.metrics().workers;
        let records: u64 = workers.iter().map(|worker| worker.records).sum();
        (records >= 700 && lag == 0).then_some(())
    });
    cluster.go_away();
    let uncommitted = uncommitted(running.stop_blocking());
    let lines = uncommitted
        .iter()
        .find(|uncommitted| &*uncommitted.partition.topic == "words");
    assert_eq!(lines.unwrap().from, None);
    assert!(lines.unwrap().to > 0);

    cluster.come_back();
    let app = app(&cluster).commit_interval(Duration::from_millis(50));
    let _running = cluster.run(app.start(topology).unwrap());
    wait_for(&cluster, 700);
    assert_eq!(cluster.table("counts"), expected(700));
}

#[test]
fn a_stop_while_the_cluster_is_away_ends_in_time_and_tells_what_is_done_again() {
    stop_while_the_cluster_is_away(|app| app);
}

#[test]
fn under_exactly_once_a_stop_while_the_cluster_is_away_ends_in_time_too() {
    stop_while_the_cluster_is_away(App::exactly_once);
}

#[test]
fn a_stop_does_not_wait_for_ever_for_a_closure_that_hangs() {
    const IN: Topic<String, u64> = Topic::json("in");
    const OUT: Topic<String, u64> = Topic::json("out");
    let cluster = Cluster::with(&[("in", 1), ("out", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let (hung, hangs) = sync_channel::<()>(0);
    let (release, released) = sync_channel::<()>(0);
    let channels = std::sync::Arc::new(std::sync::Mutex::new((hung, released)));
    let running = cluster
        .app(directory.path())
        .stop_timeout(Duration::from_millis(200))
        .start(move |b: &Builder| {
            let channels = std::sync::Arc::clone(&channels);
            b.stream(IN)
                .map(move |value| {
                    let (hung, released) = &*channels.lock().unwrap();
                    let _ = hung.send(());
                    let _ = released.recv();
                    value
                })
                .to(OUT);
        })
        .unwrap();
    cluster.write("in", [(0, "cup", "1", 1)]);
    hangs.recv().unwrap();
    assert!(uncommitted(running.stop_blocking()).is_empty());
    drop(release);
}
