//! Operators that need more of the runtime than records: a tokio runtime, the wall clock, the cluster's topics.

use std::time::Duration;

use headwater_streams::dsl::{Processor, ProcessorContext};
use headwater_streams::error::BoxError;
use headwater_streams::processor::PunctuationType;
use headwater_streams::{Builder, Record, Topic};

use super::cluster::{Cluster, eventually};

const WORDS: Topic<String, String> = Topic::string("words-a");
const OUT: Topic<String, String> = Topic::string("out");

fn values(cluster: &Cluster, topic: &str) -> Vec<String> {
    let records = cluster.read(topic).into_iter();
    records.map(|record| record.value).collect()
}

#[test]
fn results_of_calls_come_without_a_further_record_and_without_a_commit() {
    let cluster = Cluster::with(&[("words-a", 1), ("out", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let app = cluster
        .app(directory.path())
        .commit_interval(Duration::from_hours(1));
    let calling = |b: &Builder| {
        b.stream(WORDS)
            .async_map("call", 4, |word| async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, BoxError>(word.to_uppercase())
            })
            .to(OUT);
    };
    let running = app.start(calling).unwrap();
    cluster.write("words-a", [(0, "k", "one", 1), (0, "k", "two", 2)]);
    eventually("both answers are out", || {
        (values(&cluster, "out") == ["ONE", "TWO"]).then_some(())
    });
    cluster.stop(running);
}

#[test]
fn a_pattern_is_matched_with_the_topics_of_the_cluster_when_the_application_starts() {
    let cluster = Cluster::with(&[("words-a", 1), ("words-b", 2), ("other", 1), ("out", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let matching = |b: &Builder| b.stream_pattern("words-.*", WORDS).to(OUT);
    let running = cluster.app(directory.path()).start(matching).unwrap();
    cluster.write("words-a", [(0, "k", "a0", 1)]);
    cluster.write("words-b", [(0, "k", "b0", 1), (1, "k", "b1", 1)]);
    cluster.write("other", [(0, "k", "other", 1)]);
    eventually("the records of both are out", || {
        let mut out = values(&cluster, "out");
        out.sort();
        (out == ["a0", "b0", "b1"]).then_some(())
    });
    cluster.stop(running);
}

#[test]
fn a_wall_clock_punctuation_fires_while_no_record_comes() {
    struct Tick;
    impl Processor for Tick {
        type Key = String;
        type Value = String;
        type OutKey = String;
        type OutValue = String;

        fn init(&mut self, context: &mut ProcessorContext<'_, Self>) -> Result<(), BoxError> {
            let every = Duration::from_millis(20);
            context.schedule(every, PunctuationType::WallClock, |_, context, time| {
                let tick = Record::new("tick".to_owned(), "tick".to_owned(), time);
                context.forward(tick);
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
    let cluster = Cluster::with(&[("words-a", 1), ("out", 1)]);
    let directory = tempfile::tempdir().unwrap();
    let ticking = |b: &Builder| b.stream(WORDS).process("tick", [], Tick).to(OUT);
    let running = cluster.app(directory.path()).start(ticking).unwrap();
    eventually("it has fired twice", || {
        (values(&cluster, "out").len() >= 2).then_some(())
    });
    cluster.stop(running);
}
