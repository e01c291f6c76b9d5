//! When what is processed is committed, as the cluster sees it.

use std::path::Path;
use std::time::Duration;

use headwater_streams::{App, Builder, Running, Topic};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::cluster::{Cluster, PATIENCE, eventually};

const INPUT: Topic<String, String> = Topic::string("input");
const AT_LEAST_ONCE: Topic<String, String> = Topic::string("at-least-once");
const EXACTLY_ONCE: Topic<String, String> = Topic::string("exactly-once");

/// How many records there are, each written when the one before has come out.
const RECORDS: i64 = 10;

/// Asks how much of the input a group has committed.
struct Committed(BaseConsumer);

impl Committed {
    fn of(cluster: &Cluster, group: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap());
        Self(config.set("group.id", group).create().unwrap())
    }

    fn offset(&self) -> i64 {
        let mut asked = TopicPartitionList::new();
        asked.add_partition("input", 0);
        let answer = self.0.committed_offsets(asked, PATIENCE).unwrap();
        match answer.elements()[0].offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        }
    }
}

/// An application of the defaults.
fn app(cluster: &Cluster, name: &str, directory: &Path) -> App {
    App::new(name)
        .bootstrap(cluster.bootstrap())
        .state_dir(directory)
        .set("heartbeat.interval.ms", "100")
}

/// Row 24: every 30 s at least once, every 100 ms exactly once. Both applications process the same records at the same
/// time, so that their commits can be compared without a look at the clock.
#[test]
fn exactly_once_commits_what_is_processed_at_once_and_at_least_once_much_later() {
    let cluster = Cluster::with(&[("input", 1), ("at-least-once", 1), ("exactly-once", 1)]);
    let (late, soon) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = |to: Topic<String, String>| move |b: &Builder| b.stream(INPUT).to(to.clone());
    let late = app(&cluster, "late", late.path()).start(copy(AT_LEAST_ONCE));
    let late = cluster.run(late.unwrap());
    let soon = app(&cluster, "soon", soon.path())
        .exactly_once()
        .start(copy(EXACTLY_ONCE));
    let soon = cluster.run(soon.unwrap());
    let commits = |running: &headwater_streams::Running| running.metrics().workers[0].commits;
    let committed = |group| Committed::of(&cluster, group);
    let (late_committed, soon_committed) = (committed("late"), committed("soon"));
    for count in 1..=RECORDS {
        cluster.write("input", [(0, "key", "value", 1000 + count)]);
        // What is uncommitted is read by nobody: each of these is a commit.
        eventually("the transaction is committed", || {
            (cluster.read("exactly-once").len() as i64 == count).then_some(())
        });
        eventually("and the offset with it", || {
            (soon_committed.offset() == count).then_some(())
        });
        eventually("the other one has processed it too", || {
            (cluster.read("at-least-once").len() as i64 == count).then_some(())
        });
    }
    assert!(commits(&soon) >= RECORDS as u64);
    assert!(
        commits(&late) * 4 <= commits(&soon),
        "{} and {} commits",
        commits(&late),
        commits(&soon)
    );
    let seen = late_committed.offset();
    if commits(&late) == 0 {
        assert_eq!(seen, 0, "processed and written, and not committed yet");
    }
    cluster.stop(late);
    assert_eq!(late_committed.offset(), RECORDS, "by the last commit");
    cluster.stop(soon);
}

/// How many values there are, each of 100 KB: more than the least budget lets a worker keep, and less than the default.
const LARGE_VALUES: usize = 80;

/// An application that has processed all of the large values, with an hour until it is time for its first commit.
fn with_large_values(cluster: &Cluster, app: App, topology: fn(&Builder)) -> Running {
    let app = app.commit_interval(Duration::from_hours(1));
    let running = cluster.run(app.start(topology).unwrap());
    let value = "x".repeat(100_000);
    let keys: Vec<_> = (0..LARGE_VALUES).map(|n| n.to_string()).collect();
    let records = keys.iter().map(|key| (0, key.as_str(), &*value, 1000));
    cluster.write("input", records);
    eventually("all is processed", || {
        (running.metrics().records() == LARGE_VALUES as u64).then_some(())
    });
    running
}

#[test]
fn much_that_is_uncommitted_is_committed_before_it_is_time() {
    let results = |b: &Builder| b.stream(INPUT).to(AT_LEAST_ONCE);
    let changes = |b: &Builder| {
        let _latest = b.stream(INPUT).reduce("latest", |_, new| new);
    };
    let topologies: [fn(&Builder); 2] = [results, changes];
    for topology in topologies {
        let cluster = Cluster::with(&[("input", 1), ("at-least-once", 1)]);
        let directory = tempfile::tempdir().unwrap();
        let little = app(&cluster, "little", directory.path()).state_memory(0);
        let running = with_large_values(&cluster, little, topology);
        let committed = Committed::of(&cluster, "little");
        eventually("a part is committed", || {
            (committed.offset() > 0).then_some(())
        });
        cluster.stop(running);
    }
    for topology in topologies {
        let cluster = Cluster::with(&[("input", 1), ("at-least-once", 1)]);
        let directory = tempfile::tempdir().unwrap();
        let enough = app(&cluster, "enough", directory.path());
        let running = with_large_values(&cluster, enough, topology);
        let committed = Committed::of(&cluster, "enough");
        assert_eq!(committed.offset(), 0, "the default has room for all");
        cluster.stop(running);
        assert_eq!(committed.offset(), LARGE_VALUES as i64);
    }
}
