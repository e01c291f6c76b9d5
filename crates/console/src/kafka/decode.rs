//! Bytes of a record as a reader wants them: JSON, text or hex, never more than a bounded preview.

use rdkafka::message::{BorrowedHeaders, Headers, Message, Timestamp};
use serde::Serialize;

/// At most this many headers of a record are shown.
const MAX_HEADERS: usize = 64;

/// How much of each value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preview {
    /// In lists.
    Short,
    /// One record alone.
    Long,
}

impl Preview {
    fn bytes(self) -> usize {
        match self {
            Self::Short => 4 * 1024,
            Self::Long => 256 * 1024,
        }
    }
}

/// A key, a value or a header's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Decoded {
    /// `json`, `text` or `hex`.
    pub(crate) format: &'static str,
    pub(crate) text: String,
    /// Size of all bytes, shown or not.
    pub(crate) size: usize,
    pub(crate) truncated: bool,
}

/// A record's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DecodedHeader {
    pub(crate) key: String,
    pub(crate) value: Option<Decoded>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DecodedRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) key: Option<Decoded>,
    pub(crate) value: Option<Decoded>,
    pub(crate) headers: Vec<DecodedHeader>,
}

impl DecodedRecord {
    pub(crate) fn of(message: &impl Message<Headers = BorrowedHeaders>, preview: Preview) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let shown = headers.iter().take(MAX_HEADERS);
            shown
                .map(|header| DecodedHeader {
                    key: header.key.to_owned(),
                    value: header.value.map(|value| decode(value, Preview::Short)),
                })
                .collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: match message.timestamp() {
                Timestamp::NotAvailable => None,
                Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => Some(ms),
            },
            key: message.key().map(|key| decode(key, preview)),
            value: message.payload().map(|value| decode(value, preview)),
            headers,
        }
    }

    /// Bytes that this record takes in memory and on the wire, roughly.
    pub(crate) fn weight(&self) -> usize {
        let decoded = |value: &Option<Decoded>| value.as_ref().map_or(0, |value| value.text.len());
        let headers = self
            .headers
            .iter()
            .map(|header| header.key.len() + decoded(&header.value));
        128 + decoded(&self.key) + decoded(&self.value) + headers.sum::<usize>()
    }
}

/// The bytes as JSON, text or hex.
pub(crate) fn decode(bytes: &[u8], preview: Preview) -> Decoded {
    let limit = preview.bytes();
    let size = bytes.len();
    let Some(text) = readable(bytes) else {
        let shown = &bytes[..size.min(limit / 2)];
        let text = shown
            .iter()
            .fold(String::with_capacity(shown.len() * 2), |mut text, byte| {
                for nibble in [byte >> 4, byte & 0xf] {
                    text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                }
                text
            });
        return Decoded {
            format: "hex",
            text,
            size,
            truncated: shown.len() < size,
        };
    };
    let looks_like_json = matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
    let is_json = looks_like_json && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let end = (0..=size.min(limit))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    Decoded {
        format: if is_json { "json" } else { "text" },
        text: text[..end].to_owned(),
        size,
        truncated: end < size,
    }
}

/// UTF-8 without control characters other than white space.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let control = text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    (!control).then_some(text)
}

/// Whether key, value or a header holds `needle` (given in lower case), in any case of letters.
pub(crate) fn holds(message: &impl Message<Headers = BorrowedHeaders>, needle: &str) -> bool {
    let found = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .to_lowercase()
            .contains(needle)
    };
    message.key().is_some_and(found)
        || message.payload().is_some_and(found)
        || message.headers().is_some_and(|headers| {
            let mut shown = headers.iter().take(MAX_HEADERS);
            shown.any(|header| found(header.key.as_bytes()) || header.value.is_some_and(found))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_and_binary_are_told_apart() {
        assert_eq!(decode(br#"{"a":1}"#, Preview::Short).format, "json");
        assert_eq!(decode(b"{not json", Preview::Short).format, "text");
        assert_eq!(decode("Gruesse".as_bytes(), Preview::Short).format, "text");
        let binary = decode(&[0, 1, 0xfe], Preview::Short);
        assert_eq!((binary.format, binary.text.as_str()), ("hex", "0001fe"));
    }

    #[test]
    fn long_values_are_cut_at_a_character_and_say_so() {
        let long = "\u{e4}".repeat(5_000);
        let short = decode(long.as_bytes(), Preview::Short);
        assert!(short.truncated && short.size == 10_000 && short.text.len() <= 4_096);
        assert!(!decode(long.as_bytes(), Preview::Long).truncated);
        let binary = decode(&vec![0_u8; 10_000], Preview::Short);
        assert!(binary.truncated && binary.text.len() <= 4_096);
    }
}
