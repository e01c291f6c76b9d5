//! The Kafka that a test talks to.

use std::env;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use headwater_testkit::{Store, StoreSettings};
use tempfile::TempDir;

use crate::headwater::{Run, headwater};

/// A Kafka and a prefix of topic and group names that nobody else uses.
pub(crate) struct Cluster {
    bootstrap: String,
    prefix: String,
    // Fields drop in order: first the process, then its directory.
    _store: Option<Store>,
    _dir: Option<TempDir>,
}

impl Cluster {
    /// The Kafka of the environment, or an event store for this test alone.
    pub(crate) fn get() -> Self {
        let prefix = unique_prefix();
        if let Ok(bootstrap) = env::var("HEADWATER_TEST_BOOTSTRAP") {
            return Self {
                bootstrap,
                prefix,
                _store: None,
                _dir: None,
            };
        }
        let dir = tempfile::tempdir().unwrap();
        let store = Store::start(settings(dir.path().join("data"))).unwrap();
        Self {
            bootstrap: store.bootstrap().to_owned(),
            prefix,
            _store: Some(store),
            _dir: Some(dir),
        }
    }

    /// A name that is this test's own.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a command against this Kafka.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    /// The same, with lines on its stdin.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        let mut all = arguments.to_vec();
        all.extend(["--bootstrap-server", &self.bootstrap]);
        headwater(&all, stdin)
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A topic of this test's own.
    pub(crate) fn topic(&self, name: &str, partitions: u32) -> String {
        let topic = self.name(name);
        self.run(&[
            "topics",
            "create",
            &topic,
            "--partitions",
            &partitions.to_string(),
            // Tests write records of years ago, which retention would take away between two reads.
            "--topic-config",
            "retention.ms=-1",
        ])
        .ok();
        topic
    }
}

/// The binary under test, quick to start groups.
pub(crate) fn settings(data_dir: PathBuf) -> StoreSettings {
    StoreSettings {
        binary: env!("CARGO_BIN_EXE_headwater").into(),
        data_dir,
        arguments: vec!["--set".into(), "group.initial.rebalance.delay.ms=0".into()],
    }
}

fn unique_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros();
    format!(
        "it-{}-{now}-{}-",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}
