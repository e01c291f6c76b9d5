//! What a suite of checks is: named futures, run in order, each reported on a line of its own.

use std::fmt::Debug;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use uuid::Uuid;

/// Reached only where something is wrong.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Runs checks and counts what became of them.
pub(crate) struct Suite {
    only: String,
    passed: usize,
    failed: usize,
    pub(crate) kafka: Kafka,
}

/// The Kafka under test.
#[derive(Clone)]
pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
}

impl Kafka {
    /// A topic, group or transactional id that nobody else uses.
    #[expect(clippy::unused_self, reason = "reads like the other things of a Kafka")]
    pub(crate) fn name(&self, what: &str) -> String {
        format!("compat-{}-{what}", Uuid::new_v4().simple())
    }
}

impl Suite {
    pub(crate) fn new(bootstrap: String, only: String) -> Self {
        Self {
            only,
            passed: 0,
            failed: 0,
            kafka: Kafka { bootstrap },
        }
    }

    /// One check: it holds unless it fails, panics or takes too long.
    pub(crate) async fn check<F>(&mut self, label: &str, check: fn(Kafka) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        if !label.contains(&self.only) {
            return;
        }
        let started = Instant::now();
        // A task of its own: a panic ends it and no other.
        let running = tokio::spawn(tokio::time::timeout(2 * LIMIT, check(self.kafka.clone())));
        let failure = match running.await {
            Ok(Ok(Ok(()))) => {
                self.passed += 1;
                println!("pass  {label} ({:.1} s)", started.elapsed().as_secs_f64());
                return;
            }
            Ok(Ok(Err(error))) => format!("{error:#}"),
            Ok(Err(_)) => "it did not end".to_owned(),
            Err(panic) => panic.to_string(),
        };
        self.failed += 1;
        println!("FAIL  {label}\n{failure}");
    }

    /// Prints the counts; the exit code says whether all held.
    pub(crate) fn finish(self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 || self.passed == 0 {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// What was found is what was expected.
pub(crate) fn expect<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<()> {
    ensure!(
        found == expected,
        "{what}: found {found:?}, expected {expected:?}"
    );
    Ok(())
}

/// "0", "1", ...
pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}
