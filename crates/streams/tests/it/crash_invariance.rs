//! A property: for a fixed interleaving of the inputs, any crash points give the same outputs and tables.

use std::cell::Cell;

use headwater_streams::dsl::{Processor, ProcessorContext, within};
use headwater_streams::error::BoxError;
use headwater_streams::processor::PunctuationType;
use headwater_streams::store::KeyValue;
use headwater_streams::suppress::until_window_closes;
use headwater_streams::test_driver::{StoredRecord, TestDriver};
use headwater_streams::windows::{millis, session, sliding, tumbling};
use headwater_streams::{Builder, Final, Headers, Materialized, Record, Topic, Windowed};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const ORDERS: Topic<String, u64> = Topic::json("orders");
const PAYMENTS: Topic<String, u64> = Topic::json("payments");
const OUT: Topic<String, Option<u64>> = Topic::json("out");
const PAIRS: Topic<String, (u64, Option<u64>)> = Topic::json("pairs");
const WINDOWS: Topic<Windowed<String>, Option<u64>> = Topic::json("windows");

/// Counts per value's last digit, behind a repartition topic.
fn count(b: &Builder) {
    b.stream(ORDERS)
        .key_by("by-digit", |n| (n % 3).to_string())
        .count("counts")
        .to_stream()
        .to(OUT);
}

/// The same, with the latest result of each commit.
fn cached_count(b: &Builder) {
    b.stream(ORDERS)
        .count(Materialized::named("counts").cached())
        .to_stream()
        .to(OUT);
}

/// Sums per window, with late records, each update emitted.
fn windowed(b: &Builder) {
    b.stream(ORDERS)
        .filter(|n| !n.is_multiple_of(5))
        .window(tumbling(millis(10)).grace(millis(5)))
        .fold("sums", 0, |sum, n| *sum += n)
        .to_stream()
        .to(WINDOWS);
}

/// Sums per window, emitted when it closes.
fn final_windows(b: &Builder) {
    b.stream(ORDERS)
        .window(tumbling(millis(10)).grace(millis(5)))
        .fold("sums", 0, |sum, n| *sum += n)
        .emit(Final)
        .to_stream()
        .to(WINDOWS);
}

fn sliding_windows(b: &Builder) {
    b.stream(ORDERS)
        .window(sliding(millis(10)).grace(millis(5)))
        .count("counts")
        .to_stream()
        .to(WINDOWS);
}

fn sessions(b: &Builder) {
    b.stream(ORDERS)
        .window(session(millis(6)).grace(millis(5)))
        .count("sessions")
        .to_stream()
        .map_key(|key, _| key.expect("a session has a key").key)
        .to(OUT);
}

fn stream_join(b: &Builder) {
    b.stream(ORDERS)
        .left_join(
            "paid",
            b.stream(PAYMENTS),
            within(millis(8)).grace(millis(4)),
        )
        .to(PAIRS);
}

/// Each side looks another way.
fn outer_join(b: &Builder) {
    let near = within(millis(8)).before(millis(2)).grace(millis(4));
    b.stream(ORDERS)
        .outer_join("paid", b.stream(PAYMENTS), near)
        .map(|(order, payment)| {
            Some(order.unwrap_or_default() + 1000 * payment.unwrap_or_default())
        })
        .to(OUT);
}

/// Records wait for the table.
fn waiting_join(b: &Builder) {
    let payments = b.table_versioned(PAYMENTS, "payments", millis(40));
    b.stream(ORDERS)
        .left_join_table_with_grace("waiting", payments, millis(5))
        .to(PAIRS);
}

fn table_join(b: &Builder) {
    b.stream(ORDERS)
        .left_join_table(b.table(PAYMENTS, "payments"))
        .to(PAIRS);
}

fn table_table_join(b: &Builder) {
    let orders = b.table(ORDERS, "orders");
    orders
        .left_join(b.table(PAYMENTS, "payments"))
        .map(|(order, payment)| order + payment.unwrap_or_default())
        .to_stream()
        .to(OUT);
}

fn foreign_key_join(b: &Builder) {
    let payments = b.table(PAYMENTS, "payments");
    b.table(ORDERS, "orders")
        .left_join_foreign("priced", payments, |n: &u64| format!("k{}", n % 4))
        .map(|(order, payment)| order + 100 * payment.unwrap_or_default())
        .to_stream()
        .to(OUT);
}

fn group_by(b: &Builder) {
    b.table(ORDERS, "orders")
        .group_by("by-digit", |_, n| ((n % 3).to_string(), n))
        .fold("sums", 0, |sum, n| *sum += n, |sum, n| *sum -= n)
        .to_stream()
        .to(OUT);
}

