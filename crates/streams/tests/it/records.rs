//! Records on their way: partitions, order, clocks, headers.

use headwater_streams::test_driver::TestDriver;
use headwater_streams::{Builder, Record, Topic};

const WORDS: Topic<String, String> = Topic::string("words");
const LOUD: Topic<String, String> = Topic::string("loud");
const BY_LENGTH: Topic<i64, String> = Topic::string("by-length");

fn record(key: &str, value: &str, timestamp: i64) -> Record<String, String> {
    Record::new(key.to_owned(), value.to_owned(), timestamp)
}

#[test]
fn headers_come_from_the_current_record() {
    let topology = |b: &Builder| b.stream(WORDS).map(|word| word.to_uppercase()).to(LOUD);
    let mut driver = TestDriver::new("app", topology);
    let mut first = record("a", "one", 1);
    first.headers.push("trace", bytes::Bytes::from_static(b"1"));
    driver.pipe(&WORDS, first.clone());
    driver.pipe(&WORDS, record("a", "two", 2));
    driver.run();
    let expected = [first.with_value("ONE".to_owned()), record("a", "TWO", 2)];
    assert_eq!(driver.read(&LOUD), expected);
}

#[test]
fn a_repartition_topic_has_as_many_partitions_as_the_largest_topic_upstream() {
    let topology = |b: &Builder| {
        b.stream(WORDS)
            .merge(b.stream(LOUD))
            .key_by("by-length", |word: &String| word.len() as i64)
            .to(BY_LENGTH);
    };
    let driver = TestDriver::builder("app")
        .partitions("words", 2)
        .partitions("loud", 5)
        .build(topology);
    assert_eq!(driver.partitions("app-by-length-repartition"), Some(5));
    assert_eq!(driver.tasks().len(), 10);
}
