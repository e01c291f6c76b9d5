//! What travels beside an event: CloudEvents attributes, correlation, causation, trace.
//!
//! Binary content mode of the CloudEvents Kafka binding: attributes are headers `ce_<name>`, the value is the event's
//! data alone. `traceparent` goes under its W3C name, so that any tracer finds it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Traceparent, now_ms, parse_rfc3339, rfc3339};
use crate::service::Service;

const SOURCE_PREFIX: &str = "/headwater/ordering/";
const LONGEST_ID: usize = 128;
const LONGEST_TEXT: usize = 512;

/// What travels beside an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// `ce_id`: the same event, however often it is delivered, has the same id.
    pub id: String,
    /// `ce_source`: `/headwater/ordering/<service>`.
    pub source: String,
    /// `ce_time`.
    pub time_ms: i64,
    /// `ce_subject`: the order.
    pub subject: String,
    /// `ce_correlationid`: what all events of one order share.
    pub correlation_id: String,
    /// `ce_causationid`: the event that led to this one; none for the first.
    pub causation_id: Option<String>,
    /// `traceparent`.
    pub traceparent: Traceparent,
}

/// Headers that are missing or say something impossible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// A required attribute is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// An attribute has a value it cannot have.
    #[error("header {name} is {value:?}: {expected}")]
    Invalid {
        /// The header.
        name: &'static str,
        /// What it says, cut short.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
}

impl Context {
    /// Of the first event about an order.
    pub fn start(service: Service, order_id: &str) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            source: format!("{SOURCE_PREFIX}{service}"),
            time_ms: now_ms(),
            subject: order_id.to_owned(),
            correlation_id: order_id.to_owned(),
            causation_id: None,
            traceparent: Traceparent::start(),
        }
    }

    /// Of an event that this one leads to.
    pub fn caused(&self, service: Service) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            source: format!("{SOURCE_PREFIX}{service}"),
            time_ms: now_ms(),
            subject: self.subject.clone(),
            correlation_id: self.correlation_id.clone(),
            causation_id: Some(self.id.clone()),
            traceparent: self.traceparent.child(),
        }
    }

    /// The service that wrote the event, or the whole source if it is none of ours.
    pub fn service(&self) -> &str {
        self.source
            .strip_prefix(SOURCE_PREFIX)
            .unwrap_or(&self.source)
    }

    /// As record headers.
    pub fn headers(&self, event_type: &str) -> Vec<(String, String)> {
        let mut headers = vec![
            ("ce_specversion".to_owned(), "1.0".to_owned()),
            ("ce_id".to_owned(), self.id.clone()),
            ("ce_source".to_owned(), self.source.clone()),
            ("ce_type".to_owned(), event_type.to_owned()),
            ("ce_time".to_owned(), rfc3339(self.time_ms)),
            ("ce_subject".to_owned(), self.subject.clone()),
            ("ce_correlationid".to_owned(), self.correlation_id.clone()),
            ("content-type".to_owned(), "application/json".to_owned()),
            ("traceparent".to_owned(), self.traceparent.to_string()),
        ];
        if let Some(causation_id) = &self.causation_id {
            headers.push(("ce_causationid".to_owned(), causation_id.clone()));
        }
        headers
    }

    /// From record headers. Optional attributes that are missing are made up: the time from the record's timestamp, the
    /// correlation from the subject, a new trace (also for a malformed one, as W3C asks).
    pub fn from_headers(
        headers: &[(String, Vec<u8>)],
        event_type: &str,
        timestamp_ms: i64,
    ) -> Result<Self, ContextError> {
        exactly(
            headers,
            "ce_specversion",
            "1.0",
            "only CloudEvents 1.0 is read",
        )?;
        exactly(headers, "ce_type", event_type, "not the type of this topic")?;
        if let Some(content_type) = find(headers, "content-type")? {
            let essence = content_type.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case("application/json") {
                return Err(invalid(
                    "content-type",
                    content_type,
                    "the value must be application/json",
                ));
            }
        }
        let id = required(headers, "ce_id")?;
        if !is_event_id(id) {
            return Err(invalid(
                "ce_id",
                id,
                "1 to 128 letters, digits, '-', '_' or '.'",
            ));
        }
        let source = required(headers, "ce_source")?;
        if source.is_empty() || source.len() > LONGEST_TEXT {
            return Err(invalid("ce_source", source, "1 to 512 bytes"));
        }
        let subject = required(headers, "ce_subject")?;
        if !super::is_identifier(subject) {
            return Err(invalid("ce_subject", subject, "must be an order id"));
        }
        let time_ms = match find(headers, "ce_time")? {
            Some(time) => parse_rfc3339(time)
                .ok_or_else(|| invalid("ce_time", time, "must be an RFC 3339 time"))?,
            None => timestamp_ms,
        };
        let text = |name: &'static str| match find(headers, name)? {
            Some(value) if is_event_id(value) => Ok(Some(value.to_owned())),
            Some(value) => Err(invalid(
                name,
                value,
                "1 to 128 letters, digits, '-', '_' or '.'",
            )),
            None => Ok(None),
        };
        Ok(Self {
            id: id.to_owned(),
            source: source.to_owned(),
            time_ms,
            subject: subject.to_owned(),
            correlation_id: text("ce_correlationid")?.unwrap_or_else(|| subject.to_owned()),
            causation_id: text("ce_causationid")?,
            traceparent: find(headers, "traceparent")?
                .and_then(|value| value.parse().ok())
                .unwrap_or_else(Traceparent::start),
        })
    }
}

fn is_event_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn find<'h>(
    headers: &'h [(String, Vec<u8>)],
    name: &'static str,
) -> Result<Option<&'h str>, ContextError> {
    let Some((_, value)) = headers.iter().find(|(key, _)| key == name) else {
        return Ok(None);
    };
    std::str::from_utf8(value)
        .map(Some)
        .map_err(|_| invalid(name, &String::from_utf8_lossy(value), "must be UTF-8"))
}

fn required<'h>(
    headers: &'h [(String, Vec<u8>)],
    name: &'static str,
) -> Result<&'h str, ContextError> {
    find(headers, name)?.ok_or(ContextError::Missing(name))
}

fn exactly(
    headers: &[(String, Vec<u8>)],
    name: &'static str,
    value: &str,
    expected: &'static str,
) -> Result<(), ContextError> {
    let found = required(headers, name)?;
    if found == value {
        Ok(())
    } else {
        Err(invalid(name, found, expected))
    }
}

fn invalid(name: &'static str, value: &str, expected: &'static str) -> ContextError {
    ContextError::Invalid {
        name,
        value: value.chars().take(80).collect(),
        expected,
    }
}
