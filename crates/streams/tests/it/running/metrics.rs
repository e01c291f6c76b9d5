//! What a running application tells of itself in numbers.

use std::time::Duration;

use headwater_streams::Policy;

use super::cluster::eventually;
use super::word_count::{COUNTS, WORDS, cluster};

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
