//! Stops: while the cluster is away, in the middle of a closure, and beside an instance that was killed.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use headwater_streams::{App, Builder, State, StreamsError, Topic};

use super::cluster::{Cluster, PATIENCE, eventually};
use super::word_count::{assert_exactly_once, cluster, expected, topology, write};

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

/// Stops with 700 words processed and none committed, and starts again with the cluster back.
fn stop_while_the_cluster_is_away(guarantee: impl Fn(App) -> App) -> Cluster {
    let mut cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let app = |cluster: &Cluster| {
        guarantee(cluster.app(directory.path()))
            .commit_interval(PATIENCE * 10)
            // The cluster is not to end the transaction before the stop, however slow the machine is.
            .set("producer.transaction.timeout.ms", "300000")
            .stop_timeout(Duration::from_secs(1))
    };
    let running = cluster.run(app(&cluster).start(topology).unwrap());
    write(&cluster, 1, 700);
    eventually("they are processed", || {
        (running.metrics().records() >= 700).then_some(())
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
    let running = cluster.run(app.start(topology).unwrap());
    eventually("all words are counted", || {
        let counts = cluster.table("counts");
        let done = |(word, count): (String, String)| {
            let counted = counts.get(&word).map_or(0, |count| count.parse().unwrap());
            counted >= count.parse::<u64>().unwrap()
        };
        expected(700).into_iter().all(done).then_some(())
    });
    cluster.stop(running);
    cluster
}

#[test]
fn a_stop_while_the_cluster_is_away_ends_in_time_and_tells_what_is_done_again() {
    stop_while_the_cluster_is_away(|app| app);
}

#[test]
fn under_exactly_once_a_stop_while_the_cluster_is_away_ends_in_time_and_doubles_nothing() {
    let cluster = stop_while_the_cluster_is_away(App::exactly_once);
    assert_eq!(cluster.table("counts"), expected(700));
    assert_exactly_once(&cluster);
}

/// What an instance that was killed in the middle of a commit leaves: nobody can tell the group's offsets until the
/// cluster has ended its transaction.
#[test]
fn a_stop_does_not_wait_for_a_transaction_that_a_killed_instance_left_open() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let _left_open = cluster.open_commit("app", "words", 0);
    let running = cluster
        .app(directory.path())
        .exactly_once()
        .start(topology)
        .unwrap();
    // Long enough for the group to give it the partition, and short of the end of the transaction.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running.state(), State::Rebalancing);
    cluster.stop(running);
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
