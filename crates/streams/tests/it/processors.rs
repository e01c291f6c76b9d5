//! Processors: stores, forwarding, punctuations by stream time and by the wall clock.

use std::time::Duration;

use headwater_streams::context::DropReason;
use headwater_streams::dsl::{FixedKey, Processor, ProcessorContext};
use headwater_streams::error::BoxError;
use headwater_streams::processor::{PunctuationId, PunctuationType};
use headwater_streams::store::KeyValue;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::{Builder, Policy, Record, Topic};

const WORDS: Topic<String, String> = Topic::string("words");
const TIMES: Topic<String, i64> = Topic::json("times");
const COUNTS: Topic<String, u64> = Topic::json("counts");

fn record(key: &str, value: &str, timestamp: i64) -> Record<String, String> {
    Record::new(key.to_owned(), value.to_owned(), timestamp)
}

/// Emits the time of each punctuation, by the clock it is made for, keyed by what fired.
struct Ticks {
    clock: PunctuationType,
    every: Duration,
}

impl Processor for Ticks {
    type Key = String;
    type Value = String;
    type OutKey = String;
    type OutValue = i64;

    fn init(&mut self, context: &mut ProcessorContext<'_, Self>) -> Result<(), BoxError> {
        context.schedule(self.every, self.clock, |_, context, time| {
            context.forward(Record::new("tick".to_owned(), time, time));
            Ok(())
        });
        Ok(())
    }

    fn process(
        &mut self,
        _: &mut ProcessorContext<'_, Self>,
        _: Record<String, String>,
    ) -> Result<(), BoxError> {
        Ok(())
    }
}

fn ticking(clock: PunctuationType) -> TestDriver {
    TestDriver::builder("app")
        .starting_at(1_000)
        .build(move |b| {
            let every = Duration::from_millis(100);
            b.stream(WORDS)
                .process("ticks", [], Ticks { clock, every })
                .to(TIMES);
        })
}

#[test]
fn a_stream_time_punctuation_fires_with_the_first_record_and_once_per_advance_without_a_burst() {
    let mut driver = ticking(PunctuationType::StreamTime);
    let mut ticks = |timestamp: i64| {
        driver.pipe(&WORDS, record("k", "v", timestamp)).run();
        driver.values(&TIMES)
    };
    assert_eq!(ticks(30), [30], "with the first record");
    assert!(ticks(99).is_empty());
    assert_eq!(ticks(100), [100]);
    assert_eq!(ticks(755), [755], "once, however many beats were missed");
    assert!(ticks(799).is_empty(), "in the old rhythm");
    assert!(ticks(200).is_empty(), "stream time does not go back");
    assert_eq!(ticks(800), [800]);
    driver.advance(Duration::from_secs(10)).run();
    assert!(
        driver.values(&TIMES).is_empty(),
        "the wall clock does not move it"
    );
}

#[test]
fn a_wall_clock_punctuation_fires_after_one_interval_and_once_per_advance_without_a_burst() {
    let mut driver = ticking(PunctuationType::WallClock);
    driver.pipe(&WORDS, record("k", "v", 5_000)).run();
    assert!(driver.values(&TIMES).is_empty(), "records do not move it");
    let mut ticks = |millis: u64| {
        driver.advance(Duration::from_millis(millis)).run();
        driver.values(&TIMES)
    };
    assert!(ticks(99).is_empty());
    assert_eq!(ticks(1), [1_100]);
    assert_eq!(ticks(555), [1_655], "once, however many beats were missed");
    assert!(ticks(44).is_empty(), "in the old rhythm");
    assert_eq!(ticks(1), [1_700]);
}

#[test]
fn a_punctuation_that_is_cancelled_by_itself_fires_no_more() {
    struct Once(Option<PunctuationId>);
    impl Processor for Once {
        type Key = String;
        type Value = String;
        type OutKey = String;
        type OutValue = i64;

        fn process(
            &mut self,
            context: &mut ProcessorContext<'_, Self>,
            _: Record<String, String>,
        ) -> Result<(), BoxError> {
            let every = Duration::from_millis(10);
            self.0 = Some(context.schedule(
                every,
                PunctuationType::WallClock,
                |own: &mut Self, context, time| {
                    context.cancel(own.0.take().ok_or("it fired again")?);
                    context.forward(Record::new("once".to_owned(), time, time));
                    Ok(())
                },
            ));
            Ok(())
        }
    }
    let mut driver = TestDriver::new("app", |b| {
        b.stream(WORDS).process("once", [], Once(None)).to(TIMES);
    });
    driver.pipe(&WORDS, record("k", "v", 1)).run();
    for _ in 0..5 {
        driver.advance(Duration::from_millis(10)).run();
    }
    assert_eq!(driver.values(&TIMES), [10]);
}

#[test]
fn a_punctuation_that_another_one_cancels_does_not_fire_any_more() {
    struct First(Option<PunctuationId>);
    impl Processor for First {
        type Key = String;
        type Value = String;
        type OutKey = String;
        type OutValue = i64;

        fn process(
            &mut self,
            context: &mut ProcessorContext<'_, Self>,
            _: Record<String, String>,
        ) -> Result<(), BoxError> {
            let (every, kind) = (Duration::from_millis(10), PunctuationType::WallClock);
            context.schedule(every, kind, |own: &mut Self, context, time| {
                if let Some(second) = own.0.take() {
                    context.cancel(second);
                }
                context.forward(Record::new("first".to_owned(), time, time));
                Ok(())
            });
            self.0 = Some(context.schedule(every, kind, |_, context, time| {
                context.forward(Record::new("second".to_owned(), -time, time));
                Ok(())
            }));
            Ok(())
        }
    }
    let mut driver = TestDriver::new("app", |b| {
        b.stream(WORDS).process("first", [], First(None)).to(TIMES);
    });
    driver.pipe(&WORDS, record("k", "v", 1)).run();
    for _ in 0..2 {
        driver.advance(Duration::from_millis(10)).run();
    }
    assert_eq!(driver.values(&TIMES), [10, 20]);
}

