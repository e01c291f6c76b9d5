//! State: what of it is seen, what survives, which topics it has, and how often results leave it.

use headwater_streams::context::DropReason;
use headwater_streams::dsl::{Processor, ProcessorContext};
use headwater_streams::error::BoxError;
use headwater_streams::store::{Stored, WindowStore};
use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::topology::{InternalTopic, InternalTopicKind};
use headwater_streams::windows::{millis, tumbling};
use headwater_streams::{Builder, Materialized, Record, Topic, Windowed};

const WORDS: Topic<String, String> = Topic::string("words");
const COUNTS: Topic<String, u64> = Topic::json("counts");
const WINDOWS: Topic<Windowed<String>, Option<u64>> = Topic::json("windows");
const TIMES: Topic<String, i64> = Topic::json("times");

fn word(key: &str, timestamp: i64) -> Record<String, String> {
    Record::new(key.to_owned(), "v".to_owned(), timestamp)
}

fn counting(b: &Builder) {
    b.stream(WORDS)
        .count("counts")
        .to_stream()
        .map(Option::unwrap_or_default)
        .to(COUNTS);
}

fn counted(driver: &mut TestDriver, key: &str) -> Option<u64> {
    driver.store::<String, u64>("counts").get(&key.to_owned())
}

#[test]
fn one_transaction_holds_outputs_changelogs_and_offsets() {
    let mut driver = TestDriver::builder("app").exactly_once().build(counting);
    driver.pipe(&WORDS, word("a", 1)).process();
    // Killed when all is written and nothing committed: nothing of it is ever seen.
    driver.crash_at(CrashPoint::BeforeCommit, Disk::Lost);
    assert!(driver.read_bytes("counts").is_empty());
    assert!(driver.read_bytes("app-counts-changelog").is_empty());
    assert_eq!(driver.process(), 1, "the offset was not committed either");
    driver.commit();
    assert_eq!(driver.values(&COUNTS), [1]);
    assert_eq!(driver.read_bytes("app-counts-changelog").len(), 1);
    driver.crash();
    assert_eq!(driver.process(), 0, "the offset was committed with them");
}

#[test]
fn stores_take_their_changes_only_after_the_commit_so_a_crash_under_exactly_once_keeps_them() {
    let mut driver = TestDriver::builder("app").exactly_once().build(counting);
    for n in 0..100 {
        driver.pipe(&WORDS, word(&format!("k{n}"), n));
    }
    driver.run();
    driver.pipe(&WORDS, word("k1", 100)).process();
    driver.crash_at(CrashPoint::BeforeCommit, Disk::Kept);
    assert_eq!(
        counted(&mut driver, "k1"),
        Some(1),
        "the change was not committed"
    );
    assert_eq!(driver.restored(), 0, "what was is on the disk");
    driver.process();
    driver.crash_at(CrashPoint::AfterCommit, Disk::Kept);
    assert_eq!(
        counted(&mut driver, "k1"),
        Some(2),
        "the change was committed"
    );
    assert_eq!(
        driver.restored(),
        1,
        "and it alone is read from the changelog"
    );
    driver.crash_at(CrashPoint::Processing, Disk::Lost);
    assert_eq!(driver.restored(), 102, "all of the changelog");
    assert_eq!(counted(&mut driver, "k1"), Some(2));
}

#[test]
fn uncommitted_state_is_never_exposed() {
    for builder in [
        TestDriver::builder("app"),
        TestDriver::builder("app").exactly_once(),
    ] {
        let mut driver = builder.build(counting);
        driver.pipe(&WORDS, word("a", 1)).run();
        driver.pipe(&WORDS, word("a", 2)).process();
        assert_eq!(counted(&mut driver, "a"), Some(1));
        driver.crash();
        assert_eq!(counted(&mut driver, "a"), Some(1));
        driver.run();
        assert_eq!(counted(&mut driver, "a"), Some(2));
    }
}

#[test]
fn every_update_is_emitted_by_default_and_with_a_cache_the_latest_of_each_commit() {
    let cached = |b: &Builder| {
        b.stream(WORDS)
            .count(Materialized::named("counts").cached())
            .to_stream()
            .map(Option::unwrap_or_default)
            .to(COUNTS);
    };
    let piped = |mut driver: TestDriver| {
        for _ in 0..2 {
            for key in ["a", "b", "a", "a"] {
                driver.pipe(&WORDS, word(key, 1));
            }
            driver.run();
        }
        let emitted = driver.key_values(&COUNTS).into_iter();
        emitted
            .map(|(key, count)| format!("{key}{count}"))
            .collect::<Vec<_>>()
    };
    let every = ["a1", "b1", "a2", "a3", "a4", "b2", "a5", "a6"];
    assert_eq!(piped(TestDriver::new("app", counting)), every);
    let mut latest = piped(TestDriver::new("app", cached));
    latest.sort();
    assert_eq!(latest, ["a3", "a6", "b1", "b2"]);
}

fn internal(topology: impl Fn(&Builder) + Send + Sync + 'static) -> Vec<InternalTopic> {
    let driver = TestDriver::new("shop", topology);
    let made = driver.topics();
    let topics = driver.topology().internal_topics().to_vec();
    assert!(
        topics
            .iter()
            .all(|topic| made.contains(&topic.name.to_string()))
    );
    topics
}

