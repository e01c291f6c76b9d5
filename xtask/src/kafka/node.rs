//! One node of a cluster: its properties file, its storage, its process.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use headwater_testkit::{Signal, send_signal};
use serde::{Deserialize, Serialize};

/// A started node.
#[derive(Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: u16,
    pub(crate) pid: u32,
    /// The properties file: what identifies the process as ours.
    properties: PathBuf,
    pub(crate) log: PathBuf,
}

/// The two ports of a node.
pub(crate) struct Ports {
    pub(crate) broker: u16,
    controller: u16,
}

/// Ports from `first` on, or any free ones.
pub(crate) fn ports(nodes: u16, first: Option<u16>) -> Result<Vec<Ports>> {
    if let Some(first) = first {
        return Ok((0..nodes)
            .map(|node| Ports {
                broker: first + 2 * node,
                controller: first + 2 * node + 1,
            })
            .collect());
    }
    // All are held until all are known, so that none is given out twice.
    let listeners = (0..2 * nodes)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<Vec<_>, _>>()?;
    let free = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.port()))
        .collect::<Result<Vec<_>>>()?;
    Ok(free
        .chunks_exact(2)
        .map(|pair| Ports {
            broker: pair[0],
            controller: pair[1],
        })
        .collect())
}

/// Formats the storage of all nodes and starts them.
pub(crate) fn start_all(
    dir: &Path,
    libs: &Path,
    ports: &[Ports],
    settings: &[String],
) -> Result<Vec<Node>> {
    // Any 16 bytes do, in Kafka's 22-character base64url: it names a throw-away cluster.
    let cluster_id = "aGVhZHdhdGVyLXRlc3QtMQ";
    let mut nodes = Vec::with_capacity(ports.len());
    for (index, own) in ports.iter().enumerate() {
        let id = u16::try_from(index + 1)?;
        let properties = dir.join(format!("node-{id}.properties"));
        fs::write(&properties, properties_text(dir, id, own, ports, settings))?;
        let properties_argument = properties.to_string_lossy();
        let format = super::java(
            libs,
            &["-Xmx256m"],
            "kafka.tools.StorageTool",
            &["format", "-t", cluster_id, "-c", &properties_argument],
        )
        .output()
        .context("could not run java")?;
        if !format.status.success() {
            bail!(
                "formatting storage: {}",
                String::from_utf8_lossy(&format.stderr)
            );
        }
        let log = dir.join(format!("node-{id}.log"));
        nodes.push(start(libs, id, properties, log, ports.len())?);
    }
    Ok(nodes)
}

fn start(libs: &Path, id: u16, properties: PathBuf, log: PathBuf, count: usize) -> Result<Node> {
    let output = File::create(&log)?;
    // One node gets what Kafka's scripts give a broker; three share it.
    let heap: &[&str] = if count == 1 {
        &["-Xms1g", "-Xmx1g"]
    } else {
        &["-Xms256m", "-Xmx512m"]
    };
    let child = super::java(libs, heap, "kafka.Kafka", &[&properties.to_string_lossy()])
        .stdout(output.try_clone()?)
        .stderr(output)
        .stdin(Stdio::null())
        // A group of its own: Ctrl-C at the terminal is not for it.
        .process_group(0)
        .spawn()
        .context("could not start java")?;
    Ok(Node {
        id,
        pid: child.id(),
        properties,
        log,
    })
}

fn properties_text(dir: &Path, id: u16, own: &Ports, all: &[Ports], settings: &[String]) -> String {
    let voters: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(index, ports)| format!("{}@127.0.0.1:{}", index + 1, ports.controller))
        .collect();
    let replicas = all.len().min(3);
    let min_isr = replicas.min(2);
    let text = format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={}\n\
         listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         default.replication.factor={replicas}\n\
         min.insync.replicas={min_isr}\n\
         group.initial.rebalance.delay.ms=0\n",
        voters.join(","),
        own.broker,
        own.controller,
        dir.join(format!("node-{id}")).display(),
    );
    let mut lines = vec![text];
    for topic in [
        "offsets.topic",
        "transaction.state.log",
        "share.coordinator.state.topic",
    ] {
        lines.push(format!("{topic}.replication.factor={replicas}\n"));
    }
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        lines.push(format!("{topic}.min.isr={min_isr}\n"));
    }
    lines.extend(settings.iter().map(|setting| format!("{setting}\n")));
    lines.concat()
}

impl Node {
    /// Whether the process is there and is the one that was started.
    pub(crate) fn runs(&self) -> bool {
        command_line(self.pid)
            .is_some_and(|line| line.contains(&*self.properties.to_string_lossy()))
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits; a node that does not end in time is killed.
    pub(crate) fn wait_until_gone(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self.runs() {
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
                std::thread::sleep(Duration::from_secs(1));
                if self.runs() {
                    bail!("node {} (process {}) does not end", self.id, self.pid);
                }
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if self.runs() {
            // Fails only when it ended in between.
            let _ = send_signal(self.pid, signal);
        }
    }
}

/// The command line of a process, or `None` when there is none (a zombie has none either).
fn command_line(pid: u32) -> Option<String> {
    if !Path::new("/proc/self").exists() {
        let output = Command::new("ps")
            .args(["-o", "command=", "-p", &pid.to_string()])
            .output()
            .ok()?;
        return output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // Java starts itself a second time; in between, its command line is empty for a moment.
    for _ in 0..50 {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        if !bytes.is_empty() {
            return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        if stat
            .rsplit_once(')')
            .is_some_and(|(_, state)| state.starts_with(" Z"))
        {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// The end of a log, for an error message.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
