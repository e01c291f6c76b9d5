//! librdkafka properties for one client: from `--config`, `--bootstrap-server` and `-X`, in that order.
//!
//! A configuration file has `[default]`, `[producer]` and `[consumer]` sections; lines before any section count as
//! default. A client gets the default section merged with its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::failure::{Exit, Failure, Result};

const BOOTSTRAP: &str = "bootstrap.servers";
const DEFAULT_BOOTSTRAP: &str = "127.0.0.1:9092";

/// Librdkafka properties by name.
pub(crate) type Properties = BTreeMap<String, String>;

/// Which section of a configuration file a client takes beside `[default]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Admin,
    Producer,
    Consumer,
}

/// How to reach a Kafka.
#[derive(Args, Clone, Default)]
pub(crate) struct Connection {
    /// Configuration file with `[default]`, `[producer]` and `[consumer]` sections of librdkafka properties
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub(crate) config: Option<PathBuf>,
    /// Where the Kafka is [default: the configuration's, or 127.0.0.1:9092]
    #[arg(short, long, value_name = "HOST:PORT,...", help_heading = "Connection")]
    pub(crate) bootstrap_server: Option<String>,
    /// Any librdkafka property
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = parse_property, help_heading = "Connection")]
    pub(crate) property: Vec<(String, String)>,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds, help_heading = "Connection")]
    pub(crate) timeout: Duration,
}

impl Connection {
    /// The properties of a client in this role; its bootstrap servers are on this machine unless told otherwise.
    pub(crate) fn properties(&self, role: Role) -> Result<Properties> {
        let mut properties = self.given(role)?;
        properties
            .entry(BOOTSTRAP.into())
            .or_insert_with(|| DEFAULT_BOOTSTRAP.into());
        Ok(properties)
    }

    /// Whether flags or configuration say where a Kafka is.
    pub(crate) fn names_a_kafka(&self) -> Result<bool> {
        Ok(self.given(Role::Admin)?.contains_key(BOOTSTRAP))
    }

    fn given(&self, role: Role) -> Result<Properties> {
        let mut properties = match &self.config {
            Some(path) => read(path, role)?,
            None => Properties::new(),
        };
        if let Some(servers) = &self.bootstrap_server {
            properties.insert(BOOTSTRAP.into(), servers.clone());
        }
        properties.extend(self.property.iter().cloned());
        if !properties.contains_key(BOOTSTRAP)
            && let Some(servers) = properties.remove("metadata.broker.list")
        {
            properties.insert(BOOTSTRAP.into(), servers);
        }
        require_tls_for(&properties)?;
        Ok(properties)
    }
}

/// Refuses what needs TLS when this build has none, before librdkafka answers more obscurely.
fn require_tls_for(properties: &Properties) -> Result<()> {
    let protocol = properties
        .get("security.protocol")
        .map(|value| value.to_ascii_uppercase());
    match protocol.as_deref() {
        Some(protocol @ ("SSL" | "SASL_SSL")) if !cfg!(feature = "tls") => Err(Failure::new(
            Exit::Failure,
            format!("security.protocol={protocol} needs TLS, and this build of headwater has none"),
        )
        .evidence("built without the feature `tls`")
        .next("cargo install --locked --path crates/cli --features tls")),
        _ => Ok(()),
    }
}

fn read(path: &Path, role: Role) -> Result<Properties> {
    let text = fs::read_to_string(path).map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound {
            Exit::NotFound
        } else {
            Exit::Failure
        };
        Failure::new(
            exit,
            format!("cannot read the configuration {}", path.display()),
        )
        .evidence(error)
    })?;
    parse(&text, role).map_err(|reason| {
        Failure::new(
            Exit::Usage,
            format!("the configuration {} is not valid", path.display()),
        )
        .evidence(reason)
    })
}

/// Sections merged for a role; an error names the line.
fn parse(text: &str, role: Role) -> std::result::Result<Properties, String> {
    let mut default = Properties::new();
    let mut own = Properties::new();
    let mut section = "default".to_owned();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.trim().to_ascii_lowercase();
            continue;
        }
        let Some(at) = line.find(['=', ':']) else {
            return Err(format!(
                "line {}: expected key=value, found `{line}`",
                index + 1
            ));
        };
        let key = line[..at].trim().to_ascii_lowercase();
        let value = line[at + 1..].trim().to_owned();
        match (section.as_str(), role) {
            ("default", _) => default.insert(key, value),
            ("producer", Role::Producer) | ("consumer", Role::Consumer) => own.insert(key, value),
            _ => None,
        };
    }
    default.extend(own);
    Ok(default)
}

/// `key=value` as a pair.
pub(crate) fn parse_property(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn parse_seconds(text: &str) -> std::result::Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# where it is
[default]
bootstrap.servers=localhost:9092
acks = all

[consumer]
group.id=python_example_group_1
; offsets of a new group
auto.offset.reset=earliest
acks=ignored-by-producers

[producer]
linger.ms: 5
";

    fn pairs(properties: &Properties) -> Vec<String> {
        properties
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    }

    #[test]
    fn a_role_gets_the_default_section_and_its_own() {
        assert_eq!(
            pairs(&parse(FILE, Role::Consumer).unwrap()),
            [
                "acks=ignored-by-producers",
                "auto.offset.reset=earliest",
                "bootstrap.servers=localhost:9092",
                "group.id=python_example_group_1"
            ]
        );
        assert_eq!(
            pairs(&parse(FILE, Role::Producer).unwrap()),
            [
                "acks=all",
                "bootstrap.servers=localhost:9092",
                "linger.ms=5"
            ]
        );
        assert_eq!(
            pairs(&parse(FILE, Role::Admin).unwrap()),
            ["acks=all", "bootstrap.servers=localhost:9092"]
        );
    }

    #[test]
    fn a_file_without_sections_is_all_default() {
        assert_eq!(
            pairs(&parse("a.b=c:d=e", Role::Producer).unwrap()),
            ["a.b=c:d=e"]
        );
    }

    #[test]
    fn a_line_without_a_value_is_named() {
        assert_eq!(
            parse("[default]\nnonsense", Role::Admin).unwrap_err(),
            "line 2: expected key=value, found `nonsense`"
        );
    }

    #[test]
    fn flags_win_over_the_file_and_properties_over_flags() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.ini");
        fs::write(&file, FILE).unwrap();
        let mut connection = Connection {
            config: Some(file),
            ..Connection::default()
        };
        let servers = |connection: &Connection| {
            connection.properties(Role::Admin).unwrap()["bootstrap.servers"].clone()
        };
        assert_eq!(servers(&connection), "localhost:9092");
        connection.bootstrap_server = Some("a:1".into());
        assert_eq!(servers(&connection), "a:1");
        connection.property = vec![("bootstrap.servers".into(), "b:2".into())];
        assert_eq!(servers(&connection), "b:2");
        assert_eq!(servers(&Connection::default()), DEFAULT_BOOTSTRAP);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_is_refused_with_the_remedy_when_the_build_has_none() {
        let connection = Connection {
            property: vec![("security.protocol".into(), "sasl_ssl".into())],
            ..Connection::default()
        };
        let failure = connection.properties(Role::Admin).unwrap_err();
        assert!(
            format!("{failure:?}").contains("--features tls"),
            "{failure:?}"
        );
    }
}
