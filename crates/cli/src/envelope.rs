//! A record on a line: the JSON envelope that `consume --output json` prints and `produce --json` reads, as in kcat.

use serde::Deserialize;
use serde_json::{Value, json};

/// A record as it is printed.
pub(crate) struct Record<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

impl Record<'_> {
    /// The envelope: headers as a flat list of names and values, as kcat has them.
    pub(crate) fn envelope(&self) -> Value {
        let mut headers = Vec::with_capacity(2 * self.headers.len());
        for (name, value) in &self.headers {
            headers.push(json!(name));
            headers.push(text(*value));
        }
        json!({
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "ts": self.timestamp_ms,
            "headers": headers,
            "key": text(self.key),
            "payload": text(self.value),
        })
    }
}

/// Bytes as text; what is not UTF-8 is shown with replacement characters.
pub(crate) fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| {
        Value::String(String::from_utf8_lossy(bytes).into_owned())
    })
}

/// An envelope as read for producing. What the broker decides (offset) is not asked for.
#[derive(Deserialize, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) key: Option<String>,
    pub(crate) payload: Option<String>,
    #[serde(rename = "ts")]
    pub(crate) timestamp_ms: Option<i64>,
    #[serde(default)]
    pub(crate) headers: Vec<Option<String>>,
}

impl Envelope {
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let envelope: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if !envelope.headers.len().is_multiple_of(2)
            || envelope.headers.iter().step_by(2).any(Option::is_none)
        {
            return Err(
                "headers must be a list of names and values: [\"name\", \"value\", ...]".to_owned(),
            );
        }
        Ok(envelope)
    }

    /// Names and values.
    pub(crate) fn header_pairs(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.headers
            .chunks_exact(2)
            .filter_map(|pair| Some((pair[0].as_deref()?, pair[1].as_deref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_produced_again() {
        let record = Record {
            topic: "t",
            partition: 0,
            offset: 7,
            timestamp_ms: Some(5),
            key: Some(b"k"),
            value: None,
            headers: vec![("h", Some(b"1")), ("n", None)],
        };
        let envelope = Envelope::parse(&record.envelope().to_string()).unwrap();
        assert_eq!(envelope.key.as_deref(), Some("k"));
        assert_eq!(envelope.payload, None);
        assert_eq!(envelope.timestamp_ms, Some(5));
        assert_eq!(
            envelope.header_pairs().collect::<Vec<_>>(),
            [("h", Some("1")), ("n", None)]
        );
    }

    #[test]
    fn headers_that_do_not_pair_up_are_refused() {
        assert!(Envelope::parse(r#"{"payload":"x","headers":["a"]}"#).is_err());
        assert!(Envelope::parse(r#"{"payload":"x","headers":[null,"a"]}"#).is_err());
        assert!(Envelope::parse(r#"{"payload":"x"}"#).is_ok());
    }
}
