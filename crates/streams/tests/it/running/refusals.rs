//! Results that only the cluster refuses, and what the production policy makes of them.

use headwater_streams::{App, Builder, Policy, Running, Stage, State, Topic};

use super::cluster::{Cluster, eventually};

const LINES: Topic<String, String> = Topic::string("lines");
const RESULTS: Topic<String, String> = Topic::string("results");

fn topology(b: &Builder) {
    b.stream(LINES).map(|line| line).to(RESULTS);
}

/// What counts its lines too, so that a record done twice would show.
fn counted(b: &Builder) {
    let (lines, again) = b.stream(LINES).tee();
    lines.map(|line| line).to(RESULTS);
    again
        .key_by("by-line", |line: &String| {
            line.chars().take(5).collect::<String>()
        })
        .count("counts")
        .to_stream()
        .map(|count| count.unwrap_or(0).to_string())
        .to(Topic::string("counts"));
}

/// A store whose topic of results takes 2,000 bytes in one batch.
fn cluster() -> Cluster {
    let cluster = Cluster::with(&[("lines", 1), ("letters", 1), ("counts", 1)]);
    cluster.make_with("results", 1, &[("max.message.bytes", "2000")]);
    cluster
}

/// Line `n`, of 10 bytes or of 5,000.
fn line(n: usize) -> String {
    let size = if n % 40 == 7 { 5000 } else { 10 };
    format!("{n:05}{}", "x".repeat(size - 5))
}

fn write(cluster: &Cluster, numbers: std::ops::Range<usize>) {
    let lines: Vec<_> = numbers.map(line).collect();
    cluster.write(
        "lines",
        lines.iter().map(|line| (0, "key", line.as_str(), 1000)),
    );
}

/// The numbers of the lines that a topic has.
fn numbers(cluster: &Cluster, topic: &str) -> Vec<usize> {
    let read = cluster.read(topic).into_iter();
    read.map(|record| record.value[..5].parse().unwrap())
        .collect()
}

fn small(upto: usize) -> Vec<usize> {
    (0..upto).filter(|n| n % 40 != 7).collect()
}

fn large(upto: usize) -> Vec<usize> {
    (0..upto).filter(|n| n % 40 == 7).collect()
}

/// The application may send only what the limits of its start let pass: they were higher then.
fn started_before_the_limit(
    cluster: &Cluster,
    app: App,
    topology: impl Fn(&Builder) + Send + Sync + 'static,
) -> Running {
    cluster.alter("results", "max.message.bytes", "1000000");
    let running = cluster.run(app.start(topology).unwrap());
    cluster.alter("results", "max.message.bytes", "2000");
    running
}

fn app(cluster: &Cluster, directory: &tempfile::TempDir, policy: Policy) -> App {
    cluster
        .app(directory.path())
        .dead_letter("letters")
        .on_error_at(Stage::Production, policy)
}

fn ended(running: &Running) -> String {
    eventually("the application fails", || {
        (running.state() == State::Error).then_some(())
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(running.ended()).unwrap_err().to_string()
}

#[test]
fn small_records_go_to_a_topic_that_takes_small_batches_only() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let small: Vec<_> = (0..2000).map(|n| format!("{n:05}")).collect();
    cluster.write(
        "lines",
        small.iter().map(|line| (0, "key", line.as_str(), 1)),
    );
    let running = app(&cluster, &directory, Policy::Fail)
        .start(topology)
        .unwrap();
    eventually("all results", || {
        (cluster.read("results").len() == 2000).then_some(())
    });
    cluster.stop(running);
}

#[test]
fn a_result_that_is_too_large_for_its_topic_ends_the_application_and_is_told_with_its_input() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 0..20);
    let running = app(&cluster, &directory, Policy::Fail)
        .exactly_once()
        .start(topology)
        .unwrap();
    let told = ended(&running);
    assert!(told.contains("the record at offset 7 of lines-0"), "{told}");
    assert!(told.contains("writing to results-0"), "{told}");
    assert!(
        told.contains("takes 5073 bytes, and the topic 2000 at most (max.message.bytes)"),
        "{told}"
    );
    assert!(
        told.contains("raise the topic's max.message.bytes"),
        "{told}"
    );
}

