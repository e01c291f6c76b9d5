//! Topics that are not as they were: offsets that are gone, topics that are missing, deleted or have more partitions.

use std::collections::BTreeMap;

use headwater_streams::{App, Builder, OffsetReset, Running, State, Topic};

use super::cluster::{Cluster, eventually};
use super::word_count;

const RESULTS: Topic<String, String> = Topic::string("results");

fn copy(reset: OffsetReset) -> impl Fn(&Builder) + Send + Sync + 'static {
    move |b: &Builder| {
        let lines: Topic<String, String> = Topic::string("lines");
        b.stream(lines.reset(reset)).to(RESULTS);
    }
}

fn write(cluster: &Cluster, numbers: std::ops::Range<i64>) {
    let lines: Vec<_> = numbers.map(|n| n.to_string()).collect();
    cluster.write(
        "lines",
        lines.iter().map(|line| (0, "key", line.as_str(), 1)),
    );
}

fn results(cluster: &Cluster) -> Vec<String> {
    let read = cluster.read("results").into_iter();
    read.map(|record| record.value).collect()
}

fn wait_for(cluster: &Cluster, wanted: &[&str]) {
    eventually("the results", || {
        (results(cluster).len() >= wanted.len()).then_some(())
    });
    assert_eq!(results(cluster), wanted);
}

pub(crate) fn ended(running: &Running) -> String {
    eventually("the application fails", || {
        (running.state() == State::Error).then_some(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(running.ended()).unwrap_err().to_string()
}

/// An application that has processed lines 0 to 2 and stopped; lines 3 to 5 are deleted, lines 6 and 7 are there.
fn with_gone_offsets(cluster: &Cluster, app: App) {
    write(cluster, 0..3);
    let running = app.start(copy(OffsetReset::Earliest)).unwrap();
    wait_for(cluster, &["0", "1", "2"]);
    cluster.stop(running);
    write(cluster, 3..8);
    cluster.delete_records("lines", 0, 6);
}

#[test]
fn records_deleted_before_they_were_read_are_counted_and_reading_goes_on_at_the_first_one_left() {
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        for protocol in ["classic", "consumer"] {
            let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
            let directory = tempfile::tempdir().unwrap();
            let app = || {
                let app = cluster.app_without_session(directory.path());
                app.set("processing.guarantee", guarantee)
                    .set("group.protocol", protocol)
            };
            with_gone_offsets(&cluster, app());
            let running = app().start(copy(OffsetReset::Earliest)).unwrap();
            wait_for(&cluster, &["0", "1", "2", "6", "7"]);
            assert_eq!(running.metrics().unread, 3);
            cluster.stop(running);
        }
    }
}

#[test]
fn where_an_input_is_to_begin_at_its_end_reading_goes_on_there_and_stays_there_after_a_restart() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let app = || cluster.app(directory.path());
    with_gone_offsets(&cluster, app());
    let running = app().start(copy(OffsetReset::Latest)).unwrap();
    eventually("the offset is replaced", || {
        (running.metrics().unread == 5).then_some(())
    });
    cluster.stop(running);
    // Not passed over: the end was committed when it was gone to.
    write(&cluster, 8..9);
    let running = app().start(copy(OffsetReset::Latest)).unwrap();
    wait_for(&cluster, &["0", "1", "2", "8"]);
    assert_eq!(running.metrics().unread, 0);
    cluster.stop(running);
}

#[test]
fn an_input_without_a_reset_whose_offset_is_gone_ends_the_application() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let directory = tempfile::tempdir().unwrap();
    with_gone_offsets(&cluster, cluster.app(directory.path()));
    let app = cluster.app(directory.path());
    let running = app.start(copy(OffsetReset::None)).unwrap();
    let told = ended(&running);
    assert!(told.contains("at offset 3 of lines-0"), "{told}");
    assert!(told.contains("the offsets 6 to 8"), "{told}");
    assert!(told.contains("offset reset is `None`"), "{told}");
}

#[test]
fn an_input_that_was_made_anew_while_the_application_was_stopped_is_read_from_its_beginning() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 0..3);
    let app = || cluster.app(directory.path());
    let running = app().start(copy(OffsetReset::Earliest)).unwrap();
    wait_for(&cluster, &["0", "1", "2"]);
    cluster.stop(running);
    cluster.delete("lines");
    cluster.make("lines", 1);
    write(&cluster, 10..11);
    let running = app().start(copy(OffsetReset::Earliest)).unwrap();
    wait_for(&cluster, &["0", "1", "2", "10"]);
    cluster.stop(running);
}

