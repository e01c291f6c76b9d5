//! Records on their way: partitions, order, timestamps, keys and values that are missing, headers.

use std::time::Duration;

use bytes::Bytes;
use headwater_streams::context::DropReason;
use headwater_streams::serde::Avro;
use headwater_streams::serde::registry::RegistryConfig;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::{
    Builder, Headers, OnInvalid, Partitions, Policy, Record, Stage, StreamsError, Timestamps, Topic,
};

const WORDS: Topic<String, String> = Topic::string("words");
const OTHERS: Topic<String, String> = Topic::string("others");
const LOUD: Topic<String, String> = Topic::string("loud");
const BY_LENGTH: Topic<i64, String> = Topic::string("by-length");
const MAYBE: Topic<String, Option<u64>> = Topic::json("maybe");
const MAYBE_AGAIN: Topic<String, Option<u64>> = Topic::json("maybe-again");
const NUMBERS: Topic<String, u64> = Topic::json("numbers");
const COUNTS: Topic<String, u64> = Topic::json("counts");

fn record(key: &str, value: &str, timestamp: i64) -> Record<String, String> {
    Record::new(key.to_owned(), value.to_owned(), timestamp)
}

/// A hash without its sign bit.
fn positive(hash: i32) -> i32 {
    (i64::from(hash) + (1 << 31)) as i32
}

fn both(b: &Builder) {
    b.stream(WORDS).merge(b.stream(OTHERS)).to(LOUD);
}

#[test]
fn headers_come_from_the_current_record() {
    let topology = |b: &Builder| b.stream(WORDS).map(|word| word.to_uppercase()).to(LOUD);
    let mut driver = TestDriver::new("app", topology);
    let mut first = record("a", "one", 1);
    first.headers.push("trace", Bytes::from_static(b"1"));
    driver.pipe(&WORDS, first.clone());
    driver.pipe(&WORDS, record("a", "two", 2));
    driver.run();
    let expected = [first.with_value("ONE".to_owned()), record("a", "TWO", 2)];
    assert_eq!(driver.read(&LOUD), expected);
}

#[test]
fn a_record_goes_to_the_partition_that_java_would_choose() {
    // From `toPositive(murmur2(key)) % 7`, with hashes of Kafka's own tests: -973932308, -790332482, -985981536.
    let expected = [
        ("21", positive(-973_932_308) % 7),
        ("foobar", positive(-790_332_482) % 7),
        ("a-little-bit-long-string", positive(-985_981_536) % 7),
    ];
    let mut driver = TestDriver::builder("app").partitions("loud", 7).build(both);
    for (key, partition) in expected {
        driver.pipe(&WORDS, record(key, "x", 1)).run();
        let read = driver.read_with_origin(&LOUD);
        assert_eq!(read[0].0.partition, partition, "{key}");
    }
}

#[test]
fn a_custom_partitioner_goes_before_the_key_and_may_send_a_record_to_several_partitions() {
    let topology = |b: &Builder| {
        let everywhere = LOUD.partitioner(|_, _, value: Option<&String>, count| {
            match value.map(String::as_str) {
                Some("all") => Some(Partitions::Many((0..count).collect())),
                Some("none") => Some(Partitions::Many(Vec::new())),
                Some("last") => Some(Partitions::One(count - 1)),
                Some("beyond") => Some(Partitions::One(count)),
                _ => None,
            }
        });
        b.stream(WORDS).to(everywhere);
    };
    let mut driver = TestDriver::builder("app")
        .partitions("loud", 3)
        .build(topology);
    let mut partitions = |value: &str| -> Vec<i32> {
        driver.pipe(&WORDS, record("21", value, 1));
        driver.try_run().map_or_else(
            |error| {
                assert!(
                    error
                        .to_string()
                        .contains("partition 3 of loud, which has 3"),
                    "{error}"
                );
                vec![-1]
            },
            |()| {
                let read = driver.read_with_origin(&LOUD);
                read.iter().map(|(origin, _)| origin.partition).collect()
            },
        )
    };
    assert_eq!(partitions("all"), [0, 1, 2]);
    assert!(partitions("none").is_empty());
    assert_eq!(partitions("last"), [2]);
    assert_eq!(partitions("by key"), [positive(-973_932_308) % 3]);
    assert_eq!(partitions("beyond"), [-1]);
}