fn config<'a>(topic: &'a InternalTopic, name: &str) -> Option<&'a str> {
    let mut configs = topic.configs.iter();
    let found = configs.find(|(config, _)| config == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn internal_topics_are_named_after_the_application_and_what_they_are_for() {
    let topics = internal(|b| {
        b.stream(WORDS)
            .key_by("by-length", |word: &String| word.len() as i64)
            .count("lengths")
            .to_stream()
            .map_key(|key, _| key.unwrap_or_default().to_string())
            .map(Option::unwrap_or_default)
            .to(COUNTS);
    });
    let names: Vec<_> = topics
        .iter()
        .map(|topic| (&*topic.name, topic.kind))
        .collect();
    assert_eq!(
        names,
        [
            ("shop-by-length-repartition", InternalTopicKind::Repartition),
            ("shop-lengths-changelog", InternalTopicKind::Changelog),
        ]
    );
}

#[test]
fn repartition_topics_are_purged_every_30_seconds_of_what_is_committed() {
    let mut driver = TestDriver::new("shop", |b: &Builder| {
        b.stream(WORDS)
            .key_by("by-length", |word: &String| word.len() as i64)
            .map_key(|key, _| key.unwrap_or_default().to_string())
            .map(|word| word.len() as u64)
            .to(COUNTS);
    });
    let topic = "shop-by-length-repartition";
    driver
        .pipe(&WORDS, word("a", 1))
        .pipe(&WORDS, word("b", 2))
        .run();
    driver.pipe(&WORDS, word("c", 3)).process();
    driver.advance(std::time::Duration::from_millis(29_999));
    assert_eq!(driver.offsets(topic, 0), Some(0..3));
    driver.advance(std::time::Duration::from_millis(1));
    assert_eq!(
        driver.offsets(topic, 0),
        Some(2..3),
        "the third is not committed"
    );
    driver.crash().run();
    assert_eq!(
        driver.values(&COUNTS).len(),
        5,
        "at least once, the third is sent and taken twice"
    );
}

#[test]
fn repartition_topics_keep_their_records_until_they_are_purged_in_segments_of_50_mib() {
    let topics = internal(|b| {
        b.stream(WORDS)
            .key_by("by-length", |word: &String| word.len() as i64)
            .map_key(|key, _| key.unwrap_or_default().to_string())
            .map(|word| word.len() as u64)
            .to(COUNTS);
    });
    let [topic] = &topics[..] else {
        panic!("{topics:?}");
    };
    assert_eq!(config(topic, "retention.ms"), Some("-1"));
    assert_eq!(config(topic, "cleanup.policy"), Some("delete"));
    assert_eq!(config(topic, "segment.bytes"), Some("52428800"));
}

/// Emits the task's stream time, and what the store's clock made of the record: -1 if it was too old.
struct Clocks {
    seen: WindowStore<String, i64>,
}

impl Processor for Clocks {
    type Key = String;
    type Value = String;
    type OutKey = String;
    type OutValue = i64;

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Self>,
        record: Record<String, String>,
    ) -> Result<(), BoxError> {
        let key = record.key.clone().ok_or("a key")?;
        let (at, value) = (record.timestamp, Some(record.timestamp));
        let stored = self
            .seen
            .put(context.stores(), &key, at, value.as_ref(), at)?;
        let stored = match stored {
            Stored::Yes => at,
            Stored::Expired => -1,
        };
        let time = context.stream_time();
        context.forward(Record::new("task".to_owned(), time, at));
        context.forward(Record::new("store".to_owned(), stored, at));
        Ok(())
    }
}

#[test]
fn the_clocks_of_task_operators_and_stores_go_forward_only_and_survive_a_restart() {
    let topology = |b: &Builder| {
        let seen = b.window_store("seen", millis(50));
        let clocks = Clocks {
            seen: seen.handle(),
        };
        let (first, second) = b.stream(WORDS).tee();
        first.process("clocks", [seen.id()], clocks).to(TIMES);
        // This operator's clock moves only with what reaches it.
        second
            .filter_with_key(|key, _| key.is_some_and(|key| key == "a"))
            .window(tumbling(millis(10)))
            .count("windows")
            .to_stream()
            .to(WINDOWS);
    };
    for disk in [Disk::Kept, Disk::Lost] {
        let mut driver = TestDriver::builder("app").exactly_once().build(topology);
        let mut emitted = |record: Record<String, String>, restart: bool| {
            driver.pipe(&WORDS, record).run();
            let times = driver.values(&TIMES);
            if restart {
                driver.crash_at(CrashPoint::Processing, disk);
            }
            times
        };
        assert_eq!(emitted(word("a", 100), true), [100, 100]);
        assert_eq!(emitted(word("b", 200), true), [200, 200]);
        assert_eq!(
            emitted(word("b", 160), true),
            [200, 160],
            "the task's does not go back"
        );
        assert_eq!(emitted(word("b", 150), true), [200, -1], "nor the store's");
        // By the task's clock both are late, by the operator's the second alone.
        assert_eq!(emitted(word("a", 105), true), [200, -1]);
        assert_eq!(emitted(word("a", 99), false), [200, -1]);
        let windows = driver.read(&WINDOWS);
        let counts: Vec<_> = windows.iter().map(|record| record.value).collect();
        assert_eq!(counts, [Some(1), Some(2)]);
        assert_eq!(driver.dropped_in_all(DropReason::Late), 1);
    }
}