fn suppressed(b: &Builder) {
    b.stream(ORDERS)
        .window(tumbling(millis(10)).grace(millis(5)))
        .count("counts")
        .suppress("held", until_window_closes())
        .to_stream()
        .to(WINDOWS);
}

fn as_of_join(b: &Builder) {
    let payments = b.table_versioned(PAYMENTS, "payments", millis(40));
    b.stream(ORDERS).left_join_table(payments).to(PAIRS);
}

fn cogrouped(b: &Builder) {
    b.stream(ORDERS)
        .cogroup(|sum: &mut u64, n| *sum += n)
        .and(b.stream(PAYMENTS), |sum: &mut u64, n| *sum += 100 * n)
        .fold("sums", 0)
        .to_stream()
        .to(OUT);
}

/// A processor that holds back and lets go by stream time.
struct Hold {
    held: KeyValue<String, u64>,
}

impl Processor for Hold {
    type Key = String;
    type Value = u64;
    type OutKey = String;
    type OutValue = Option<u64>;

    fn init(&mut self, context: &mut ProcessorContext<'_, Self>) -> Result<(), BoxError> {
        context.schedule(
            millis(7),
            PunctuationType::StreamTime,
            |own, context, time| {
                for (key, value, _) in own.held.all(context.stores())? {
                    own.held.put(context.stores(), &key, None, time)?;
                    context.forward(Record::new(key, Some(value), time));
                }
                Ok(())
            },
        );
        Ok(())
    }

    fn process(
        &mut self,
        context: &mut ProcessorContext<'_, Self>,
        record: Record<String, u64>,
    ) -> Result<(), BoxError> {
        let key = record.key.ok_or("a key")?;
        let before = self.held.get(context.stores(), &key)?.map_or(0, |(n, _)| n);
        let value = before + record.value;
        self.held
            .put(context.stores(), &key, Some(&value), record.timestamp)?;
        Ok(())
    }
}

fn processor(b: &Builder) {
    let held = b.key_value_store("held");
    let hold = Hold {
        held: held.handle(),
    };
    b.stream(ORDERS).process("hold", [held.id()], hold).to(OUT);
}

/// A topology with its name.
type Named = (&'static str, fn(&Builder));

const TOPOLOGIES: [Named; 17] = [
    ("count", count),
    ("cached count", cached_count),
    ("windowed", windowed),
    ("final windows", final_windows),
    ("sliding windows", sliding_windows),
    ("sessions", sessions),
    ("stream join", stream_join),
    ("outer join", outer_join),
    ("waiting join", waiting_join),
    ("table join", table_join),
    ("table-table join", table_table_join),
    ("foreign-key join", foreign_key_join),
    ("group by", group_by),
    ("suppress", suppressed),
    ("as-of join", as_of_join),
    ("cogroup", cogrouped),
    ("processor", processor),
];

/// One input record: to the second topic or the first, key, value, timestamp.
type Input = (bool, u8, u64, i64);

/// A record but for its offset: markers and aborted records take some.
type Seen = (i32, Option<Vec<u8>>, Option<Vec<u8>>, i64, Headers);

/// Every topic with its records.
type Written = Vec<(String, Vec<Seen>)>;

fn seen((partition, record): (i32, StoredRecord)) -> Seen {
    let bytes = |bytes: Option<bytes::Bytes>| bytes.map(|bytes| bytes.to_vec());
    (
        partition,
        bytes(record.key),
        bytes(record.value),
        record.timestamp,
        record.headers,
    )
}

/// Everything that an application wrote: outputs, repartition topics and changelogs; and how often it crashed.
fn run(
    topology: fn(&Builder),
    inputs: &[Input],
    seed: u64,
    commit_every: usize,
    crashes: usize,
) -> (Written, usize) {
    let mut driver = TestDriver::builder("app")
        .default_partitions(2)
        .exactly_once()
        .seed(seed)
        .commit_every(commit_every)
        .build(topology);
    for (second, key, value, timestamp) in inputs {
        let topic = if *second { &PAYMENTS } else { &ORDERS };
        driver.pipe(topic, Record::new(format!("k{key}"), *value, *timestamp));
    }
    driver.crash_randomly(crashes).run();
    let topics = driver.topics().into_iter();
    let written = topics
        .map(|topic| {
            let records = driver.read_bytes(&topic).into_iter().map(seen).collect();
            (topic, records)
        })
        .collect();
    (written, driver.crashes())
}

/// The first record that differs, with its topic.
fn difference(one: &Written, other: &Written) -> Option<String> {
    let pairs = one.iter().zip(other);
    let (topic, one, other) = pairs
        .map(|((topic, one), (_, other))| (topic, one, other))
        .find(|(_, one, other)| one != other)?;
    let records = one.len().max(other.len());
    let at = (0..records).find(|at| one.get(*at) != other.get(*at))?;
    let (one, other) = (one.get(at), other.get(at));
    Some(format!("{topic}: record {at} is {one:?} or {other:?}"))
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let input = (any::<bool>(), 0..4_u8, 1..20_u64, -12..12_i64);
    // Time goes on by 3 ms a record, give or take: some records are late.
    proptest::collection::vec(input, 1..60).prop_map(|inputs| {
        let timed = inputs.into_iter().enumerate();
        timed
            .map(|(n, (second, key, value, off))| {
                (second, key, value, (20 + 3 * n as i64 + off).max(1))
            })
            .collect()
    })
}

/// Cases of the property for each topology.
const CASES: u32 = 12;

#[test]
fn any_crash_points_give_the_same_outputs_and_tables_for_a_fixed_interleaving() {
    let case = (inputs(), any::<u64>(), 1..20_usize, 1..12_usize);
    for (name, topology) in TOPOLOGIES {
        let came = Cell::new(0);
        let mut runner = TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(CASES)
        });
        let held = runner.run(&case, |(inputs, seed, commit_every, crashes)| {
            let (undisturbed, none) = run(topology, &inputs, seed, commit_every, 0);
            prop_assert_eq!(none, 0);
            let (crashed, crashes) = run(topology, &inputs, seed, commit_every, crashes);
            came.set(came.get() + crashes);
            let difference = difference(&undisturbed, &crashed);
            prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
            Ok(())
        });
        held.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(came.get() > 0, "{name} never crashed");
    }
}

