//! W3C trace context: one trace per order, a span per hop.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The value of a `traceparent` header, version 00: `00-<trace id>-<span id>-<flags>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Traceparent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl Traceparent {
    /// The first span of a new trace, sampled.
    pub fn start() -> Self {
        Self {
            trace_id: rand::random::<u128>().max(1),
            span_id: new_span(),
            flags: 1,
        }
    }

    /// A span below this one.
    pub fn child(self) -> Self {
        Self {
            span_id: new_span(),
            ..self
        }
    }

    /// What all spans of one trace share.
    pub const fn trace_id(self) -> u128 {
        self.trace_id
    }
}

fn new_span() -> u64 {
    rand::random::<u64>().max(1)
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

impl From<Traceparent> for String {
    fn from(traceparent: Traceparent) -> Self {
        traceparent.to_string()
    }
}

impl TryFrom<String> for Traceparent {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Traceparent {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a traceparent of version 00";
        let lower_hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let mut parts = text.split('-');
        let (Some("00"), Some(trace), Some(span), Some(flags), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(WRONG);
        };
        if !lower_hex(trace, 32) || !lower_hex(span, 16) || !lower_hex(flags, 2) {
            return Err(WRONG);
        }
        let parsed = Self {
            trace_id: u128::from_str_radix(trace, 16).map_err(|_| WRONG)?,
            span_id: u64::from_str_radix(span, 16).map_err(|_| WRONG)?,
            flags: u8::from_str_radix(flags, 16).map_err(|_| WRONG)?,
        };
        if parsed.trace_id == 0 || parsed.span_id == 0 {
            Err(WRONG)
        } else {
            Ok(parsed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Traceparent;

    #[test]
    fn a_child_keeps_the_trace_and_has_a_span_of_its_own() {
        let parent = Traceparent::start();
        let child = parent.child();
        assert_eq!(parent.trace_id(), child.trace_id());
        assert_ne!(parent, child);
        assert_eq!(child.to_string().parse(), Ok(child));
    }

    #[test]
    fn malformed_values_are_refused() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(text.parse::<Traceparent>().is_err(), "{text}");
        }
    }
}
