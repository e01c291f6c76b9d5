//! Log levels as clients see and change them: the resource type `BROKER_LOGGER` (KIP-412).
//!
//! A logger is a target of `tracing`, and `root` is all that have no level of their own. Whoever
//! set the process's logging up may hand in a [`LogControl`]; without one, levels are told and
//! cannot be changed. They last as long as the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use headwater_protocol::ErrorCode;
use tracing::level_filters::LevelFilter;

use crate::config::{AlterOperation, ConfigEntry, ConfigSource};
use crate::metadata::{Change, Refused};
use crate::settings::NODE_ID;

const ROOT: &str = "root";
/// The targets of this node.
const LOGGERS: &[&str] = &[
    ROOT,
    "headwater_broker",
    "headwater_coordinator",
    "headwater_log",
    "headwater_protocol",
];
/// Kafka's names; `FATAL` is the least that can be said here.
const LEVELS: &[&str] = &["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];
const DOCUMENTATION: &str = "What this logger writes: the level given and all graver ones.";

/// Changes what the running process logs.
pub trait LogControl: Send + Sync + fmt::Debug {
    /// Has directives such as `info,headwater_log=debug` hold from now on; the error says why not.
    fn set(&self, directives: &str) -> Result<(), String>;
}

/// The levels of a node's loggers.
#[derive(Debug, Default)]
pub(crate) struct LogLevels {
    control: Option<Arc<dyn LogControl>>,
    /// Those set since the node started.
    changed: Mutex<BTreeMap<&'static str, String>>,
}

impl LogLevels {
    pub(crate) fn new(control: Option<Arc<dyn LogControl>>) -> LogLevels {
        LogLevels {
            control,
            changed: Mutex::default(),
        }
    }

    /// Every logger with its level, as described to a client.
    pub(crate) fn describe(&self, name: &str) -> Result<Vec<ConfigEntry>, Refused> {
        check_name(name)?;
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |logger: &&'static str| ConfigEntry {
            name: (*logger).into(),
            value: Some(level(&changed, logger)),
            source: ConfigSource::BrokerLogger,
            read_only: false,
            is_sensitive: false,
            kind: None,
            documentation: Some(DOCUMENTATION),
            synonyms: Vec::new(),
        };
        Ok(LOGGERS.iter().map(entry).collect())
    }

    /// Sets levels, or has loggers follow `root` again.
    pub(crate) fn alter(
        &self,
        name: &str,
        operations: &[(String, AlterOperation, Option<String>)],
        change: Change,
    ) -> Result<(), Refused> {
        check_name(name)?;
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = changed.clone();
        for (logger, operation, value) in operations {
            let known = LOGGERS.iter().find(|known| *known == logger);
            let known = known
                .copied()
                .ok_or_else(|| invalid_config(format!("Logger {logger} does not exist!")))?;
            match (operation, value.as_deref()) {
                (AlterOperation::Set, Some(level)) if LEVELS.contains(&level) => {
                    next.insert(known, level.to_owned());
                }
                (AlterOperation::Set, level) => {
                    return Err(invalid_config(format!(
                        "Cannot set the log level of {logger} to {} as it is not a supported log level. Valid log levels are {}",
                        level.unwrap_or("null"),
                        LEVELS.join(", ")
                    )));
                }
                (AlterOperation::Delete, _) if known == ROOT => {
                    return Err(invalid_request(
                        "Removing the log level of the root logger is not allowed".to_owned(),
                    ));
                }
                (AlterOperation::Delete, _) => {
                    next.remove(known);
                }
                (AlterOperation::Append | AlterOperation::Subtract, _) => {
                    return Err(invalid_request(format!(
                        "{} operation is not allowed for the BROKER_LOGGER resource",
                        operation.name()
                    )));
                }
            }
        }
        let Some(control) = &self.control else {
            return Err(invalid_request(
                "The log levels of this node can only be chosen when it starts.".to_owned(),
            ));
        };
        if change == Change::Apply {
            control.set(&directives(&next)).map_err(invalid_config)?;
            *changed = next;
        }
        Ok(())
    }
}

/// The level of a logger: its own, or that of `root`, or what the process was started with.
fn level(changed: &BTreeMap<&'static str, String>, logger: &str) -> String {
    let set = changed.get(logger).or_else(|| changed.get(ROOT));
    set.cloned().unwrap_or_else(|| {
        match LevelFilter::current() {
            LevelFilter::TRACE => "TRACE",
            LevelFilter::DEBUG => "DEBUG",
            LevelFilter::INFO => "INFO",
            LevelFilter::WARN => "WARN",
            LevelFilter::ERROR => "ERROR",
            _ => "FATAL",
        }
        .to_owned()
    })
}