/// The driver of a topology with its inputs piped.
fn piped(topology: fn(&Builder), inputs: &[Input], seed: u64, exactly_once: bool) -> TestDriver {
    let builder = TestDriver::builder("app").default_partitions(2).seed(seed);
    let builder = if exactly_once {
        builder.exactly_once()
    } else {
        builder
    };
    let mut driver = builder.commit_every(4).build(topology);
    for (second, key, value, timestamp) in inputs {
        let topic = if *second { &PAYMENTS } else { &ORDERS };
        driver.pipe(topic, Record::new(format!("k{key}"), *value, *timestamp));
    }
    driver
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_least_once_no_crash_loses_a_result(
        inputs in inputs(),
        seed in any::<u64>(),
        crashes in 1..12_usize,
    ) {
        let topology = |b: &Builder| {
            b.stream(ORDERS)
                .key_by("moved", |n| (n % 3).to_string())
                .map(Some)
                .to(OUT);
        };
        let all = |mut driver: TestDriver| {
            let mut values = driver.values(&OUT);
            values.sort_unstable();
            values
        };
        let mut undisturbed = piped(topology, &inputs, seed, false);
        undisturbed.run();
        let mut crashed = piped(topology, &inputs, seed, false);
        crashed.crash_randomly(crashes).run();
        let (mut expected, mut got) = (all(undisturbed), all(crashed));
        prop_assert!(got.len() >= expected.len());
        expected.dedup();
        got.dedup();
        prop_assert_eq!(expected, got);
    }

    #[test]
    fn tasks_that_move_take_their_state_with_them(
        inputs in inputs(),
        seed in any::<u64>(),
        every in 1..9_usize,
    ) {
        let counts = |driver: &mut TestDriver| driver.store::<String, u64>("counts").all();
        let mut still = piped(count, &inputs, seed, true);
        still.run();
        let mut moved = piped(count, &inputs, seed, true);
        let mut steps = 0;
        loop {
            if moved.try_step().unwrap() {
                steps += 1;
                if usize::is_multiple_of(steps, every) {
                    moved.rebalance();
                }
            } else if !moved.try_commit().unwrap() {
                break;
            }
        }
        prop_assert_eq!(counts(&mut still), counts(&mut moved));
    }
}

#[test]
fn each_topology_of_the_property_emits_something_and_is_crashed_in_earnest() {
    let inputs: Vec<Input> = (0..60)
        .map(|n: u8| {
            (
                n.is_multiple_of(3),
                n % 4,
                u64::from(n),
                i64::from(n) * 3 + 1,
            )
        })
        .collect();
    for (name, topology) in TOPOLOGIES {
        let mut came = 0;
        for seed in 7..10 {
            let (undisturbed, none) = run(topology, &inputs, seed, 5, 0);
            assert_eq!(none, 0, "{name}");
            let (crashed, crashes) = run(topology, &inputs, seed, 5, 20);
            came += crashes;
            assert_eq!(difference(&undisturbed, &crashed), None, "{name}");
            let emitted = undisturbed.iter().any(|(topic, records)| {
                ["out", "pairs", "windows"].contains(&topic.as_str()) && !records.is_empty()
            });
            assert!(emitted, "{name}");
        }
        assert!(came > 0, "{name} never crashed");
    }
}
