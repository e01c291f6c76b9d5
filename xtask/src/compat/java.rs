//! Kafka's own console tools (Java), unmodified, from the jars of `cargo xtask kafka`.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::kafka;

/// A tool that starts quickly: it lives for a second.
const JVM: &[&str] = &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";

/// The tools against one Kafka.
struct Tools {
    libs: PathBuf,
    bootstrap: String,
    topic: String,
    group: String,
}

type Check = (&'static str, fn(&Tools) -> Result<()>);

/// In this order: each goes on with what the ones before it left.
const CHECKS: [Check; 9] = [
    (
        "TopicCommand creates, lists and describes a topic",
        Tools::creates_a_topic,
    ),
    (
        "ConsoleProducer and ConsoleConsumer carry keys and values",
        Tools::carries_keys_and_values,
    ),
    (
        "ConsoleProducer and ConsoleConsumer carry every codec",
        Tools::carries_every_codec,
    ),
    (
        "ConsoleConsumer in a group goes on where it stopped",
        Tools::goes_on_in_a_group,
    ),
    ("ConsumerGroupCommand lists groups", Tools::lists_groups),
    (
        "ConsumerGroupCommand describes a group with its lag",
        Tools::describes_a_group,
    ),
    (
        "GetOffsetShell knows earliest and latest offsets",
        Tools::knows_offsets,
    ),
    (
        "ConfigCommand alters and describes a topic's configuration",
        Tools::alters_configuration,
    ),
    (
        "TopicCommand adds partitions and deletes the topic",
        Tools::grows_and_deletes_a_topic,
    ),
];

/// Runs all checks; returns the counts.
pub(super) fn run(bootstrap: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    let tools = Tools {
        libs: kafka::libs()?,
        bootstrap: bootstrap.to_owned(),
        topic: format!("compat-java-{now}"),
        group: format!("compat-java-group-{now}"),
    };
    let (mut passed, mut failed) = (0, 0);
    for (name, check) in CHECKS {
        let started = Instant::now();
        match check(&tools) {
            Ok(()) => {
                passed += 1;
                println!(
                    "pass  java: {name} ({:.1} s)",
                    started.elapsed().as_secs_f64()
                );
            }
            Err(error) => {
                failed += 1;
                println!("FAIL  java: {name}\n{error:#}");
            }
        }
    }
    let counts = format!("{passed} passed, {failed} failed");
    println!("{counts}");
    if failed > 0 {
        bail!("{counts}");
    }
    Ok(counts)
}

impl Tools {
    /// Runs a tool with lines on its stdin; what it printed.
    fn run(&self, main_class: &str, arguments: &[&str], stdin: &str) -> Result<String> {
        let mut java = kafka::java(
            &self.libs,
            JVM,
            main_class,
            &["--bootstrap-server", &self.bootstrap],
        );
        java.args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = java.spawn().context("could not run java")?;
        if let Some(mut input) = child.stdin.take() {
            // A tool that does not read may be gone already.
            let _ = input.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{main_class} {}: {}\n{stdout}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(stdout)
    }

    fn produce(&self, arguments: &[&str], lines: &str) -> Result<()> {
        let mut all = vec!["--topic", &self.topic];
        all.extend(arguments);
        self.run(PRODUCER, &all, lines).map(|_| ())
    }

    /// The next `count` records, as lines.
    fn consume(&self, count: usize, arguments: &[&str]) -> Result<Vec<String>> {
        let count_argument = count.to_string();
        let mut all = vec![
            "--topic",
            &self.topic,
            "--max-messages",
            &count_argument,
            "--timeout-ms",
            "60000",
        ];
        all.extend(arguments);
        let lines: Vec<String> = self
            .run(CONSUMER, &all, "")?
            .lines()
            .map(str::to_owned)
            .collect();
        ensure!(
            lines.len() == count,
            "{} of {count} records: {lines:?}",
            lines.len()
        );
        Ok(lines)
    }

    fn creates_a_topic(&self) -> Result<()> {
        self.run(
            TOPICS,
            &["--create", "--topic", &self.topic, "--partitions", "1"],
            "",
        )?;
        let listed = self.run(TOPICS, &["--list"], "")?;
        ensure!(listed.lines().any(|line| line == self.topic), "{listed}");
        let described = self.run(TOPICS, &["--describe", "--topic", &self.topic], "")?;
        ensure!(
            described.contains("PartitionCount: 1") && described.contains("Leader: "),
            "{described}"
        );
        Ok(())
    }

    fn carries_keys_and_values(&self) -> Result<()> {
        let keyed = [
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "key.separator=:",
        ];
        self.produce(&keyed, "ada:book\ngrace:lamp\n")?;
        let printed = [
            "--from-beginning",
            "--formatter-property",
            "print.key=true",
            "--formatter-property",
            "key.separator=:",
        ];
        let lines = self.consume(2, &printed)?;
        ensure!(lines == ["ada:book", "grace:lamp"], "{lines:?}");
        Ok(())
    }

    fn carries_every_codec(&self) -> Result<()> {
        for codec in ["gzip", "snappy", "lz4", "zstd"] {
            self.produce(&["--compression-codec", codec], &format!("{codec}\n"))?;
        }
        let lines = self.consume(6, &["--from-beginning"])?;
        ensure!(lines[2..] == ["gzip", "snappy", "lz4", "zstd"], "{lines:?}");
        Ok(())
    }

    fn goes_on_in_a_group(&self) -> Result<()> {
        let grouped = ["--group", &self.group, "--from-beginning"];
        let first = self.consume(2, &grouped)?;
        let second = self.consume(3, &grouped)?;
        ensure!(
            first == ["book", "lamp"] && second == ["gzip", "snappy", "lz4"],
            "{first:?} {second:?}"
        );
        Ok(())
    }

    fn lists_groups(&self) -> Result<()> {
        let listed = self.run(GROUPS, &["--list"], "")?;
        ensure!(listed.lines().any(|line| line == self.group), "{listed}");
        Ok(())
    }

    fn describes_a_group(&self) -> Result<()> {
        let described = self.run(GROUPS, &["--describe", "--group", &self.group], "")?;
        let row = described
            .lines()
            .find(|line| line.contains(&self.topic))
            .context("no row of the topic")?;
        let cells: Vec<&str> = row.split_whitespace().collect();
        // GROUP TOPIC PARTITION [LEADER-EPOCH] CURRENT-OFFSET LOG-END-OFFSET LAG ...
        ensure!(
            cells.windows(3).any(|cells| cells == ["5", "6", "1"]),
            "{row}"
        );
        Ok(())
    }

    fn knows_offsets(&self) -> Result<()> {
        for (time, offset) in [("earliest", 0), ("latest", 6)] {
            let printed = self.run(OFFSETS, &["--topic", &self.topic, "--time", time], "")?;
            ensure!(
                printed.trim() == format!("{}:0:{offset}", self.topic),
                "{time}: {printed}"
            );
        }
        Ok(())
    }

    fn alters_configuration(&self) -> Result<()> {
        let entity = ["--entity-type", "topics", "--entity-name", &self.topic];
        let mut alter = vec!["--alter", "--add-config", "retention.ms=3600000"];
        alter.extend(entity);
        self.run(CONFIGS, &alter, "")?;
        let mut describe = vec!["--describe"];
        describe.extend(entity);
        let described = self.run(CONFIGS, &describe, "")?;
        ensure!(described.contains("retention.ms=3600000"), "{described}");
        Ok(())
    }

    fn grows_and_deletes_a_topic(&self) -> Result<()> {
        self.run(
            TOPICS,
            &["--alter", "--topic", &self.topic, "--partitions", "3"],
            "",
        )?;
        let described = self.run(TOPICS, &["--describe", "--topic", &self.topic], "")?;
        ensure!(described.contains("PartitionCount: 3"), "{described}");
        self.run(TOPICS, &["--delete", "--topic", &self.topic], "")?;
        let listed = self.run(TOPICS, &["--list"], "")?;
        ensure!(!listed.lines().any(|line| line == self.topic), "{listed}");
        Ok(())
    }
}