#[test]
fn co_partitioned_inputs_have_equal_counts_and_equal_partitions_meet_in_one_task() {
    let mut driver = TestDriver::builder("app")
        .partitions("words", 3)
        .partitions("others", 3)
        .partitions("loud", 1)
        .build(|b| {
            b.stream(WORDS)
                .join_table(b.table(OTHERS, "others"))
                .map(|(word, other)| format!("{word} {other}"))
                .to(LOUD);
        });
    assert_eq!(driver.tasks().len(), 3);
    for key in ["a", "b", "c", "d", "e", "f"] {
        driver.pipe(&OTHERS, record(key, key, 1));
        driver.pipe(&WORDS, record(key, "met", 2));
    }
    driver.run();
    let mut met = driver.values(&LOUD);
    met.sort();
    assert_eq!(met, ["met a", "met b", "met c", "met d", "met e", "met f"]);
}

#[test]
fn joined_topics_of_different_counts_are_told_when_the_topology_starts() {
    let builder = TestDriver::builder("app")
        .partitions("words", 3)
        .partitions("others", 2);
    let Err(error) = builder.try_build(|b| {
        b.stream(WORDS)
            .join_table(b.table(OTHERS, "others"))
            .map(|(word, _)| word)
            .to(LOUD);
    }) else {
        panic!("the counts differ");
    };
    assert!(matches!(error, StreamsError::Topics(_)));
    let text = error.to_string();
    assert!(text.contains("others has 2, words has 3"), "{text}");
    assert!(text.contains("records.rs"), "{text}");
    assert!(text.contains(".repartition(\"name\", 3)"), "{text}");
}

#[test]
fn a_repartition_topic_has_as_many_partitions_as_the_largest_topic_upstream() {
    let topology = |b: &Builder| {
        b.stream(WORDS)
            .merge(b.stream(OTHERS))
            .key_by("by-length", |word: &String| word.len() as i64)
            .to(BY_LENGTH);
    };
    let driver = TestDriver::builder("app")
        .partitions("words", 2)
        .partitions("others", 5)
        .build(topology);
    assert_eq!(driver.partitions("app-by-length-repartition"), Some(5));
    assert_eq!(driver.tasks().len(), 10);
}

#[test]
fn a_task_takes_the_lowest_timestamp_of_its_inputs_and_the_first_named_of_equal_ones() {
    let mut driver = TestDriver::new("app", both);
    for (word, other) in [(1, 2), (4, 3), (5, 5), (2, 6), (7, 1)] {
        driver.pipe(&WORDS, record("k", &format!("word {word}"), word));
        driver.pipe(&OTHERS, record("k", &format!("other {other}"), other));
    }
    driver.run();
    let expected = [
        "word 1", "other 2", "other 3", "word 4", "word 5", "word 2", "other 5", "other 6",
        "other 1", "word 7",
    ];
    assert_eq!(driver.values(&LOUD), expected, "within an input, its order");
}

#[test]
fn a_null_value_that_is_dropped_takes_its_turn_by_its_timestamp() {
    let mut driver = TestDriver::new("app", both);
    driver.pipe_bytes("words", 0, Some(b"a"), None, 10, Headers::default());
    driver.pipe(&WORDS, record("a", "late", 1));
    driver.pipe(&OTHERS, record("a", "other", 5));
    driver.run();
    assert_eq!(driver.values(&LOUD), ["other", "late"]);
}

#[test]
fn a_task_waits_for_an_input_that_has_more_and_not_for_one_that_is_caught_up() {
    let mut driver = TestDriver::new("app", both);
    driver.pipe(&WORDS, record("k", "word 2", 2)).run();
    assert_eq!(
        driver.values(&LOUD),
        ["word 2"],
        "the other is empty, and known to be"
    );
    driver.hold("others");
    driver.pipe(&OTHERS, record("k", "other 3", 3));
    driver.pipe(&WORDS, record("k", "word 4", 4)).run();
    assert!(driver.values(&LOUD).is_empty(), "the other has more");
    driver.advance(Duration::from_hours(1)).run();
    assert!(driver.values(&LOUD).is_empty(), "however long that takes");
    driver.release("others").run();
    assert_eq!(driver.values(&LOUD), ["other 3", "word 4"]);
}

