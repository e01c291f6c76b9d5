//! What a running application tells of itself in numbers.

use std::time::Duration;

use headwater_streams::context::DropReason;
use headwater_streams::{Policy, Topic};

use super::cluster::eventually;
use super::word_count::{COUNTS, WORDS, cluster};

const NUMBERS: Topic<String, u64> = Topic::json("words");
const YEAR: Duration = Duration::from_hours(365 * 24);

#[test]
fn lag_is_told_in_records_and_in_time() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let retry = Policy::Retry {
        attempts: 1,
        backoff: YEAR,
        then: Box::new(Policy::Fail),
    };
    let running = cluster
        .app(directory.path())
        .on_error(&retry)
        .start(|b| {
            b.stream(WORDS)
                .try_map(|word| {
                    if word == "poison" {
                        Err("poisoned")
                    } else {
                        Ok(1)
                    }
                })
                .to(COUNTS);
        })
        .unwrap();
    cluster.write("words", (0..3).map(|n| (0, "key", "oil", 1000 + n)));
    eventually("all is processed and committed", || {
        let metrics = running.metrics();
        let idle = metrics.workers[0].commits > 0 && metrics.records() == 3;
        (idle && metrics.lag() == 0 && metrics.lag_time().is_zero()).then_some(())
    });
    // Held up by the pause before the second attempt.
    cluster.write(
        "words",
        [(0, "key", "poison", 2000), (0, "key", "oil", 3000)],
    );
    eventually("two records of 1970 are left", || {
        let metrics = running.metrics();
        (metrics.lag() == 2 && metrics.lag_time() > 50 * YEAR).then_some(())
    });
    cluster.stop(running);
}

#[test]
fn drops_are_told_by_reason_and_stores_by_their_size() {
    let cluster = cluster(1);
    let directory = tempfile::tempdir().unwrap();
    let running = cluster
        .app(directory.path())
        .on_error(&Policy::Skip)
        .start(|b| b.stream(NUMBERS).count("numbers").to(COUNTS))
        .unwrap();
    let values = ["1", "two", "three", "4"];
    cluster.write("words", values.map(|value| (0, value, value, 1000)));
    eventually(
        "two rows are committed, and two records were dropped",
        || {
            let metrics = running.metrics();
            let tasks = || {
                metrics
                    .workers
                    .iter()
                    .flat_map(|worker| worker.tasks.values())
            };
            let drops = tasks().flat_map(|task| &task.drops);
            let drops: Vec<_> = drops
                .map(|((_, reason), count)| (*reason, *count))
                .collect();
            let entries: u64 = tasks()
                .filter_map(|task| task.store_entries.get("numbers"))
                .sum();
            let time = tasks().map(|task| task.stream_time).max();
            (drops == [(DropReason::Deserialization, 2)] && entries == 2 && time == Some(1000))
                .then_some(())
        },
    );
    cluster.stop(running);
}