/// What `tracing` calls these levels.
fn directives(levels: &BTreeMap<&'static str, String>) -> String {
    let in_tracing = |level: &str| match level {
        "FATAL" => "off".to_owned(),
        level => level.to_ascii_lowercase(),
    };
    let root = in_tracing(&level(levels, ROOT));
    let own = levels
        .iter()
        .filter(|(logger, _)| **logger != ROOT)
        .map(|(logger, level)| format!("{logger}={}", in_tracing(level)));
    std::iter::once(root)
        .chain(own)
        .collect::<Vec<_>>()
        .join(",")
}

fn check_name(name: &str) -> Result<(), Refused> {
    match name.parse::<i32>() {
        Ok(NODE_ID) => Ok(()),
        Ok(_) => Err(invalid_request(format!(
            "Unexpected broker id, expected {NODE_ID} but received {name}"
        ))),
        Err(_) if name.is_empty() => Err(invalid_request("Broker id must not be empty".to_owned())),
        Err(_) => Err(invalid_request(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
    }
}

fn invalid_config(reason: String) -> Refused {
    Refused::new(ErrorCode::InvalidConfig, reason)
}

fn invalid_request(reason: String) -> Refused {
    Refused::new(ErrorCode::InvalidRequest, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Recorded(Mutex<Vec<String>>);

    impl LogControl for Recorded {
        fn set(&self, directives: &str) -> Result<(), String> {
            self.0.lock().unwrap().push(directives.to_owned());
            Ok(())
        }
    }

    fn set(logger: &str, level: &str) -> (String, AlterOperation, Option<String>) {
        (
            logger.to_owned(),
            AlterOperation::Set,
            Some(level.to_owned()),
        )
    }

    fn shown(levels: &LogLevels, logger: &str) -> String {
        let entries = levels.describe("1").unwrap();
        let entry = entries.into_iter().find(|entry| entry.name == logger);
        entry.unwrap().value.unwrap()
    }

    #[test]
    fn a_level_holds_at_once_and_a_logger_without_one_follows_root() {
        let control = Arc::new(Recorded::default());
        let levels = LogLevels::new(Some(control.clone()));
        levels
            .alter("1", &[set("root", "WARN")], Change::Apply)
            .unwrap();
        levels
            .alter("1", &[set("headwater_log", "DEBUG")], Change::Apply)
            .unwrap();
        assert_eq!(shown(&levels, "headwater_log"), "DEBUG");
        assert_eq!(shown(&levels, "headwater_broker"), "WARN");
        let gone = ("headwater_log".to_owned(), AlterOperation::Delete, None);
        levels.alter("1", &[gone], Change::Apply).unwrap();
        assert_eq!(shown(&levels, "headwater_log"), "WARN");
        let told = control.0.lock().unwrap();
        assert_eq!(*told, ["warn", "warn,headwater_log=debug", "warn"]);
    }

    #[test]
    fn what_kafka_refuses_of_loggers_is_refused_and_checking_changes_nothing() {
        let control = Arc::new(Recorded::default());
        let levels = LogLevels::new(Some(control.clone()));
        let root_gone = ("root".to_owned(), AlterOperation::Delete, None);
        let appended = (
            "root".to_owned(),
            AlterOperation::Append,
            Some("X".to_owned()),
        );
        for (operation, code, text) in [
            (
                set("nope", "INFO"),
                ErrorCode::InvalidConfig,
                "does not exist",
            ),
            (
                set("root", "info"),
                ErrorCode::InvalidConfig,
                "not a supported log level",
            ),
            (root_gone, ErrorCode::InvalidRequest, "root logger"),
            (appended, ErrorCode::InvalidRequest, "APPEND operation"),
        ] {
            let refused = levels.alter("1", &[operation], Change::Apply).unwrap_err();
            assert_eq!(refused.code, code);
            assert!(refused.message.contains(text), "{}", refused.message);
        }
        for name in ["", "2", "x"] {
            assert_eq!(
                levels.describe(name).unwrap_err().code,
                ErrorCode::InvalidRequest
            );
        }
        levels
            .alter("1", &[set("root", "TRACE")], Change::Validate)
            .unwrap();
        assert!(control.0.lock().unwrap().is_empty());
        let fixed = LogLevels::new(None);
        assert!(
            fixed
                .alter("1", &[set("root", "INFO")], Change::Apply)
                .is_err()
        );
    }
}
