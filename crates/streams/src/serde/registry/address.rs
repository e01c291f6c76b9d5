//! An address of a registry, and what may be in it: user and password, which are never printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Where a registry is asked.
#[derive(Clone)]
pub(super) struct Address {
    /// Without user and password, and without a slash at the end.
    pub(super) url: String,
    /// The `Authorization` header that user and password make.
    pub(super) authorization: Option<String>,
}

impl Address {
    /// As Confluent's clients read it: `https://user:password@host:port/path`, user and password percent-encoded.
    pub(super) fn new(text: &str) -> Self {
        let text = text.trim().trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let host_end = rest.find('/').unwrap_or(rest.len());
        let Some(at) = rest.get(..host_end).and_then(|host| host.rfind('@')) else {
            return Self {
                url: text.to_owned(),
                authorization: None,
            };
        };
        let (credentials, host) = rest.split_at(at);
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        Self {
            url: format!("{scheme}://{}", host.trim_start_matches('@')),
            authorization: Some(basic_auth(&decode(user), &decode(password))),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The value of an `Authorization` header.
pub(super) fn basic_auth(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A subject as a part of a path: everything that is not unreserved (RFC 3986) is percent-encoded.
pub(super) fn encode(subject: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    subject.bytes().map(encoded).collect()
}

/// The reverse; what is no encoding stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *first == b'%');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(byte);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