#[test]
fn a_result_that_the_cluster_refuses_late_ends_the_application_and_is_told_with_its_input() {
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        let cluster = cluster();
        let directory = tempfile::tempdir().unwrap();
        let app = app(&cluster, &directory, Policy::Fail).set("processing.guarantee", guarantee);
        let running = started_before_the_limit(&cluster, app, topology);
        write(&cluster, 0..20);
        let told = ended(&running);
        assert!(told.contains("the record at offset 7 of lines-0"), "{told}");
        assert!(told.contains("writing to results-0"), "{told}");
        assert!(told.contains("takes 5073 bytes"), "{told}");
        assert!(told.contains("max.message.bytes"), "{told}");
    }
}

#[test]
fn results_that_are_too_large_are_skipped_or_dead_lettered_and_the_rest_goes_on_exactly_once() {
    for policy in [Policy::Skip, Policy::DeadLetter] {
        let cluster = cluster();
        let directory = tempfile::tempdir().unwrap();
        write(&cluster, 0..200);
        let running = app(&cluster, &directory, policy.clone())
            .exactly_once()
            .start(counted)
            .unwrap();
        eventually("all is processed", || {
            (cluster.table("counts").len() == 200).then_some(())
        });
        assert_eq!(running.metrics().workers[0].rollbacks, 0);
        cluster.stop(running);
        assert_eq!(numbers(&cluster, "results"), small(200));
        let letters = if policy == Policy::Skip { 0 } else { 200 };
        assert_eq!(numbers(&cluster, "letters"), large(letters));
    }
}

#[test]
fn results_that_the_cluster_refuses_late_are_skipped_or_dead_lettered_exactly_once() {
    for policy in [Policy::Skip, Policy::DeadLetter] {
        let cluster = cluster();
        let directory = tempfile::tempdir().unwrap();
        let app = app(&cluster, &directory, policy.clone()).exactly_once();
        let running = started_before_the_limit(&cluster, app, counted);
        write(&cluster, 0..200);
        eventually("all is processed", || {
            (cluster.table("counts").len() == 200).then_some(())
        });
        assert!(running.metrics().workers[0].rollbacks > 0);
        cluster.stop(running);
        assert_eq!(numbers(&cluster, "results"), small(200));
        let letters = if policy == Policy::Skip { 0 } else { 200 };
        assert_eq!(numbers(&cluster, "letters"), large(letters));
        let counts = cluster.read("counts");
        assert_eq!(counts.len(), 200);
        assert!(counts.iter().all(|count| count.value == "1"), "{counts:?}");
    }
}

#[test]
fn results_that_the_cluster_refuses_late_are_dead_lettered_and_none_is_lost_at_least_once() {
    let cluster = cluster();
    let directory = tempfile::tempdir().unwrap();
    let app = app(&cluster, &directory, Policy::DeadLetter);
    let running = started_before_the_limit(&cluster, app, counted);
    write(&cluster, 0..200);
    eventually("all is processed", || {
        (cluster.table("counts").len() == 200).then_some(())
    });
    cluster.stop(running);
    let distinct = |topic: &str| {
        let mut numbers = numbers(&cluster, topic);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    assert_eq!(distinct("results"), small(200));
    assert_eq!(distinct("letters"), large(200));
}

#[test]
fn a_compacted_topic_takes_no_result_without_a_key() {
    let cluster = Cluster::with(&[("lines", 1), ("letters", 1)]);
    cluster.make_with("results", 1, &[("cleanup.policy", "compact")]);
    let directory = tempfile::tempdir().unwrap();
    cluster.write_bytes("lines", 0, None, Some(b"keyless"), 1);
    cluster.write_bytes("lines", 0, Some(b"key"), Some(b"keyed"), 1);
    let running = app(&cluster, &directory, Policy::DeadLetter)
        .exactly_once()
        .start(topology)
        .unwrap();
    let results = eventually("the result with a key", || {
        let read = cluster.read("results");
        (!read.is_empty()).then_some(read)
    });
    assert_eq!(results[0].value, "keyed");
    assert_eq!(cluster.read("letters")[0].value, "keyless");
    cluster.stop(running);
}

#[test]
fn what_a_changelog_does_not_take_ends_the_application_whatever_the_policy() {
    let cluster = Cluster::with(&[("lines", 1), ("letters", 1), ("counts", 1)]);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 0..20);
    let app = app(&cluster, &directory, Policy::Skip).exactly_once();
    let running = app
        .set("topic.max.message.bytes", "1000")
        .start(|b: &Builder| {
            b.stream(LINES)
                .reduce("longest", |a, b| if a.len() > b.len() { a } else { b })
                .to(Topic::string("counts"));
        })
        .unwrap();
    let told = ended(&running);
    assert!(
        told.contains("writing to app-longest-changelog-0"),
        "{told}"
    );
    assert!(told.contains("max.message.bytes"), "{told}");
}