#[test]
fn a_task_waits_no_longer_than_max_task_idle_and_never_if_that_is_none() {
    let idle = Some(Duration::from_millis(100));
    for (idle, waits) in [(idle, true), (None, false)] {
        let mut driver = TestDriver::builder("app").max_task_idle(idle).build(both);
        driver.hold("others");
        driver.pipe(&OTHERS, record("k", "other 1", 1));
        driver.pipe(&WORDS, record("k", "word 2", 2)).run();
        assert_eq!(driver.values(&LOUD).is_empty(), waits);
        driver.advance(Duration::from_millis(99)).run();
        assert_eq!(driver.values(&LOUD).len(), 0);
        driver.advance(Duration::from_millis(1)).run();
        assert_eq!(driver.values(&LOUD).len(), usize::from(waits));
    }
}

#[test]
fn a_null_key_is_dropped_and_counted_where_a_key_is_needed_and_passes_elsewhere() {
    let topology = |b: &Builder| {
        let (first, second) = b.stream(WORDS).tee();
        first.map(|word| word.to_uppercase()).to(LOUD);
        second
            .count("counts")
            .to_stream()
            .map(Option::unwrap_or_default)
            .to(COUNTS);
    };
    let mut driver = TestDriver::new("app", topology);
    driver.pipe(&WORDS, Record::new(None, "one".to_owned(), 1));
    driver.pipe(&WORDS, record("k", "two", 2)).run();
    assert_eq!(driver.values(&LOUD), ["ONE", "TWO"]);
    assert_eq!(driver.values(&COUNTS), [1]);
    assert_eq!(driver.dropped("counts", DropReason::NullKey), 1);
    assert_eq!(driver.dropped_in_all(DropReason::NullKey), 1);
}

#[test]
fn results_without_a_key_stay_in_the_order_of_their_input() {
    let mut driver = TestDriver::builder("app")
        .partitions("words", 3)
        .partitions("loud", 3)
        .build(both);
    for n in 0..9 {
        driver.pipe(&WORDS, Record::new(None, n.to_string(), n));
    }
    driver.run();
    assert_eq!(
        driver.values(&LOUD),
        ["0", "3", "6", "1", "4", "7", "2", "5", "8"]
    );
}

#[test]
fn a_null_value_is_dropped_and_counted_where_the_type_has_none() {
    let mut driver = TestDriver::new("app", both);
    driver.pipe_bytes("words", 0, Some(b"k"), None, 1, Headers::default());
    driver.run();
    assert!(driver.read(&LOUD).is_empty());
    assert_eq!(driver.dropped_in_all(DropReason::NullValue), 1);
    let mut driver = TestDriver::new("app", |b| b.stream(MAYBE).to(MAYBE_AGAIN));
    driver
        .pipe(&MAYBE, Record::new("k".to_owned(), None, 1))
        .run();
    assert_eq!(driver.read_bytes("maybe-again")[0].1.value, None);
    assert_eq!(driver.dropped_in_all(DropReason::NullValue), 0);
}

