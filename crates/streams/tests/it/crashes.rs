//! Crashes, rebalances and retries: nothing is lost, and under exactly-once nothing is doubled.

use headwater_streams::test_driver::{CrashPoint, Disk, TestDriver};
use headwater_streams::{Builder, Record, Topic};

const WORDS: Topic<String, String> = Topic::string("words");
const WORDS_AGAIN: Topic<String, String> = Topic::string("words-again");
const LOUD: Topic<i64, String> = Topic::string("loud");

fn topology(b: &Builder) {
    b.stream(WORDS)
        .key_by("by-length", |word: &String| word.len() as i64)
        .map(|word| word.to_uppercase())
        .to(LOUD);
}

fn record(key: &str, value: &str, timestamp: i64) -> Record<String, String> {
    Record::new(key.to_owned(), value.to_owned(), timestamp)
}

#[test]
fn outputs_offsets_and_repartitioned_records_are_seen_together_at_the_commit() {
    let mut driver = TestDriver::builder("app").exactly_once().build(topology);
    driver.pipe(&WORDS, record("a", "one", 1));
    assert_eq!(driver.process(), 1, "the second half waits for the commit");
    assert!(driver.read_bytes("app-by-length-repartition").is_empty());
    driver.commit();
    assert_eq!(driver.read_bytes("app-by-length-repartition").len(), 1);
    assert_eq!(driver.process(), 1);
    assert!(driver.values(&LOUD).is_empty());
    driver.crash();
    assert_eq!(driver.process(), 1, "the record is taken again");
    driver.commit();
    assert_eq!(driver.values(&LOUD), ["ONE"]);
}

#[test]
fn a_crash_doubles_results_at_least_once_and_not_exactly_once() {
    let straight = |b: &Builder| b.stream(WORDS).to(WORDS_AGAIN);
    for (builder, expected) in [
        (TestDriver::builder("app"), &["one", "one"][..]),
        (TestDriver::builder("app").exactly_once(), &["one"]),
    ] {
        let mut driver = builder.build(straight);
        driver.pipe(&WORDS, record("a", "one", 1));
        driver.process();
        driver.crash_at(CrashPoint::BeforeCommit, Disk::Kept).run();
        assert_eq!(driver.values(&WORDS_AGAIN), expected);
    }
}