/// Counts per key in a store, and leaves keys as they are.
struct Count(KeyValue<String, u64>);

impl Processor for Count {
    type Key = FixedKey<String>;
    type Value = String;
    type OutKey = FixedKey<String>;
    type OutValue = u64;

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Self>,
        record: Record<FixedKey<String>, String>,
    ) -> Result<(), BoxError> {
        if record.value == "bad" {
            return Err("this one is bad".into());
        }
        let key = record.key.as_deref().ok_or("a record without a key")?;
        let before = self
            .0
            .get(context.stores(), key)?
            .map_or(0, |(count, _)| count);
        self.0
            .put(context.stores(), key, Some(&(before + 1)), record.timestamp)?;
        context.forward(record.with_value(before + 1));
        Ok(())
    }
}

fn counting(b: &Builder) {
    let counts = b.key_value_store("counts");
    // What leaves is keyed still: it can be joined without a repartition topic.
    let out = b
        .stream(WORDS)
        .process_values("count", [counts.id()], Count(counts.handle()));
    out.to(COUNTS);
}

#[test]
fn a_processors_store_is_restored_after_a_move_and_after_a_crash() {
    for builder in [
        TestDriver::builder("app"),
        TestDriver::builder("app").exactly_once(),
    ] {
        let mut driver = builder.partitions("words", 2).build(counting);
        for key in ["a", "b", "a", "c"] {
            driver.pipe(&WORDS, record(key, "v", 1));
        }
        driver.run().rebalance();
        driver.crash_at(
            headwater_streams::test_driver::CrashPoint::Processing,
            headwater_streams::test_driver::Disk::Lost,
        );
        let all = driver.store::<String, u64>("counts").all();
        let expected = [("a", 2), ("b", 1), ("c", 1)];
        assert_eq!(all, expected.map(|(key, count)| (key.to_owned(), count)));
        driver.values(&COUNTS);
        driver.pipe(&WORDS, record("a", "v", 2)).run();
        assert_eq!(driver.values(&COUNTS), [3]);
    }
}

#[test]
fn an_error_of_a_processor_is_treated_by_the_policy() {
    let mut driver = TestDriver::builder("app")
        .policy(&Policy::Skip)
        .build(counting);
    for value in ["v", "bad", "v"] {
        driver.pipe(&WORDS, record("a", value, 1));
    }
    driver.run();
    assert_eq!(driver.values(&COUNTS), [1, 2]);
    assert_eq!(driver.dropped("count", DropReason::Processing), 1);
    let mut driver = TestDriver::new("app", counting);
    driver.pipe(&WORDS, record("a", "bad", 1));
    let error = driver
        .try_run()
        .expect_err("the default is to fail")
        .to_string();
    assert!(error.contains("processing failed in count"), "{error}");
    assert!(error.contains("this one is bad"), "{error}");
}

#[test]
fn a_failure_behind_a_processor_stops_the_task_though_the_processor_does_not_look() {
    let mut driver = TestDriver::new("app", |b: &Builder| {
        let counts = b.key_value_store("counts");
        b.stream(WORDS)
            .process_values("count", [counts.id()], Count(counts.handle()))
            .try_map(|count| {
                if count > 1 {
                    Err("too many")
                } else {
                    Ok(count)
                }
            })
            .to(COUNTS);
    });
    driver.pipe(&WORDS, record("a", "v", 1)).run();
    driver.pipe(&WORDS, record("a", "v", 2));
    let error = driver.try_run().expect_err("the second fails").to_string();
    assert!(error.contains("too many"), "{error}");
    assert_eq!(
        driver.store::<String, u64>("counts").get(&"a".to_owned()),
        Some(1)
    );
}

#[test]
fn a_processor_sees_where_its_record_came_from_and_both_clocks() {
    struct Look;
    impl Processor for Look {
        type Key = String;
        type Value = String;
        type OutKey = String;
        type OutValue = String;

        fn process(
            &mut self,
            context: &mut ProcessorContext<'_, Self>,
            record: Record<String, String>,
        ) -> Result<(), BoxError> {
            let origin = context.origin().clone();
            let seen = format!(
                "{} {} {} {} {} {} {}",
                origin.topic,
                origin.partition,
                origin.offset,
                context.stream_time(),
                context.wall_clock(),
                context.task_id(),
                context.application_id(),
            );
            context.forward(record.with_value(seen));
            Ok(())
        }
    }
    const SEEN: Topic<String, String> = Topic::string("seen");
    let mut driver = TestDriver::builder("app").starting_at(77).build(|b| {
        b.stream(WORDS).process("look", [], Look).to(SEEN);
    });
    driver.pipe(&WORDS, record("a", "v", 9));
    driver.pipe(&WORDS, record("a", "v", 8)).run();
    assert_eq!(
        driver.values(&SEEN),
        ["words 0 0 9 77 0_0 app", "words 0 1 9 77 0_0 app"]
    );
}