/// An application that looks at its topics all the while.
fn watching(cluster: &Cluster, directory: &tempfile::TempDir) -> App {
    let app = cluster.app(directory.path());
    app.set("topic.metadata.refresh.interval.ms", "200")
}

#[test]
fn an_input_that_is_deleted_while_the_application_runs_ends_it() {
    let cluster = Cluster::with(&[("lines", 1), ("results", 1)]);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 0..3);
    let app = watching(&cluster, &directory);
    let running = cluster.run(app.start(copy(OffsetReset::Earliest)).unwrap());
    wait_for(&cluster, &["0", "1", "2"]);
    cluster.delete("lines");
    let told = ended(&running);
    assert!(told.contains("lines"), "{told}");
    assert!(
        told.contains("was deleted while the application ran"),
        "{told}"
    );
}

#[test]
fn an_inputs_partition_count_that_is_changed_while_the_application_runs_is_a_clear_failure() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let app = watching(&cluster, &directory);
    let running = cluster.run(app.start(word_count::topology).unwrap());
    cluster.add_partitions("words", 3);
    let told = ended(&running);
    assert!(told.contains("words"), "{told}");
    assert!(told.contains("partitions"), "{told}");
    assert!(told.contains("reset"), "{told}");
}

#[test]
fn an_internal_topic_whose_partition_count_is_changed_is_a_clear_failure() {
    let cluster = word_count::cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let app = watching(&cluster, &directory);
    let running = cluster.run(app.start(word_count::topology).unwrap());
    cluster.add_partitions("app-by-word-repartition", 3);
    let told = ended(&running);
    assert!(told.contains("app-by-word-repartition"), "{told}");
    assert!(told.contains("Reset the application"), "{told}");
    drop(running);
    let app = cluster.app(directory.path());
    let told = app.start(word_count::topology).unwrap_err().to_string();
    assert!(
        told.contains("app-by-word-repartition has 3 partitions"),
        "{told}"
    );
    assert!(told.contains("reset the application app"), "{told}");
}

#[test]
fn outputs_that_do_not_exist_are_told_at_the_start_where_the_cluster_makes_none() {
    let off = BTreeMap::from([("auto.create.topics.enable".to_owned(), "false".to_owned())]);
    let cluster = Cluster::with_overrides(&[("words", 1)], off);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster.app(directory.path());
    let app = app
        .dead_letter("letters")
        .on_error(&headwater_streams::Policy::DeadLetter);
    let told = app.start(word_count::topology).unwrap_err().to_string();
    assert!(
        told.contains("these output topics do not exist") && told.contains(": counts, letters."),
        "{told}"
    );
    assert!(told.contains("auto.create.topics.enable"), "{told}");
    cluster.make("counts", 1);
    let app = cluster.app(directory.path());
    let running = app.start(word_count::topology).unwrap();
    cluster.stop(running);
}

#[test]
fn outputs_that_do_not_exist_are_made_by_a_cluster_that_makes_what_is_asked_for() {
    let cluster = Cluster::with(&[("words", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .start(word_count::topology)
        .unwrap();
    assert!(cluster.partition_counts().contains_key("counts"));
    cluster.stop(running);
}

#[test]
fn a_topic_that_comes_to_match_a_pattern_is_read_while_the_application_runs() {
    let cluster = Cluster::with(&[("lines-a", 1), ("results", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let matching = |b: &Builder| {
        b.stream_pattern("lines-.*", Topic::<String, String>::string("lines"))
            .to(RESULTS);
    };
    let app = watching(&cluster, &directory).exactly_once();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let run = runtime.spawn(app.run(matching));
    cluster.write("lines-a", [(0, "key", "a", 1)]);
    wait_for(&cluster, &["a"]);
    cluster.make("lines-b", 2);
    cluster.write("lines-b", [(1, "key", "b", 1)]);
    wait_for(&cluster, &["a", "b"]);
    cluster.write("lines-a", [(0, "key", "c", 1)]);
    wait_for(&cluster, &["a", "b", "c"]);
    assert!(!run.is_finished());
    run.abort();
}