#[test]
fn a_negative_timestamp_fails_by_default_and_by_the_extractor_is_skipped_or_replaced() {
    let piped = |topology: fn(&Builder), timestamps: &[i64]| {
        let mut driver = TestDriver::new("app", topology);
        for timestamp in timestamps {
            let headers = Headers::default();
            driver.pipe_bytes("words", 0, Some(b"k"), Some(b"v"), *timestamp, headers);
        }
        let result = driver.try_run();
        let times: Vec<_> = driver
            .read(&LOUD)
            .iter()
            .map(|record| record.timestamp)
            .collect();
        (result, times, driver.dropped_in_all(DropReason::Timestamp))
    };
    let (result, ..) = piped(both, &[-1]);
    let Err(StreamsError::Record(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!((error.stage, error.offset), (Stage::Deserialization, 0));

    let skipping = |b: &Builder| {
        let timestamps = Timestamps::of_record().on_invalid(OnInvalid::Skip);
        b.stream(WORDS.timestamps(timestamps)).to(LOUD);
    };
    let (result, times, skipped) = piped(skipping, &[3, -1, 5]);
    assert!(result.is_ok());
    assert_eq!((times, skipped), (vec![3, 5], 1));

    let replacing = |b: &Builder| {
        let timestamps = Timestamps::of_record().on_invalid(OnInvalid::PartitionTime);
        b.stream(WORDS.timestamps(timestamps)).to(LOUD);
    };
    let (result, times, _) = piped(replacing, &[3, -1, 5, 4, -1]);
    assert!(result.is_ok());
    assert_eq!(times, [3, 3, 5, 4, 5]);
    let (result, ..) = piped(replacing, &[-1]);
    assert!(result.is_err(), "there is no partition time yet");
}

#[test]
fn what_cannot_be_read_fails_is_skipped_or_becomes_a_dead_letter_by_the_policy() {
    let topology = |b: &Builder| b.stream(NUMBERS).to(COUNTS);
    let pipe = |driver: &mut TestDriver| {
        let mut headers = Headers::default();
        headers.push("trace", Bytes::from_static(b"1"));
        driver.pipe_bytes("numbers", 0, Some(b"k"), Some(b"no number"), 5, headers);
        driver.pipe(&NUMBERS, Record::new("k".to_owned(), 7, 6));
        driver.try_run()
    };
    let mut driver = TestDriver::new("app", topology);
    assert!(pipe(&mut driver).is_err());
    assert!(driver.values(&COUNTS).is_empty());

    let mut driver = TestDriver::builder("app")
        .policy(&Policy::Skip)
        .build(topology);
    assert!(pipe(&mut driver).is_ok());
    assert_eq!(driver.values(&COUNTS), [7]);
    assert_eq!(driver.dropped("source-0", DropReason::Deserialization), 1);

    let builder = TestDriver::builder("app")
        .policy(&Policy::DeadLetter)
        .dead_letter("letters");
    let mut driver = builder.build(topology);
    assert!(pipe(&mut driver).is_ok());
    assert_eq!(driver.values(&COUNTS), [7]);
    let (_, letter) = driver.read_bytes("letters").remove(0);
    assert_eq!(letter.key.as_deref(), Some(&b"k"[..]));
    assert_eq!(letter.value.as_deref(), Some(&b"no number"[..]));
    assert_eq!(letter.timestamp, 5);
    let header = |name: &str| letter.headers.last(name).map(|value| value.to_vec());
    assert_eq!(header("trace"), Some(b"1".to_vec()));
    assert_eq!(header("__streams.errors.topic"), Some(b"numbers".to_vec()));
    assert_eq!(header("__streams.errors.partition"), Some(b"0".to_vec()));
    assert_eq!(header("__streams.errors.offset"), Some(b"0".to_vec()));
    for name in ["exception", "stacktrace", "message"] {
        let name = format!("__streams.errors.{name}");
        assert!(header(&name).is_some_and(|text| !text.is_empty()), "{name}");
    }
}

#[test]
fn no_record_is_dropped_since_a_schema_registry_is_away() {
    // Nobody listens there.
    let away = RegistryConfig::new("http://127.0.0.1:1").attempts(1);
    let away = away.build().unwrap();
    let avro = move || Avro::<u64>::new(away.values(), "\"long\"").unwrap();
    let fails = |topology: fn(&Builder, Topic<String, u64>), bytes: &[u8]| {
        let avro = NUMBERS.with_value(avro());
        let mut driver = TestDriver::builder("app")
            .policy(&Policy::Skip)
            .build(move |b: &Builder| topology(b, avro.clone()));
        driver.pipe_bytes("numbers", 0, Some(b"k"), Some(bytes), 5, Headers::default());
        let error = driver.try_run().unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1"), "{error}");
    };
    fails(|b, avro| b.stream(avro).to(COUNTS), b"\0\0\0\0\x01\x0e");
    fails(|b, avro| b.stream(NUMBERS).to(avro), b"7");
}
