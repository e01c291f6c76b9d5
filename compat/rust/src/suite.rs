//! What a suite of checks is: named futures, run in order, each reported on a line of its own.

use std::fmt::Debug;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use uuid::Uuid;

/// Reached only where something is wrong.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Runs checks and counts what became of them.
pub(crate) struct Suite {
    only: String,
    /// `cargo xtask compat` says so of a cluster, whose brokers hear of changes at different times.
    second_try: bool,
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
            second_try: std::env::var_os("HEADWATER_COMPAT_SECOND_TRY").is_some(),
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
        let (started, mut which) = (Instant::now(), "");
        let mut failure = self.failure(check).await;
        if let Some(first) = &failure
            && self.second_try
        {
            println!("again {label}\n{first}");
            failure = self.failure(check).await;
            which = ", pass on the second try";
        }
        if let Some(failure) = failure {
            self.failed += 1;
            println!("FAIL  {label}\n{failure}");
        } else {
            self.passed += 1;
            let took = started.elapsed().as_secs_f64();
            println!("pass  {label} ({took:.1} s{which})");
        }
    }

    async fn failure<F>(&self, check: fn(Kafka) -> F) -> Option<String>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        // A task of its own: a panic ends it and no other.
        let running = tokio::spawn(tokio::time::timeout(2 * LIMIT, check(self.kafka.clone())));
        match running.await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("{error:#}")),
            Ok(Err(_)) => Some("it did not end".to_owned()),
            Err(panic) => Some(panic.to_string()),
        }
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

/// Waits until `holds` says so; what fails before that means not yet.
pub(crate) async fn until<F>(what: &str, mut holds: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let started = Instant::now();
    loop {
        let held = holds().await;
        if matches!(held, Ok(true)) {
            return Ok(());
        }
        if started.elapsed() > LIMIT {
            held?;
            bail!("not within {LIMIT:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// "0", "1", ...
pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}
