//! Word count: the topology of these tests, and what has to come out of it.

use std::collections::BTreeMap;
use std::path::Path;

use headwater_streams::{App, Builder, Topic};

use super::cluster::{Cluster, PATIENCE, eventually};

pub(crate) const WORDS: Topic<String, String> = Topic::string("words");
pub(crate) const COUNTS: Topic<String, u64> = Topic::json("counts");

pub(crate) fn topology(b: &Builder) {
    b.stream(WORDS)
        .key_by("by-word", |word: &String| word.clone())
        .count("counts")
        .to(COUNTS);
}

/// A store with the topics of the topology, the input in `partitions`.
pub(crate) fn cluster(partitions: i32) -> Cluster {
    Cluster::with(&[("words", partitions), ("counts", partitions)])
}

const VOCABULARY: [&str; 7] = ["salt", "oil", "bread", "wine", "figs", "honey", "milk"];

/// Writes `count` words, spread over the partitions.
pub(crate) fn write(cluster: &Cluster, partitions: i32, count: usize) {
    cluster.write(
        "words",
        (0..count).map(|n| {
            let word = VOCABULARY[n % VOCABULARY.len()];
            (n as i32 % partitions, "key", word, 1000 + n as i64)
        }),
    );
}

/// The counts of the first `count` words.
pub(crate) fn expected(count: usize) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for n in 0..count {
        *counts
            .entry(VOCABULARY[n % VOCABULARY.len()].to_owned())
            .or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(word, count)| (word, count.to_string()))
        .collect()
}

/// Waits until the counts are those of the first `count` words.
pub(crate) fn wait_for(cluster: &Cluster, count: usize) {
    let mut last = BTreeMap::new();
    let wanted = expected(count);
    let until = std::time::Instant::now() + super::cluster::PATIENCE;
    while std::time::Instant::now() < until {
        last = cluster.table("counts");
        if last == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(last, wanted);
}

/// Each word's counts are 1, 2, 3 and so on: nothing is lost and nothing doubled.
pub(crate) fn assert_exactly_once(cluster: &Cluster) {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for record in cluster.read("counts") {
        let count = next.entry(record.key.clone()).or_default();
        *count += 1;
        assert_eq!(record.value, count.to_string(), "{record:?}");
    }
}

#[test]
fn words_are_counted_and_a_restart_goes_on_where_it_stopped() {
    let cluster = cluster(3);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 3, 700);
    for words in [700, 1400] {
        let running = cluster
            .app(directory.path())
            .threads(2)
            .start(topology)
            .unwrap();
        wait_for(&cluster, words);
        cluster.stop(running);
        write(&cluster, 3, 700);
    }
    assert_exactly_once(&cluster);
}

/// Counts by key, in one part: nothing of it waits for a commit of another.
fn keys(b: &Builder) {
    b.stream(WORDS).count("counts").to(COUNTS);
}

/// What is committed: how many results, the changelog, and how far the input is.
fn committed(cluster: &Cluster) -> (usize, Vec<String>, Option<i64>) {
    let changelog = cluster.read("app-counts-changelog").into_iter();
    (
        cluster.read("counts").len(),
        changelog.map(|record| record.value).collect(),
        cluster.committed("app", "words", 0),
    )
}

/// An application that commits when it stops and at no other time.
fn commits_at_its_end(cluster: &Cluster, directory: &Path) -> App {
    let app = cluster.app(directory).exactly_once();
    app.threads(1)
        .commit_interval(PATIENCE * 60)
        .set("producer.transaction.timeout.ms", "900000")
}

fn wait_for_uncommitted(cluster: &Cluster, results: usize) {
    eventually("the results are written", || {
        (cluster.read_uncommitted("counts").len() == results).then_some(())
    });
}

#[test]
fn under_exactly_once_results_and_progress_are_one_transaction() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 500);
    let app = commits_at_its_end(&cluster, directory.path());
    let running = app.start(keys).unwrap();
    wait_for_uncommitted(&cluster, 500);
    assert_eq!(committed(&cluster), (0, vec![], None));
    cluster.stop(running);
    assert_exactly_once(&cluster);
    assert_eq!(
        committed(&cluster),
        (500, vec!["500".to_owned()], Some(500))
    );
    for (topic, records) in [("counts", 500), ("app-counts-changelog", 1)] {
        let (_, end) = cluster.offsets(topic, 0);
        assert_eq!(end, records + 1, "{topic}: its records and one marker");
    }
}

/// Nothing is left to be written at the commit: it is the offsets that find the transaction aborted.
#[test]
fn under_exactly_once_progress_is_aborted_with_the_results() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let copy = |b: &Builder| b.stream(WORDS).to(Topic::string("counts"));
    write(&cluster, 1, 500);
    let app = commits_at_its_end(&cluster, directory.path());
    let running = app.start(copy).unwrap();
    wait_for_uncommitted(&cluster, 500);
    let process = std::fs::read_to_string(directory.path().join("app/process-id")).unwrap();
    cluster.fence(&format!("app-{}-0", process.trim()));
    cluster.stop(running);
    assert_eq!(committed(&cluster), (0, vec![], None));

    let app = cluster.app(directory.path()).exactly_once();
    let running = app.start(copy).unwrap();
    eventually("they are written again", || {
        (cluster.committed("app", "words", 0) == Some(500)).then_some(())
    });
    cluster.stop(running);
    assert_eq!(cluster.read("counts").len(), 500);
}

#[test]
fn repartition_topics_are_emptied_of_what_is_processed() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    write(&cluster, 1, 70);
    let app = cluster.app(directory.path());
    let running = app
        .set("repartition.purge.interval.ms", "100")
        .start(topology)
        .unwrap();
    wait_for(&cluster, 70);
    eventually("the repartition topic is empty", || {
        let (first, end) = cluster.offsets("app-by-word-repartition", 0);
        (first == end && end >= 70).then_some(())
    });
    assert_eq!(
        cluster.topic_config("app-by-word-repartition", "retention.ms"),
        "-1"
    );
    assert_eq!(
        cluster.topic_config("app-by-word-repartition", "segment.bytes"),
        "52428800"
    );
    assert_eq!(
        cluster.topic_config("app-counts-changelog", "cleanup.policy"),
        "compact"
    );
    cluster.stop(running);
}
