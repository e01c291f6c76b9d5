//! Stores that are restored from their changelogs.

use std::sync::{Arc, Mutex};

use rdkafka::producer::Producer;

use super::cluster::{PATIENCE, eventually};
use super::word_count::{assert_exactly_once, cluster, topology, wait_for, write};

fn restored(running: &headwater_streams::Running) -> u64 {
    let workers = running.metrics().workers;
    workers.iter().map(|worker| worker.restored_records).sum()
}

#[test]
fn a_lost_disk_is_restored_from_the_changelog() {
    let cluster = cluster(2);
    let (lost, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 2, 700);
    let running = cluster
        .app(lost.path())
        .exactly_once()
        .start(topology)
        .unwrap();
    wait_for(&cluster, 700);
    cluster.stop(running);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let app = cluster.app(new.path()).exactly_once();
    let app = app.on_restore(move |progress| telling.lock().unwrap().push(progress.clone()));
    let running = cluster.run(app.start(topology).unwrap());
    let told = told.lock().unwrap().clone();
    let done: Vec<_> = told.iter().filter(|progress| progress.done).collect();
    assert_eq!(done.len(), 2, "one for each partition: {told:?}");
    let records: u64 = done.iter().map(|progress| progress.restored).sum();
    assert_eq!(records, restored(&running));
    assert!(told.iter().all(|progress| progress.store == "counts"));
    assert!(restored(&running) >= 7, "{}", restored(&running));
    write(&cluster, 2, 700);
    wait_for(&cluster, 1400);
    cluster.stop(running);
    assert_exactly_once(&cluster);
}

#[test]
fn a_restore_waits_for_a_transaction_that_was_left_open_in_the_changelog() {
    let cluster = cluster(1);
    let (lost, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app = |directory: &std::path::Path| cluster.app(directory).exactly_once();
    let mut running = cluster.run(app(lost.path()).start(topology).unwrap());
    for (directory, each) in [(lost.path(), 10), (new.path(), 20)] {
        let left_open = cluster.open_transaction("app-counts-changelog", 0);
        write(&cluster, 1, 70);
        wait_for(&cluster, 7 * each);
        cluster.stop(running);
        running = app(directory).start(topology).unwrap();
        eventually("the restore is under way", || {
            (running.metrics().workers[0].restoring == 1).then_some(())
        });
        left_open.abort_transaction(PATIENCE).unwrap();
        running = cluster.run(running);
        let counts = running.store("counts").unwrap().partitions();
        assert_eq!(
            counts[&0].get(b"salt").unwrap().unwrap().value,
            each.to_string().as_bytes(),
            "with what was committed behind it"
        );
    }
    cluster.stop(running);
}

#[test]
fn a_changelog_that_was_made_anew_is_detected_and_the_store_follows_it() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 700);
    let running = cluster
        .app(directory.path())
        .exactly_once()
        .start(topology)
        .unwrap();
    wait_for(&cluster, 700);
    cluster.stop(running);

    cluster.delete("app-counts-changelog");
    // By somebody who wrote more to it than was there: only the topic's id tells.
    cluster.make_with("app-counts-changelog", 1, &[("cleanup.policy", "compact")]);
    cluster.write(
        "app-counts-changelog",
        (0..2000).map(|_| (0, "oil", "7", 1)),
    );
    let running = cluster.run(
        cluster
            .app(directory.path())
            .exactly_once()
            .start(topology)
            .unwrap(),
    );
    let counts = running.store("counts").unwrap().partitions();
    assert_eq!(
        counts[&0].get(b"salt").unwrap(),
        None,
        "what no changelog has is not kept"
    );
    cluster.write("words", [(0, "key", "salt", 5000)]);
    eventually("counting begins anew", || {
        let last = cluster.read("counts").into_iter().last().unwrap();
        ((last.key.as_str(), last.value.as_str()) == ("salt", "1")).then_some(())
    });
    cluster.stop(running);
}

#[test]
fn a_changelog_whose_unread_records_are_gone_is_detected_and_the_store_is_wiped() {
    let cluster = cluster(1);
    let (behind, ahead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(&cluster, 1, 70);
    let app = |directory: &std::path::Path| {
        // A topic that is only compacted refuses to be cut.
        cluster
            .app(directory)
            .set("topic.cleanup.policy", "compact,delete")
    };
    let running = app(behind.path()).start(topology).unwrap();
    wait_for(&cluster, 70);
    cluster.stop(running);
    let running = app(ahead.path()).start(topology).unwrap();
    // Two commits, so that the first directory misses two records.
    for count in ["35", "60"] {
        cluster.write("words", (0..25).map(|n| (0, "key", "salt", 2000 + n)));
        eventually("the other one counts on", || {
            (cluster.table("counts")["salt"] == count).then_some(())
        });
        let committed = || {
            running.store("counts").unwrap().partitions()[&0]
                .get(b"salt")
                .unwrap()
                .unwrap()
                .value
        };
        eventually("and commits", || {
            (committed() == count.as_bytes()).then_some(())
        });
    }
    cluster.stop(running);
    // All but the last record.
    let (_, end) = cluster.offsets("app-counts-changelog", 0);
    cluster.delete_records("app-counts-changelog", 0, end - 1);
    let running = cluster.run(app(behind.path()).start(topology).unwrap());
    let counts = running.store("counts").unwrap().partitions();
    assert_eq!(
        counts[&0].get(b"oil").unwrap(),
        None,
        "wiped, and restored from what is left"
    );
    assert_eq!(
        counts[&0].get(b"salt").unwrap().unwrap().value,
        "60".as_bytes()
    );
    cluster.stop(running);
}

/// What an instance that was away has of a word that the changelog no longer has, as after a compaction: all that the
/// instance had seen of it is gone, and there is more that it has not seen.
fn a_forgotten_word(delete_retention_ms: &str) -> Option<Vec<u8>> {
    let cluster = cluster(1);
    let (away, ahead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app = |directory: &std::path::Path| {
        // A topic that is only compacted refuses to be cut.
        let app = cluster.app(directory);
        app.set("topic.cleanup.policy", "compact,delete")
            .set("topic.delete.retention.ms", delete_retention_ms)
    };
    write(&cluster, 1, 70);
    let running = app(away.path()).start(topology).unwrap();
    wait_for(&cluster, 70);
    cluster.stop(running);
    let (_, seen) = cluster.offsets("app-counts-changelog", 0);
    let running = app(ahead.path()).start(topology).unwrap();
    cluster.write("words", (0..25).map(|n| (0, "key", "salt", 2000 + n)));
    eventually("the other one counts on", || {
        (cluster.table("counts")["salt"] == "35").then_some(())
    });
    cluster.stop(running);
    cluster.delete_records("app-counts-changelog", 0, seen);
    let (start, end) = cluster.offsets("app-counts-changelog", 0);
    assert!((start, end > seen) == (seen, true), "{seen} {start} {end}");
    let running = cluster.run(app(away.path()).start(topology).unwrap());
    let counts = running.store("counts").unwrap().partitions();
    let value = |word: &str| Some(counts[&0].get(word.as_bytes()).unwrap()?.value.to_vec());
    assert_eq!(value("salt"), Some(b"35".to_vec()), "it is up to date");
    let oil = value("oil");
    cluster.stop(running);
    oil
}

#[test]
fn an_instance_that_was_away_for_longer_than_tombstones_are_kept_begins_anew() {
    assert_eq!(a_forgotten_word("2"), None, "a delete may be missing");
    let day = "86400000";
    assert_eq!(
        a_forgotten_word(day),
        Some(b"10".to_vec()),
        "nothing can be missing: it is restored from where it was"
    );
}
