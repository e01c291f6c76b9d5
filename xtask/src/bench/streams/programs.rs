//! The programs that are measured: `bench/rust` and `bench/java`, built; and what loads their topics.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{command, run, which};
use crate::headwater::target_dir;
use crate::kafka;
use crate::workspace::{cache_dir, root};

/// Applications run on this processor, the store on the other.
const APPLICATION_CPU: &str = "1";
const STORE_CPU: &str = "0";
/// A warm JVM on one processor; the rest is Java's default. The heap is bounded so that its peak says something.
const JVM: &[&str] = &[
    "-Xmx1g",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    "-cp",
];
const SOURCES: &str = "bench/java/src/dev/headwater/bench";
const MAIN_CLASS: &str = "dev.headwater.bench.StreamsBench";

/// Whose program a job runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    Headwater,
    KafkaStreams,
}

impl Library {
    pub(super) const ALL: [Self; 2] = [Self::Headwater, Self::KafkaStreams];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Headwater => "headwater",
            Self::KafkaStreams => "kafka-streams",
        }
    }
}

/// What was built.
pub(super) struct Programs {
    store: PathBuf,
    jobs: PathBuf,
    load: PathBuf,
    /// The class path, where this machine has Java.
    java: Option<String>,
    taskset: Option<PathBuf>,
}

impl Programs {
    /// Builds them; where they are `built` before, only the Java program.
    pub(super) fn build(built: bool) -> Result<Self> {
        let packages = ["headwater-cli", "headwater-bench"];
        for package in packages.into_iter().filter(|_| !built) {
            let arguments = ["build", "--release", "--package", package];
            run(&mut command("cargo", &arguments, &root()))?;
        }
        let release = target_dir().join("release");
        let two = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
        Ok(Self {
            store: release.join("headwater"),
            jobs: release.join("streams-jobs"),
            load: release.join("streams-load"),
            java: java()?,
            taskset: which("taskset").filter(|_| two),
        })
    }

    /// The event store's binary.
    pub(super) fn store(&self) -> PathBuf {
        self.store.clone()
    }

    /// Keeps the store's process, all its threads, off the applications' processor.
    pub(super) fn pin_store(&self, pid: u32) -> Result<()> {
        let Some(taskset) = &self.taskset else {
            return Ok(());
        };
        let pinned = Command::new(taskset)
            .args(["-a", "-p", "-c", STORE_CPU, &pid.to_string()])
            .output()
            .context("taskset")?;
        anyhow::ensure!(pinned.status.success(), "taskset: {}", pinned.status);
        Ok(())
    }

    pub(super) fn has(&self, library: Library) -> bool {
        library == Library::Headwater || self.java.is_some()
    }

    /// The library's program, on the applications' processor.
    pub(super) fn application(&self, library: Library) -> Command {
        match (library, &self.java) {
            (Library::KafkaStreams, Some(class_path)) => {
                let mut java = self.pinned("java", APPLICATION_CPU);
                java.args(JVM).args([class_path, MAIN_CLASS]);
                java
            }
            _ => self.pinned(&self.jobs, APPLICATION_CPU),
        }
    }

    /// What makes topics and loads records.
    pub(super) fn load(&self) -> Command {
        self.pinned(&self.load, APPLICATION_CPU)
    }

    fn pinned(&self, program: impl AsRef<std::ffi::OsStr>, cpu: &str) -> Command {
        match &self.taskset {
            None => Command::new(program),
            Some(taskset) => {
                let mut pinned = Command::new(taskset);
                pinned.args(["-c", cpu]).arg(program);
                pinned
            }
        }
    }
}

/// The class path of the Java program, compiled against the jars of `cargo xtask kafka`.
fn java() -> Result<Option<String>> {
    if let Some(reason) = kafka::missing() {
        eprintln!("Kafka Streams is not measured: {reason}");
        return Ok(None);
    }
    if which("javac").is_none() {
        eprintln!("Kafka Streams is not measured: javac not found on this machine");
        return Ok(None);
    }
    let libs = kafka::libs()?;
    let classes = cache_dir()?.join("bench-java");
    let _ = fs::remove_dir_all(&classes);
    fs::create_dir_all(&classes).with_context(|| format!("creating {}", classes.display()))?;
    let mut javac = command(
        "javac",
        &["-Xlint:all,-classfile,-processing,-try", "-Werror", "-cp"],
        &root(),
    );
    javac
        .arg(format!("{}/*", libs.display()))
        .arg("-d")
        .arg(&classes);
    for entry in fs::read_dir(root().join(SOURCES)).context(SOURCES)? {
        javac.arg(entry?.path());
    }
    run(&mut javac)?;
    Ok(Some(format!("{}:{}/*", classes.display(), libs.display())))
}
