//! A real Apache Kafka on this machine: `kafka up`, `kafka down`, `kafka status`.
//!
//! Kafka's own jars come from Maven Central through `mvn` into the cache outside the tree. Nodes are brokers and
//! controllers in one (KRaft combined mode) on loopback ports. A process that this did not start is never ended:
//! before a signal, the process is checked to be a Java that runs our properties file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::command::{command, which};
use crate::workspace::{KAFKA_VERSION, cache_dir};

mod node;
mod probe;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Gets, formats and starts it, waits until it answers, and prints its bootstrap servers
    Up(UpArguments),
    /// Stops what `up` started and removes its data
    Down(NameArguments),
    /// Says whether it runs, and where
    Status(NameArguments),
}

#[derive(Args)]
pub(crate) struct UpArguments {
    /// How many nodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3))]
    pub(crate) brokers: u16,
    /// The first node's port; the others follow. Any free ports unless told
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// A broker setting, for example `log.flush.interval.messages=1`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    #[command(flatten)]
    pub(crate) name: NameArguments,
}

#[derive(Args)]
pub(crate) struct NameArguments {
    /// Which cluster, so that several can run side by side
    #[arg(long, default_value = "default")]
    pub(crate) name: String,
}

/// A running cluster, as remembered in `state.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) bootstrap: String,
    nodes: Vec<node::Node>,
}

impl Cluster {
    /// The process ids of the nodes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.pid).collect()
    }
}

/// How long a cluster may take to start on a slow machine.
const START_LIMIT: Duration = Duration::from_mins(3);

pub(crate) fn run(action: &Action) -> Result<()> {
    match action {
        Action::Up(arguments) => {
            let cluster = up(arguments)?;
            println!("{}", cluster.bootstrap);
            Ok(())
        }
        Action::Down(arguments) => down(&arguments.name),
        Action::Status(arguments) => status(&arguments.name),
    }
}

/// What of Java and Maven this machine lacks, or `None`.
pub(crate) fn missing() -> Option<String> {
    let absent: Vec<&str> = ["java", "mvn"]
        .into_iter()
        .filter(|program| which(program).is_none())
        .collect();
    (!absent.is_empty()).then(|| format!("{} not found on this machine", absent.join(" and ")))
}

/// Starts a cluster, or returns the one that already runs under this name.
pub(crate) fn up(arguments: &UpArguments) -> Result<Cluster> {
    if let Some(reason) = missing() {
        bail!("{reason}; on Debian: apt-get install -y default-jdk-headless maven");
    }
    let name = &arguments.name.name;
    if let Some(cluster) = read_state(name)?
        && cluster.nodes.iter().any(node::Node::runs)
    {
        if cluster.nodes.len() == usize::from(arguments.brokers) && answers(&cluster) {
            eprintln!("kafka {name}: already up");
            return Ok(cluster);
        }
        bail!(
            "kafka {name} runs with other settings; stop it first: cargo xtask kafka down --name {name}"
        );
    }
    let libs = libs()?;
    let dir = run_dir(name)?;
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let ports = node::ports(arguments.brokers, arguments.port)?;
    let nodes = node::start_all(&dir, &libs, &ports, &arguments.settings)?;
    let bootstrap: Vec<String> = ports
        .iter()
        .map(|ports| format!("127.0.0.1:{}", ports.broker))
        .collect();
    let cluster = Cluster {
        bootstrap: bootstrap.join(","),
        nodes,
    };
    fs::write(state_path(name)?, serde_json::to_vec_pretty(&cluster)?)?;
    if let Err(error) = wait_until_ready(&cluster) {
        let _ = down(name);
        return Err(error);
    }
    Ok(cluster)
}

/// Stops a cluster that `up` started.
pub(crate) fn down(name: &str) -> Result<()> {
    let Some(cluster) = read_state(name)? else {
        eprintln!("kafka {name}: not up");
        return Ok(());
    };
    for node in &cluster.nodes {
        node.terminate();
    }
    for node in &cluster.nodes {
        node.wait_until_gone(Duration::from_secs(30))?;
    }
    fs::remove_dir_all(run_dir(name)?)?;
    eprintln!("kafka {name}: stopped {} node(s)", cluster.nodes.len());
    Ok(())
}

fn status(name: &str) -> Result<()> {
    match read_state(name)? {
        Some(cluster) if answers(&cluster) => {
            println!("kafka {name}: up at {}", cluster.bootstrap);
            Ok(())
        }
        Some(_) => bail!(
            "kafka {name}: started, but it does not answer; logs in {}",
            run_dir(name)?.display()
        ),
        None => bail!("kafka {name}: not up; start it with: cargo xtask kafka up"),
    }
}

/// The directory with Kafka's jars, filled on first use and when `compat/java/pom.xml` asks for others.
pub(crate) fn libs() -> Result<PathBuf> {
    let dir = cache_dir()?.join(format!("kafka-{KAFKA_VERSION}"));
    let libs = dir.join("libs");
    // Holds the file that the jars were got by.
    let complete = dir.join("complete");
    let wanted = fs::read_to_string(crate::workspace::root().join("compat/java/pom.xml"))
        .context("compat/java/pom.xml")?;
    if fs::read_to_string(&complete).is_ok_and(|got| got == wanted) {
        return Ok(libs);
    }
    eprintln!("kafka: getting Apache Kafka {KAFKA_VERSION} from Maven Central");
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("pom.xml"), &wanted)?;
    crate::command::run(&mut command(
        "mvn",
        &[
            "-q",
            "-Dstyle.color=never",
            "-B",
            "dependency:copy-dependencies",
            "-DoutputDirectory=libs",
        ],
        &dir,
    ))?;
    fs::write(complete, wanted)?;
    Ok(libs)
}

fn wait_until_ready(cluster: &Cluster) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    while !answers(cluster) {
        if let Some(dead) = cluster.nodes.iter().find(|node| !node.runs()) {
            bail!(
                "node {} ended while starting:\n{}",
                dead.id,
                node::last_lines(&dead.log)
            );
        }
        if Instant::now() > deadline {
            bail!("Apache Kafka did not answer within {START_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Every node answers and sees all the others.
fn answers(cluster: &Cluster) -> bool {
    cluster
        .bootstrap
        .split(',')
        .all(|address| probe::broker_count(address).is_ok_and(|count| count == cluster.nodes.len()))
}

fn run_dir(name: &str) -> Result<PathBuf> {
    Ok(cache_dir()?
        .join(format!("kafka-{KAFKA_VERSION}"))
        .join("run")
        .join(name))
}

fn state_path(name: &str) -> Result<PathBuf> {
    Ok(run_dir(name)?.join("state.json"))
}

fn read_state(name: &str) -> Result<Option<Cluster>> {
    let path = state_path(name)?;
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// `java` with Kafka's class path.
pub(crate) fn java(
    libs: &Path,
    heap: &[&str],
    main_class: &str,
    args: &[&str],
) -> std::process::Command {
    let class_path = format!("{}/*", libs.display());
    let mut java = command("java", heap, libs);
    java.args([
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        &class_path,
        main_class,
    ])
    .args(args);
    java
}
